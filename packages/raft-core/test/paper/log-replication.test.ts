/** Raft (extended version), §5.3 and §5.5: log replication, and members that crash or repeat themselves. */
import { describe, expect, test } from 'vitest';
import { Entry, MessageType, StateType, type Message, type Term } from '../../src/index.ts';
import { bytes, Network } from '../network/network.ts';
import { entriesOf, Lone, settle } from '../support/lone.ts';

const { MsgApp, MsgAppResp, MsgHeartbeat, MsgHeartbeatResp, MsgProp, MsgVoteResp } = MessageType;

/** 1 leads term 2 of five members; its empty entry at 2 is acknowledged by all. */
function leader(): Lone {
  const lone = new Lone({ voters: [1, 2, 3, 4, 5] });
  lone.node.campaign();
  lone.settle();
  for (const from of [2, 3]) lone.hear(MsgVoteResp, { from, term: 2 });
  for (const from of [2, 3, 4, 5]) lone.hear(MsgAppResp, { from, term: 2, index: 2 });
  expect(lone.node).toMatchObject({ state: StateType.Leader, committed: 2 });
  return lone;
}

const appendsOf = (messages: readonly Message[]): Message[] => messages.filter((m) => m.type === MsgApp);

describe('§5.3 the leader', () => {
  test('appends a command to its log and sends it to all others at once', () => {
    const lone = leader();
    const sent = appendsOf(lone.propose('a'));
    expect(sent.map((m) => m.to)).toEqual([2, 3, 4, 5]);
    for (const m of sent)
      expect(m).toMatchObject({ term: 2, index: 2, logTerm: 2, entries: [{ term: 2, index: 3 }] });
    expect(lone.payloads()).toEqual(['', 'a']);
  });

  test('commits an entry as soon as a majority has it, and applies it then', () => {
    const lone = leader();
    lone.propose('a');
    lone.hear(MsgAppResp, { from: 2, term: 2, index: 3 });
    expect(lone.node.committed).toBe(2);
    expect(lone.applied()).toEqual([]);
    lone.hear(MsgAppResp, { from: 5, term: 2, index: 3 });
    expect(lone.node.committed).toBe(3);
    expect(lone.applied()).toEqual(['a']);
  });

  test('commits along with an entry all that precede it, also those of earlier leaders', () => {
    const lone = new Lone({ terms: [1, 2, 3] });
    lone.node.campaign();
    lone.settle();
    lone.hear(MsgVoteResp, { from: 2, term: 4 });
    expect(lone.node.committed).toBe(1);
    lone.hear(MsgAppResp, { from: 2, term: 4, index: 5 });
    expect(lone.node.committed).toBe(5);
    expect(lone.applied()).toEqual(['1/2', '2/3', '3/4']);
  });

  test('tells the commit index in later appends and heartbeats, never beyond what the follower has', () => {
    const lone = leader();
    lone.propose('a');
    lone.hear(MsgAppResp, { from: 2, term: 2, index: 3 });
    const told = lone.hear(MsgAppResp, { from: 3, term: 2, index: 3 });
    expect(new Set(appendsOf(told).map((m) => m.commit))).toEqual(new Set([3]));
    const beats = lone.tick().filter((m) => m.type === MsgHeartbeat);
    expect(beats.map((m) => [m.to, m.commit])).toEqual([
      [2, 3],
      [3, 3],
      [4, 2],
      [5, 2],
    ]);
  });

  test('does not wait for slow followers', () => {
    const lone = leader();
    for (const payload of ['a', 'b', 'c']) {
      lone.propose(payload);
      for (const from of [2, 3]) lone.hear(MsgAppResp, { from, term: 2, index: lone.node.lastIndex });
    }
    expect(lone.applied()).toEqual(['a', 'b', 'c']);
  });

  test('tries again without end until a follower has all entries', () => {
    const network = new Network();
    network.elect(1);
    network.drop = (m) => m.to === 3 && m.type === MsgApp;
    network.propose(1, 'a', 'b');
    for (let i = 0; i < 50; i++) network.heartbeat(1);
    network.drop = () => false;
    network.heartbeat(1);
    network.heartbeat(1);
    expect(network.states()).toEqual([
      ['a', 'b'],
      ['a', 'b'],
      ['a', 'b'],
    ]);
  });

  test('starts with a next index just behind its last entry, for every follower', () => {
    const lone = new Lone({ terms: [1, 1, 1, 1] });
    lone.node.campaign();
    lone.settle();
    const sent = appendsOf(lone.hear(MsgVoteResp, { from: 2, term: 2 }));
    expect(sent.map((m) => [m.to, m.index, m.logTerm])).toEqual([
      [2, 5, 1],
      [3, 5, 1],
    ]);
  });

  test('never overwrites or deletes entries of its own log (Leader Append-Only)', () => {
    const lone = leader();
    for (const payload of ['a', 'b', 'c']) lone.propose(payload);
    const before = [...lone.disk.entries];
    // Refusals and hints of every kind.
    for (let hint = 0; hint <= 5; hint++)
      lone.hear(MsgAppResp, { from: 2, term: 2, index: 5, reject: true, rejectHint: hint, logTerm: hint });
    for (let i = 0; i < 3; i++) lone.tick();
    expect(lone.disk.entries.slice(0, before.length)).toEqual(before);
  });

  test('a client command that reaches a follower goes on to the leader', () => {
    const lone = new Lone();
    lone.hear(MsgHeartbeat, { from: 2, term: 1 });
    expect(lone.propose('x')).toMatchObject([{ type: MsgProp, to: 2 }]);
    expect(lone.payloads()).toEqual([]);
  });
});

describe('§5.3 the consistency check', () => {
  test.each<[string, Term, number, boolean]>([
    ['the boundary of its log', 1, 1, true],
    ['an entry within it', 1, 2, true],
    ['its last entry', 2, 3, true],
    ['an entry of another term', 3, 3, false],
    ['an entry that it lacks', 2, 4, false],
  ])(
    'a follower with terms 1 2 at 2 and 3 takes an append that follows %s accordingly',
    (_, logTerm, index, taken) => {
      const lone = new Lone({ terms: [1, 2] });
      const [answer] = lone.hear(MsgApp, {
        from: 2,
        term: 3,
        logTerm,
        index,
        entries: [new Entry(3, index + 1, 0, bytes('x'))],
      });
      expect(answer).toMatchObject({ type: MsgAppResp, reject: !taken });
      expect(lone.payloads().includes('x')).toBe(taken);
    },
  );

  test.each<[string, readonly Term[], number, Term, readonly Term[], readonly Term[]]>([
    ['a conflict at the end', [1, 2], 2, 1, [3], [1, 3]],
    ['a conflict at the beginning', [1, 2], 1, 1, [3, 4], [3, 4]],
    ['a conflict in the middle, with more behind', [1, 1, 1, 2], 3, 1, [3], [1, 1, 3]],
    ['no conflict, nothing new', [1, 2], 1, 1, [1], [1, 2]],
    ['no conflict, overlapping', [1, 2], 1, 1, [1, 2, 4], [1, 2, 4]],
    ['no conflict, just behind', [1, 2], 3, 2, [4], [1, 2, 4]],
  ])(
    'a follower deletes what conflicts and all that follows it, and nothing else: %s',
    (_, before, index, logTerm, sent, after) => {
      const lone = new Lone({ terms: before });
      lone.hear(MsgApp, { from: 2, term: 5, index, logTerm, entries: entriesOf(sent, index + 1) });
      expect(lone.terms()).toEqual(after);
    },
  );

  test('a follower applies in log order, up to the smaller of the commit index and the last new entry', () => {
    const lone = new Lone();
    lone.hear(MsgApp, { from: 2, term: 2, index: 1, logTerm: 1, commit: 9, entries: entriesOf([2, 2], 2) });
    expect(lone.node.committed).toBe(3);
    expect(lone.applied()).toEqual(['2/2', '2/3']);
    const stale = new Lone({ terms: [1, 1, 1] });
    stale.hear(MsgApp, { from: 2, term: 2, index: 2, logTerm: 1, commit: 4 });
    expect(stale.node.committed).toBe(2);
  });

  /** Figure 7: the leader of term 8, and followers that miss entries, have extra ones, or both. */
  test.each<[string, readonly Term[]]>([
    ['a', [1, 1, 1, 4, 4, 5, 5, 6, 6]],
    ['b', [1, 1, 1, 4]],
    ['c', [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6]],
    ['d', [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7]],
    ['e', [1, 1, 1, 4, 4, 4, 4]],
    ['f', [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3]],
  ])('Figure 7: the leader brings the log of follower (%s) to agree with its own', (_, terms) => {
    const network = new Network();
    const log: readonly Term[] = [1, 1, 1, 4, 4, 5, 5, 6, 6, 6];
    const seed = (id: number, of: readonly Term[], term: Term): void => {
      const { disk } = network.member(id);
      // Behind the first entry, at which the cluster was founded.
      disk.append(entriesOf(of.slice(1), 2));
      disk.hardState = { term, vote: 0, commit: 1 };
      network.member(id).restart();
    };
    seed(1, log, 7);
    seed(2, terms, 7);
    seed(3, log, 7);
    network.isolate(2);
    network.elect(1);
    expect(network.node(1).term).toBe(8);
    network.isolate();
    network.heartbeat(1);
    network.heartbeat(1);
    const [one, two] = [network.member(1).disk.entries, network.member(2).disk.entries];
    expect(two).toEqual(one);
    expect(two.map((e) => e.term)).toEqual([...log.slice(1), 8]);
    expect(network.node(2).committed).toBe(11);
  });

  test('a refusal costs the leader one message for each conflicting term, not for each entry', () => {
    const network = new Network({ voters: [1, 2] });
    const seed = (id: number, terms: readonly Term[], term: Term): void => {
      const { disk } = network.member(id);
      disk.append(entriesOf(terms, 2));
      disk.hardState = { term, vote: 0, commit: 1 };
      network.member(id).restart();
    };
    const hundred = (term: Term): Term[] => Array<Term>(100).fill(term);
    seed(1, [...hundred(1), ...hundred(4), ...hundred(6)], 6);
    seed(2, [...hundred(1), ...hundred(3), ...hundred(5)], 6);
    network.elect(1);
    const refusals = network.sent.filter((m) => m.type === MsgAppResp && m.from === 2 && m.reject);
    expect(refusals.length).toBeGreaterThan(0);
    expect(refusals.length).toBeLessThanOrEqual(3);
    expect(network.member(2).disk.entries).toEqual(network.member(1).disk.entries);
  });
});

describe('§5.5 crashes of followers and candidates', () => {
  test('an append that comes twice has no more effect than once', () => {
    const lone = new Lone();
    const fields = { from: 2, term: 2, index: 1, logTerm: 1, commit: 1, entries: entriesOf([2, 2], 2) };
    const first = lone.hear(MsgApp, fields);
    const log = [...lone.disk.entries];
    expect(lone.hear(MsgApp, fields)).toEqual(first);
    expect(lone.disk.entries).toEqual(log);
  });

  test('a follower that crashed before it answered is sent the same again, and ends up the same', () => {
    const network = new Network();
    network.elect(1);
    network.node(1).propose(bytes('a'));
    network.put(network.member(1).takeReady());
    const toTwo = network.wire.filter((m) => m.to === 2);
    network.wire = [];
    for (const message of toTwo) network.deliver(message);
    network.member(2).takeReady();
    // It is on disk, but the answer is lost with the process.
    network.member(2).doAppend();
    network.member(2).restart();
    network.stabilize();
    network.heartbeat(1);
    network.heartbeat(1);
    expect(network.states()).toEqual([['a'], ['a'], ['a']]);
    expect(network.member(2).disk.entries).toEqual(network.member(1).disk.entries);
  });

  test('votes that are asked for again are given again', () => {
    const lone = new Lone();
    const ask = (): Message[] => lone.hear(MessageType.MsgVote, { from: 2, term: 2, index: 1, logTerm: 1 });
    const first = ask();
    expect(first).toMatchObject([{ type: MsgVoteResp, reject: false }]);
    expect(ask()).toEqual(first);
  });

  test('heartbeats get an answer that makes the leader send what was lost', () => {
    const lone = leader();
    lone.propose('a');
    // 2 has lost what was sent; it is still probed, or believed to have it under way.
    lone.node.reportUnreachable(2);
    settle(lone.member);
    const sent = appendsOf(lone.hear(MsgHeartbeatResp, { from: 2, term: 2 }));
    expect(sent).toMatchObject([{ to: 2, index: 2, entries: [{ index: 3 }] }]);
  });
});
