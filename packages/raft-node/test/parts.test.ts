import {
  encodeConfChange,
  Entry,
  EntryType,
  LogLevel,
  Message,
  MessageType,
  StateType,
  type Env,
  type RaftCore,
  type SnapshotTransfer,
  type Storage,
  type Transport,
} from '@balsa/raft-core';
import { openMemoryEngine } from '@balsa/raft-core/memory';
import { createMemoryNetwork, createVirtualEnv } from '@balsa/transport-memory';
import { describe, expect, test } from 'vitest';
import { ApplyLoop } from '../src/apply-loop.ts';
import { encodeEnvelope } from '../src/envelope.ts';
import { AppliedHistory } from '../src/history.ts';
import { MetricsRecorder } from '../src/metrics.ts';
import { defaultLimits, resolveOptions, type RaftNodeOptions } from '../src/options.ts';
import { Proposals } from '../src/proposals.ts';
import { RaftNode } from '../src/raft-node.ts';
import { encodeDescription } from '../src/snapshot-description.ts';
import { SnapshotsOut } from '../src/snapshots-out.ts';
import { Ticker } from '../src/ticker.ts';
import { codeOf } from './cluster.ts';
import { bytesOf, MachineDisk, TestMachine } from './machine.ts';

const run = new Uint8Array(8);
const confState = { voters: [1], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };

describe('the options', () => {
  const env = createVirtualEnv({ seed: 1 });
  const parts = {
    env,
    engine: openMemoryEngine(),
    stateMachine: new TestMachine(new MachineDisk(), true),
    transport: createMemoryNetwork({ env, seed: 1 }).transport(1),
  };

  test('refuse to apply what is not durable yet: the state machine could find itself ahead of its log', () => {
    const options = { ...parts, id: 1, maxApplyUnpersistedLogLimit: 1 } as unknown as RaftNodeOptions<string>;
    expect(() => resolveOptions(options)).toThrow(
      expect.objectContaining({
        code: 'INVALID_CONFIG',
        details: { field: 'maxApplyUnpersistedLogLimit' },
      }),
    );
    expect(resolveOptions({ ...options, maxApplyUnpersistedLogLimit: 0 }).id).toBe(1);
  });

  test.each(['env', 'engine', 'stateMachine', 'transport'])('name %s when it was forgotten', (part) => {
    const options = { ...parts, id: 1, [part]: undefined } as unknown as RaftNodeOptions<string>;
    expect(() => resolveOptions(options)).toThrow(
      expect.objectContaining({ code: 'INVALID_CONFIG', details: { field: part } }),
    );
  });

  test('that are refused close an engine that the node was to own, and no other', async () => {
    for (const ownEngine of [true, false]) {
      let closed = false;
      const engine = openMemoryEngine();
      engine.close = () => {
        closed = true;
        return Promise.resolve();
      };
      await expect(RaftNode.start({ ...parts, id: 0, ownEngine, engine })).rejects.toThrow(/id/);
      expect(closed).toBe(ownEngine);
    }
  });
});

describe('the apply loop', () => {
  test('gives the state machine nothing behind a membership change before its conf state is durable', async () => {
    const env = createVirtualEnv({ seed: 1 });
    const machine = new TestMachine(new MachineDisk(), true);
    let durable: () => void = () => undefined;
    const delivered: Message[] = [];
    const errors: unknown[] = [];
    const loop = new ApplyLoop<string>({
      stateMachine: machine,
      env,
      metrics: new MetricsRecorder(),
      history: new AppliedHistory(
        { boundary: { index: 0, term: 0 }, runs: [], confIndexes: [], lastIndex: 0 },
        0,
        { index: 0, state: confState },
      ),
      isUrgent: () => true,
      applyConfChange: () => confState,
      recordConf: () => new Promise((resolve) => (durable = resolve)),
      onEntry: () => undefined,
      onApplied: () => undefined,
      deliver: (responses) => delivered.push(...responses),
      onError: (error) => errors.push(error),
    });
    const change = encodeConfChange({
      version: 2,
      transition: 0,
      changes: [{ type: 3, nodeId: 7 }],
      context: new Uint8Array(0),
    });
    const entries = [
      new Entry(1, 1, EntryType.Normal, encodeEnvelope(run, 1, bytesOf('before'))),
      new Entry(1, 2, change.type, change.data),
      new Entry(1, 3, EntryType.Normal, encodeEnvelope(run, 2, bytesOf('behind'))),
    ];
    const done = new Message(MessageType.MsgStorageApplyResp);
    loop.push(new Message(MessageType.MsgStorageApply, { entries, responses: [done] }));
    await env.settle();
    expect(machine.texts).toEqual(['before']);
    expect(machine.applied).toBe(1);
    expect(delivered).toEqual([]);
    durable();
    await env.settle();
    expect(machine.texts).toEqual(['before', 'behind']);
    expect(delivered).toEqual([done]);
    expect(errors).toEqual([]);
  });
});

describe('forwarded proposals', () => {
  function follower(): {
    core: { leader: number; term: number };
    proposals: Proposals<string>;
    frames: number[];
  } {
    const core = { state: StateType.Follower, leader: 2, term: 5 };
    const frames: number[] = [];
    const proposals = new Proposals<string>({
      env: createVirtualEnv({ seed: 1 }),
      metrics: new MetricsRecorder(),
      limits: defaultLimits,
      incarnation: run,
      requestTimeoutMs: 1000,
      leaderWaitMs: 1000,
      maxBodyBytes: 1000,
      core: core as unknown as RaftCore,
      applied: () => 0,
      sendControl: (peer) => frames.push(peer) > 0,
      checkChange: () => undefined,
      schedule: () => undefined,
    });
    return { core, proposals, frames };
  }
  const submit = (proposals: Proposals<string>): Promise<string> =>
    codeOf(proposals.submitCommand(bytesOf('x')));

  test.each([
    ['another leader', { leader: 3, term: 5 }],
    ['another term of the same leader', { leader: 2, term: 6 }],
    ['no leader', { leader: 0, term: 5 }],
  ])('without an answer when there is %s: unknown, and sent once', async (_, next) => {
    const { core, proposals, frames } = follower();
    const outcome = submit(proposals);
    proposals.flush();
    Object.assign(core, next);
    proposals.onLeaderChange();
    proposals.flush();
    expect(await outcome).toBe('UNKNOWN_OUTCOME');
    expect(frames).toEqual([2]);
  });

  test('an answer from somebody else than the leader asked is no answer', async () => {
    const { proposals } = follower();
    const outcome = submit(proposals);
    proposals.flush();
    proposals.onFrame(3, { type: 'refused', counters: [1], code: 'OVERLOADED', text: '', leader: 0 });
    expect(proposals.pending).toBe(1);
    proposals.onFrame(2, { type: 'refused', counters: [1], code: 'OVERLOADED', text: '', leader: 0 });
    expect(await outcome).toBe('OVERLOADED');
  });
});

describe('a snapshot that is sent', () => {
  test('and stops moving is aborted after the stall time and reported as failed', async () => {
    const env = createVirtualEnv({ seed: 1 });
    let fail: (error: Error) => void = () => undefined;
    const transfer: SnapshotTransfer = {
      done: new Promise<void>((_, reject) => (fail = reject)),
      sentChunks: 1,
      abort: (reason) => fail(new Error(reason)),
    };
    const reports: unknown[] = [];
    const out = new SnapshotsOut({
      group: 'main',
      storage: {
        openSnapshot: () => Promise.resolve({ close: () => Promise.resolve() }),
      } as unknown as Storage,
      transport: { sendSnapshot: () => transfer } as unknown as Transport,
      env,
      metrics: new MetricsRecorder(),
      maxSending: 1,
      stallMs: 1000,
      report: (peer, ok) => reports.push([peer, ok]),
      onProgress: () => undefined,
    });
    const data = encodeDescription({
      id: 's',
      chunkCount: 5,
      bytes: 9,
      checksum: 1,
      members: [],
      removed: [],
    });
    out.send(
      new Message(MessageType.MsgSnap, {
        to: 2,
        snapshot: { metadata: { index: 8, term: 1, confState }, data },
      }),
    );
    await env.settle();
    out.tick();
    expect(out.pinnedIndex).toBe(8);
    await env.advance(900);
    out.tick();
    expect(reports).toEqual([]);
    await env.advance(1200);
    out.tick();
    await env.settle();
    expect(reports).toEqual([[2, false]]);
    expect(out.pinnedIndex).toBe(Infinity);
  });
});

describe('the clock', () => {
  test('ticks that did not come are told once, however many were late and by how little', () => {
    let now = 1000;
    let fire: () => void = () => undefined;
    const env: Env = {
      now: () => now,
      setTimer: (_, callback) => {
        fire = callback;
        return { cancel: () => undefined };
      },
      random: () => 0,
      log: { enabled: () => false, log: () => undefined },
    };
    const ticker = new Ticker({
      env,
      metrics: new MetricsRecorder(),
      tickMs: 100,
      lateMs: 500,
      onTick: () => undefined,
    });
    ticker.start();
    expect(ticker.missed()).toBe(0);
    now += 750;
    expect([ticker.missed(), ticker.missed()]).toEqual([7, 0]);
    // Three ticks, each 40 ms late: more than one tick of time has passed unseen.
    ticker.start();
    for (let i = 0; i < 3; i++) {
      now += 140;
      fire();
    }
    expect([ticker.missed(), ticker.missed()]).toEqual([1, 0]);
  });

  test('a late tick is counted and logged with its delay, and not made up for', () => {
    let now = 0;
    let fire: () => void = () => undefined;
    const lines: string[] = [];
    const env: Env = {
      now: () => now,
      setTimer: (_, callback) => {
        fire = callback;
        return { cancel: () => undefined };
      },
      random: () => 0,
      log: { enabled: () => true, log: (level, text) => level === LogLevel.Warn && lines.push(text) },
    };
    let ticks = 0;
    new Ticker({
      env,
      metrics: new MetricsRecorder(),
      tickMs: 100,
      lateMs: 500,
      onTick: () => ticks++,
    }).start();
    now = 100;
    fire();
    expect(lines).toEqual([]);
    now = 1900;
    fire();
    expect(ticks).toBe(2);
    expect(lines).toEqual(['a tick came 1700 ms late: something blocked the event loop']);
  });
});
