/** Recorded runs: what was put in and what came out, and the same again. */
import { describe, expect, test } from 'vitest';
import {
  decodeMessage,
  encodeMessage,
  Entry,
  isBalsaError,
  Message,
  messageSize,
  MessageType,
  RawNode,
  type RawNodeConfig,
} from '../src/index.ts';
import { recordCore, replay } from '../src/testing/index.ts';
import { decodeStep, encodeStep } from '../src/testing/step-codec.ts';
import { bytes, Network, type MakeNode, type NetworkOptions } from './network/network.ts';

/** Records every life of every member. */
function recorded(options: NetworkOptions = {}): { network: Network; recordings: string[][] } {
  const recordings: string[][] = [];
  const make: MakeNode = (config, initial) => {
    const lines: string[] = [];
    recordings.push(lines);
    return recordCore(
      config,
      initial,
      (line) => lines.push(line),
      (c, i) => new RawNode(c, i),
    );
  };
  return { network: new Network({ ...options, make }), recordings };
}

/** Elections by timeout, a partition, a snapshot, a restart, and proposals that are refused. */
function story(options: NetworkOptions = {}): string[][] {
  const { network, recordings } = recorded(options);
  for (let i = 0; i < 40; i++) {
    for (const id of [1, 2, 3]) network.tick(id);
    network.stabilize();
  }
  const leader = [1, 2, 3].find((id) => network.node(id).leader === id) ?? 1;
  const other = leader === 1 ? 2 : 1;
  network.isolate(other);
  network.propose(leader, 'a', 'b');
  network.member(leader).compact(network.node(leader).applied);
  network.isolate();
  for (let i = 0; i < 3; i++) network.heartbeat(leader);
  network.member(other).restart();
  try {
    network.node(other).propose(bytes('nobody leads here'));
  } catch (error) {
    if (!isBalsaError(error, 'PROPOSAL_DROPPED')) throw error;
  }
  for (let i = 0; i < 3; i++) network.heartbeat(leader);
  network.node(leader).readIndex(bytes('r'));
  network.stabilize();
  return recordings;
}

describe('a recording', () => {
  test.each<[string, NetworkOptions]>([
    ['with fetches', { config: { entryCacheBytes: 0 } }],
    ['with a peek', { peek: true, config: { entryCacheBytes: 0 } }],
    ['of the synchronous mode', { config: { asyncStorageWrites: false } }],
    ['with pre-vote and the check of the quorum', { config: { preVote: true, checkQuorum: true } }],
  ])('%s replays to the same Readys, in every life', (_, options) => {
    const recordings = story(options);
    expect(recordings).toHaveLength(4);
    for (const lines of recordings) {
      const result = replay(lines);
      expect(result.mismatch).toBeUndefined();
      expect(result.steps).toBe(lines.length - 1);
      expect(result.steps).toBeGreaterThan(5);
    }
  });

  test('holds one line of JSON a step, the refused ones too', () => {
    const lines = story().flat();
    for (const line of lines) expect(JSON.stringify(JSON.parse(line))).toBe(line);
    expect(lines.some((line) => line.includes('"error":"PROPOSAL_DROPPED"'))).toBe(true);
  });

  test('is not disturbed by questions', () => {
    const lines: string[] = [];
    const initial = {
      hardState: { term: 0, vote: 0, commit: 0 },
      confState: { voters: [1], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false },
      outline: { boundary: { index: 0, term: 0 }, runs: [], confIndexes: [], lastIndex: 0 },
    };
    const core = recordCore(
      { id: 1, random: () => 0, preVote: false },
      initial,
      (line) => lines.push(line),
      (c, i) => new RawNode(c, i),
    );
    expect(core.hasReady()).toBe(false);
    expect(core.status().term).toBe(0);
    expect(core.term).toBe(0);
    expect(lines).toHaveLength(1);
    core.campaign();
    expect(core.term).toBe(1);
    expect(lines).toHaveLength(2);
  });
});

describe('a replay', () => {
  test('says at which step another core differs, and how', () => {
    const lines = story()[0] ?? [];
    const other = (config: RawNodeConfig, initial: ConstructorParameters<typeof RawNode>[1]): RawNode =>
      new RawNode({ ...config, heartbeatTick: 2 }, initial);
    const { mismatch, steps } = replay(lines, other);
    expect(mismatch).toMatchObject({ line: steps + 1, call: 'ready' });
    expect(mismatch?.expected).not.toBe(mismatch?.actual);
  });

  test('notices a single changed number', () => {
    const lines = [...(story()[0] ?? [])];
    const at = lines.findIndex((line) => line.startsWith('{"do":"ready"') && line.includes('"commit":3'));
    expect(at).toBeGreaterThan(0);
    lines[at] = (lines[at] ?? '').replace('"commit":3', '"commit":2');
    expect(replay(lines).mismatch).toMatchObject({ line: at + 1 });
  });

  test.each([[[]], [['{"do":"tick"}']], [['not json']]])('refuses %j, which is no recording', (lines) => {
    expect(() => replay(lines)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });

  test('gives entries back that came off the wire', () => {
    const entries = [new Entry(1, 2, 0, Uint8Array.of(0, 255, 128)), new Entry(1, 3)];
    const sent = new Message(MessageType.MsgApp, { from: 2, to: 1, term: 1, index: 1, logTerm: 1, entries });
    const wire = new Uint8Array(messageSize(sent));
    encodeMessage(sent, wire, 0);
    expect(encodeStep(decodeMessage(wire))).toBe(encodeStep(sent));
    expect(decodeStep(encodeStep(decodeMessage(wire)))).toEqual(sent);
  });

  test('gives messages back as what they were, bytes, entries and responses included', () => {
    const lines: string[] = [];
    const { network } = recorded();
    const config = { id: 1, random: () => 0, preVote: false };
    const initial = {
      hardState: { term: 0, vote: 0, commit: 1 },
      confState: network.member(1).disk.confState,
      outline: { boundary: { index: 1, term: 1 }, runs: [], confIndexes: [], lastIndex: 1 },
    };
    const core = recordCore(
      config,
      initial,
      (line) => lines.push(line),
      (c, i) => new RawNode(c, i),
    );
    const entries = [new Entry(1, 2, 0, Uint8Array.of(0, 255, 128), Uint8Array.of(7))];
    core.step(new Message(MessageType.MsgApp, { from: 2, to: 1, term: 1, index: 1, logTerm: 1, entries }));
    const ready = core.ready();
    expect(ready.entries).toEqual(entries);
    expect(replay(lines).mismatch).toBeUndefined();
    expect(lines.at(-1)).toContain('{"$entry":[1,2,0,{"$bytes":"00ff80"},{"$bytes":"07"}]}');
    expect(lines.at(-1)).toContain('"responses":[{"$message":');
  });
});
