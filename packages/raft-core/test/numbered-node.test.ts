/** raft-rs's numbered Readys, as a layer on the messages to storage threads. */
import { describe, expect, test } from 'vitest';
import {
  Entry,
  Message,
  MessageType,
  NumberedNode,
  StateType,
  type NumberedReady,
  type RawNodeConfig,
} from '../src/index.ts';
import { bytes, confStateOf, seeded, text } from './network/network.ts';

function start(voters: readonly number[], config: Partial<RawNodeConfig> = {}): NumberedNode {
  return new NumberedNode(
    { id: 1, random: seeded(1), preVote: false, checkQuorum: false, applied: 1, ...config },
    {
      hardState: { term: 1, vote: 0, commit: 1 },
      confState: confStateOf(voters),
      outline: { boundary: { index: 1, term: 1 }, runs: [], confIndexes: [], lastIndex: 1 },
    },
  );
}

const payloads = (entries: readonly Entry[]): string[] => entries.map((e) => text(e.data));
const types = (messages: readonly Message[]): number[] => messages.map((m) => m.type);

/** The only voter leads and has nothing left to do. */
function leaderAlone(): NumberedNode {
  const numbered = start([1]);
  numbered.node.campaign();
  while (numbered.hasReady()) {
    numbered.advance(numbered.ready());
    numbered.advanceApply();
  }
  expect(numbered.node.state).toBe(StateType.Leader);
  return numbered;
}

/** 1 of three leads at term 2, with its first entry committed. */
function leaderOfThree(): NumberedNode {
  const numbered = start([1, 2, 3]);
  const { node } = numbered;
  node.campaign();
  numbered.advance(numbered.ready());
  node.step(new Message(MessageType.MsgVoteResp, { from: 2, to: 1, term: node.term }));
  numbered.advance(numbered.ready());
  acknowledge(numbered, 2);
  while (numbered.hasReady()) numbered.advance(numbered.ready());
  numbered.advanceApply();
  return numbered;
}

function acknowledge({ node }: NumberedNode, from: number, index = node.lastIndex): void {
  node.step(new Message(MessageType.MsgAppResp, { from, to: 1, term: node.term, index }));
}

describe('numbered Readys', () => {
  test('are numbered by one from 1, also when LightReadys come between', () => {
    const numbered = start([1]);
    numbered.node.campaign();
    const numbers: number[] = [];
    for (let i = 0; numbered.hasReady(); i++) {
      if (i > 0 && i < 4) numbered.node.propose(bytes('x'));
      const ready = numbered.ready();
      numbers.push(ready.number);
      numbered.advance(ready);
      numbered.advanceApply();
    }
    expect(numbers.length).toBeGreaterThan(3);
    expect(numbers).toEqual(numbers.map((_, i) => i + 1));
  });

  test('advance gives what may be applied because of it as a LightReady', () => {
    const numbered = leaderAlone();
    const { committed } = numbered.node;
    numbered.node.propose(bytes('a'));
    const ready = numbered.ready();
    expect(payloads(ready.entries)).toEqual(['a']);
    expect(ready.committedEntries).toEqual([]);
    const light = numbered.advance(ready);
    expect(payloads(light.committedEntries)).toEqual(['a']);
    expect(light).toMatchObject({ commitIndex: committed + 1, messages: [] });
    expect(numbered.hasReady()).toBe(false);
    expect(numbered.node.applied).toBe(committed);
    numbered.advanceApply();
    expect(numbered.node.applied).toBe(committed + 1);
  });

  test('a leader sends appends at once, and a LightReady tells the commit index to followers', () => {
    const numbered = leaderOfThree();
    numbered.node.propose(bytes('a'));
    const ready = numbered.ready();
    expect(types(ready.messages)).toContain(MessageType.MsgApp);
    expect(ready.persistedMessages).toEqual([]);
    // The quorum is there before the leader's own write: nothing commits until it counts itself, or both others do.
    acknowledge(numbered, 2);
    expect(numbered.node.committed).toBe(numbered.node.lastIndex - 1);
    const light = numbered.advanceAppend(ready);
    expect(light.commitIndex).toBe(numbered.node.lastIndex);
    expect(types(light.messages)).toContain(MessageType.MsgApp);
    expect(payloads(light.committedEntries)).toEqual(['a']);
  });

  test('a follower acknowledges by persisted messages only', () => {
    const numbered = start([1, 2, 3]);
    append(numbered, 2, 'a');
    const ready = numbered.ready();
    expect(ready.messages).toEqual([]);
    expect(types(ready.persistedMessages)).toEqual([MessageType.MsgAppResp]);
    expect(ready.mustSync).toBe(true);
  });

  test('several may be outstanding, and onPersistReady is cumulative', () => {
    const numbered = leaderAlone();
    const { committed } = numbered.node;
    const numbers: number[] = [];
    for (const payload of ['a', 'b', 'c']) {
      numbered.node.propose(bytes(payload));
      const ready = numbered.ready();
      numbers.push(ready.number);
      expect(payloads(ready.entries)).toEqual([payload]);
      numbered.advanceAppendAsync(ready);
    }
    expect(numbered.node.committed).toBe(committed);
    numbered.onPersistReady(numbers[1] ?? 0);
    expect(numbered.node.committed).toBe(committed + 2);
    numbered.onPersistReady(numbers[0] ?? 0);
    expect(payloads(take(numbered).committedEntries)).toEqual(['a', 'b']);
    numbered.onPersistReady(numbers[2] ?? 0);
    expect(payloads(take(numbered).committedEntries)).toEqual(['c']);
  });

  test('a follower whose tail is overwritten while it is written does not count the old report', () => {
    const numbered = start([1, 2, 3]);
    append(numbered, 2, 'old');
    const first = numbered.ready();
    numbered.advanceAppendAsync(first);
    append(numbered, 3, 'new');
    const second = numbered.ready();
    numbered.advanceAppendAsync(second);
    numbered.onPersistReady(first.number);
    const commit = new Message(MessageType.MsgHeartbeat, { from: 2, to: 1, term: 3, commit: 2 });
    numbered.node.step(commit);
    // Committed, but what is durable is not known to be this entry.
    const third = numbered.ready();
    expect(third.committedEntries).toEqual([]);
    numbered.advanceAppendAsync(third);
    numbered.onPersistReady(third.number);
    expect(payloads(take(numbered).committedEntries)).toEqual(['new']);
  });

  test('a candidate becomes leader only when its own vote is durable', () => {
    const numbered = start([1, 2, 3]);
    const { node } = numbered;
    node.campaign();
    const ready = numbered.ready();
    expect(types(ready.messages)).toEqual([MessageType.MsgVote, MessageType.MsgVote]);
    numbered.advanceAppendAsync(ready);
    node.step(new Message(MessageType.MsgVoteResp, { from: 2, to: 1, term: node.term }));
    expect(node.state).toBe(StateType.Candidate);
    numbered.onPersistReady(ready.number);
    expect(node.state).toBe(StateType.Leader);
  });

  test('an election won by advance is in the next Ready, not in the LightReady', () => {
    const numbered = start([1]);
    numbered.node.campaign();
    const light = numbered.advance(numbered.ready());
    expect(light).toEqual({ commitIndex: undefined, committedEntries: [], messages: [] });
    expect(numbered.hasReady()).toBe(true);
    const ready = numbered.ready();
    expect(ready.softState).toMatchObject({ state: StateType.Leader });
    expect(ready.entries).toHaveLength(1);
  });

  test('snapshots in two Readys on their way: each counts when it is durable', () => {
    const numbered = start([1, 2, 3]);
    const readies: NumberedReady[] = [];
    for (const index of [10, 20]) {
      const snapshot = { metadata: { index, term: 2, confState: confStateOf([1, 2, 3]) }, data: bytes('[]') };
      numbered.node.step(new Message(MessageType.MsgSnap, { from: 2, to: 1, term: 2, snapshot }));
      const ready = numbered.ready();
      expect(ready).toMatchObject({ snapshot, mustSync: true });
      expect(ready.persistedMessages.map((m) => m.index)).toEqual([index]);
      numbered.advanceAppendAsync(ready);
      readies.push(ready);
    }
    numbered.onPersistReady(readies[0]?.number ?? 0);
    expect(numbered.node).toMatchObject({ applied: 10, committed: 20 });
    expect(numbered.node.pendingSnapshot?.metadata.index).toBe(20);
    numbered.onPersistReady(readies[1]?.number ?? 0);
    expect(numbered.node).toMatchObject({ applied: 20 });
    expect(numbered.node.pendingSnapshot).toBeUndefined();
  });

  test('advanceApplyTo counts a part of what was handed out', () => {
    const numbered = leaderAlone();
    const { applied } = numbered.node;
    numbered.node.proposeBatch(['a', 'b', 'c'].map(bytes));
    const light = numbered.advanceAppend(numbered.ready());
    expect(payloads(light.committedEntries)).toEqual(['a', 'b', 'c']);
    numbered.advanceApplyTo(applied + 2);
    expect(numbered.node.applied).toBe(applied + 2);
    numbered.advanceApplyTo(applied + 1);
    expect(numbered.node.applied).toBe(applied + 2);
    numbered.advanceApply();
    expect(numbered.node.applied).toBe(applied + 3);
  });

  test('misuse is refused: two Readys open, another than the last, numbers and indexes not handed out', () => {
    const numbered = leaderAlone();
    numbered.node.propose(bytes('a'));
    const ready = numbered.ready();
    const refused = expect.objectContaining({ code: 'INVALID_ARGUMENT' }) as Error;
    expect(() => numbered.ready()).toThrow(refused);
    expect(() => numbered.advance({ ...ready })).toThrow(refused);
    expect(() => {
      numbered.onPersistReady(ready.number);
    }).toThrow(refused);
    numbered.advance(ready);
    expect(() => numbered.advance(ready)).toThrow(refused);
    expect(() => {
      numbered.onPersistReady(ready.number + 1);
    }).toThrow(refused);
    expect(() => {
      numbered.advanceApplyTo(numbered.node.lastIndex + 1);
    }).toThrow(refused);
  });

  test('three members that use it agree', () => {
    const members = [1, 2, 3].map((id) => start([1, 2, 3], { id }));
    const applied = new Map<number, string[]>(members.map(({ node }) => [node.id, []]));
    const run = (): void => {
      for (let busy = true; busy;) {
        busy = false;
        for (const member of members) {
          if (!member.hasReady()) continue;
          busy = true;
          const ready = member.ready();
          const light = member.advance(ready);
          const entries = [...ready.committedEntries, ...light.committedEntries];
          applied.get(member.node.id)?.push(...payloads(entries).filter((p) => p !== ''));
          member.advanceApply();
          for (const m of [...ready.messages, ...ready.persistedMessages, ...light.messages])
            members[m.to - 1]?.node.step(m);
        }
      }
    };
    members[1]?.node.campaign();
    run();
    members[0]?.node.propose(bytes('a'));
    members[1]?.node.propose(bytes('b'));
    run();
    const states = [...applied.values()];
    expect(states[0]?.toSorted()).toEqual(['a', 'b']);
    expect(states[1]).toEqual(states[0]);
    expect(states[2]).toEqual(states[0]);
  });
});

function append({ node }: NumberedNode, term: number, payload: string): void {
  const entries = [new Entry(term, 2, 0, bytes(payload))];
  node.step(
    new Message(MessageType.MsgApp, { from: 2, to: 1, term, index: 1, logTerm: 1, entries, commit: 1 }),
  );
}

function take(numbered: NumberedNode): NumberedReady {
  const ready = numbered.ready();
  numbered.advanceAppendAsync(ready);
  return ready;
}
