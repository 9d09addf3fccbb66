/** Every field of the configuration: what is refused, by name, and what the defaults are. */
import { describe, expect, test } from 'vitest';
import {
  BalsaError,
  defaultConfig,
  LocalAppendThread,
  LocalApplyThread,
  RawNode,
  ReadOnlyOption,
  silentLogger,
  LogLevel,
  validateConfig,
  type RaftConfig,
} from '../src/index.ts';
import { confStateOf } from './network/network.ts';

const base: RaftConfig = { ...defaultConfig, id: 1, random: () => 0, logger: silentLogger };

const wrong: readonly (readonly [keyof RaftConfig, Partial<RaftConfig>])[] = [
  ['id', { id: 0 }],
  ['id', { id: LocalAppendThread }],
  ['id', { id: LocalApplyThread }],
  ['id', { id: 1.5 }],
  ['heartbeatTick', { heartbeatTick: 0 }],
  ['electionTick', { electionTick: 1, heartbeatTick: 1 }],
  ['electionTick', { electionTick: Number.NaN }],
  ['minElectionTick', { minElectionTick: 9 }],
  ['maxElectionTick', { minElectionTick: 15, maxElectionTick: 15 }],
  ['applied', { applied: -1 }],
  ['maxSizePerMsg', { maxSizePerMsg: -1 }],
  ['maxCommittedSizePerReady', { maxCommittedSizePerReady: 2 ** 53 }],
  ['maxUncommittedEntriesSize', { maxUncommittedEntriesSize: -1 }],
  ['maxInflightMsgs', { maxInflightMsgs: 0 }],
  ['maxInflightBytes', { maxInflightBytes: 10, maxSizePerMsg: 11 }],
  ['entryCacheBytes', { entryCacheBytes: -1 }],
  ['entryCacheApplied', { entryCacheApplied: -1 }],
  ['maxApplyUnpersistedLogLimit', { maxApplyUnpersistedLogLimit: -1 }],
  ['priority', { priority: -1 }],
  ['readOnlyOption', { readOnlyOption: ReadOnlyOption.LeaseBased, checkQuorum: false }],
];

describe('the configuration', () => {
  test.each(wrong)('%s is refused by name: %o', (field, change) => {
    let refusal: unknown;
    try {
      validateConfig({ ...base, ...change });
    } catch (error) {
      refusal = error;
    }
    expect(refusal).toBeInstanceOf(BalsaError);
    expect(refusal).toMatchObject({ code: 'INVALID_CONFIG', details: { field } });
  });

  test('a core is not made with what is refused', () => {
    const initial = {
      hardState: { term: 0, vote: 0, commit: 0 },
      confState: confStateOf([1]),
      outline: { boundary: { index: 0, term: 0 }, runs: [], confIndexes: [], lastIndex: 0 },
    };
    expect(() => new RawNode({ ...base, heartbeatTick: 0 }, initial)).toThrow(
      expect.objectContaining({ code: 'INVALID_CONFIG' }),
    );
  });

  test('a logger that wants nothing is told nothing, and one that wants all hears the words of etcd', () => {
    const initial = {
      hardState: { term: 0, vote: 0, commit: 0 },
      confState: confStateOf([1]),
      outline: { boundary: { index: 0, term: 0 }, runs: [], confIndexes: [], lastIndex: 0 },
    };
    const told = (wants: boolean): string[] => {
      const texts: string[] = [];
      const logger = { enabled: () => wants, log: (_: LogLevel, text: string) => texts.push(text) };
      new RawNode({ ...base, logger }, initial).campaign();
      return texts;
    };
    expect(told(false)).toEqual([]);
    expect(told(true)).toContain('1 became follower at term 0');
    expect(Object.values(LogLevel).filter((level) => silentLogger.enabled(level))).toEqual([]);
  });

  test('at 0 a limit means none, or the value that its page names', () => {
    const zeros = {
      maxUncommittedEntriesSize: 0,
      maxInflightBytes: 0,
      maxSizePerMsg: 0,
      maxCommittedSizePerReady: 0,
    };
    expect(() => {
      validateConfig({ ...base, ...zeros, minElectionTick: 0, maxElectionTick: 0 });
    }).not.toThrow();
  });

  test("the defaults are safe ones, and raft-rs's options are off", () => {
    expect(() => {
      validateConfig(base);
    }).not.toThrow();
    expect(defaultConfig).toMatchObject({
      checkQuorum: true,
      preVote: true,
      readOnlyOption: ReadOnlyOption.Safe,
      stepDownOnRemoval: true,
      priority: 0,
      batchAppend: false,
      skipBcastCommit: false,
      commitByVote: false,
      reportCommitIndex: false,
      commitByReadIndex: false,
      maxApplyUnpersistedLogLimit: 0,
      minElectionTick: 0,
      maxElectionTick: 0,
    });
  });
});
