/** Bugs of others, section 2.5: appends, conflicts, truncation. The number is the row of docs/museum-core.md. */
import { expect, test } from 'vitest';
import { Message, MessageType, StateType, type NodeId, type Term } from '../../src/index.ts';
import { bytes, Network, type Member } from '../network/network.ts';
import { entriesOf, Lone } from '../support/lone.ts';

const { MsgApp, MsgAppResp, MsgHeartbeat, MsgSnap } = MessageType;

function seed(member: Member, terms: readonly Term[], term: Term): void {
  member.disk.append(entriesOf(terms, 2));
  member.disk.hardState = { term, vote: 0, commit: 1 };
  member.restart();
}

test('#39 (openraft 9540c904): an append that overlaps equal entries deletes none of them, not even for a moment', () => {
  const { member } = new Lone({ terms: [1, 1, 1, 1], hardState: { commit: 2 } });
  member.step(
    new Message(MsgApp, {
      from: 2,
      to: 1,
      term: 1,
      index: 2,
      logTerm: 1,
      commit: 4,
      entries: entriesOf([1, 1], 3),
    }),
  );
  member.takeReady();
  // Nothing at all is written but the commit index.
  expect(member.appends.map((m) => [m.entries.length, m.commit])).toEqual([[0, 4]]);
});

test('#40 (openraft 44381b0c, 71a290cd): an append that follows a compacted entry is acknowledged, not taken for a conflict', () => {
  const lone = new Lone({ boundary: { index: 5, term: 2 }, terms: [2, 2], hardState: { commit: 7 } });
  expect(
    lone.hear(MsgApp, { from: 2, term: 2, index: 3, logTerm: 1, entries: entriesOf([2, 2], 4) }),
  ).toMatchObject([{ type: MsgAppResp, reject: false, index: 7 }]);
  expect(lone.terms()).toEqual([2, 2]);
});

test('#41 (willemt/raft #118, RedisLabs/raft #49): an append from the very beginning, doubled after compaction, adds nothing', () => {
  const lone = new Lone({ boundary: { index: 5, term: 2 }, terms: [2], hardState: { commit: 6 } });
  for (let i = 0; i < 2; i++)
    expect(
      lone.hear(MsgApp, { from: 2, term: 2, index: 0, logTerm: 0, entries: entriesOf([1, 1], 1) }),
    ).toMatchObject([{ type: MsgAppResp, reject: false, index: 6 }]);
  expect(lone.terms()).toEqual([2]);
});

test('#42 (willemt/raft 3e011ae, 396f7b7): heartbeats and appends out of order cut nothing off', () => {
  const lone = new Lone();
  const append = (index: number, terms: readonly Term[], commit: number): Message[] =>
    lone.hear(MsgApp, { from: 2, term: 1, index, logTerm: 1, commit, entries: entriesOf(terms, index + 1) });
  append(1, [1, 1, 1], 2);
  append(1, [1], 1);
  append(2, [], 1);
  lone.hear(MsgHeartbeat, { from: 2, term: 1, commit: 1 });
  expect(lone.terms()).toEqual([1, 1, 1]);
  expect(lone.node).toMatchObject({ committed: 2, lastIndex: 4 });
});

test('#43 (openraft 6d53aa12): a hundred conflicting entries on each side are resolved in a few messages', () => {
  const network = new Network({ voters: [1, 2] });
  const many = (term: Term): Term[] => Array<Term>(100).fill(term);
  seed(network.member(1), many(3), 3);
  seed(network.member(2), many(2), 3);
  network.elect(1);
  expect(network.member(2).disk.entries).toEqual(network.member(1).disk.entries);
  expect(network.sent.filter((m) => m.type === MsgAppResp && m.reject).length).toBeLessThan(5);
});

test('#44 (raft #31): an entry that the follower lacks does not match one that the leader has compacted', () => {
  const lone = new Lone({ terms: [1] });
  // Term 0 is what both sides say of an entry that they do not know.
  expect(lone.hear(MsgApp, { from: 2, term: 2, index: 9, logTerm: 0, commit: 9 })).toMatchObject([
    { type: MsgAppResp, reject: true },
  ]);
  expect(lone.node.committed).toBe(1);
});

test('#44 (raft #31): a leader that has compacted what a throttled follower needs sends a snapshot', () => {
  const network = new Network({ config: { maxInflightMsgs: 1 } });
  network.elect(1);
  network.drop = (m) => m.to === 3 && m.type === MsgApp;
  network.propose(1, 'a', 'b', 'c', 'd');
  network.member(1).compact(6);
  network.drop = () => false;
  for (let i = 0; i < 4; i++) network.heartbeat(1);
  expect(network.sent.some((m) => m.type === MsgSnap && m.to === 3)).toBe(true);
  expect(network.member(3).disk.state).toEqual(['a', 'b', 'c', 'd']);
});

test('#45 (raft #36, 235a62a): any old append that comes again after compaction is answered and changes nothing', () => {
  const network = new Network();
  network.elect(1);
  network.propose(1, 'a', 'b', 'c');
  const old = network.sent.filter((m) => m.type === MsgApp && m.to === 2);
  network.member(2).compact(4);
  const before = [...network.member(2).disk.entries];
  for (const message of old) network.deliver(message);
  network.stabilize();
  expect(network.member(2).refusals).toEqual([]);
  expect(network.member(2).disk.entries).toEqual(before);
});

test('#49 (NuRaft #293, #185): after leaders that changed three times all logs are the same and nothing committed is lost', () => {
  const network = new Network();
  const promised: string[] = [];
  const reign = (id: NodeId, kept: string, lost: string): void => {
    network.isolate();
    network.elect(id);
    network.propose(id, kept);
    promised.push(kept);
    network.isolate(id);
    network.node(id).propose(bytes(lost));
    network.stabilize();
  };
  reign(1, 'a', 'x');
  reign(2, 'b', 'y');
  reign(3, 'c', 'z');
  network.isolate();
  network.elect(1);
  for (let i = 0; i < 6; i++) {
    const leader = [1, 2, 3].find((id) => network.node(id).state === StateType.Leader);
    if (leader === undefined) network.elect(3);
    else network.heartbeat(leader);
  }
  expect(network.states()).toEqual([promised, promised, promised]);
  const logs = [1, 2, 3].map((id) => network.member(id).disk.entries.map((e) => [e.index, e.term]));
  expect(logs[1]).toEqual(logs[0]);
  expect(logs[2]).toEqual(logs[0]);
});

test('#51 (openraft #1960): a report of a later write, come first, is not undone by the earlier one', () => {
  const { member } = new Lone();
  const append = (index: number): void => {
    const message = new Message(MsgApp, {
      from: 2,
      to: 1,
      term: 1,
      index,
      logTerm: 1,
      entries: entriesOf([1], index + 1),
    });
    member.step(message);
    member.takeReady();
  };
  append(1);
  append(2);
  const responses = member.appends.splice(0).map((m) => m.responses.filter((r) => r.to === 1));
  member.disk.append(entriesOf([1, 1], 2));
  for (const report of [...(responses[1] ?? []), ...(responses[0] ?? [])]) member.step(report);
  // Both are stable: a commit hands them out to be applied.
  member.step(new Message(MsgHeartbeat, { from: 2, to: 1, term: 1, commit: 3 }));
  member.takeReady();
  expect(member.applies.flatMap((m) => m.entries.map((e) => e.index))).toEqual([2, 3]);
});

test('#52 (raft async_storage_writes_append_aba_race): a late report of an entry that was cut off and came back vouches for nothing', () => {
  const { member } = new Lone();
  const append = (term: Term, from: NodeId, entryTerm: Term): void => {
    const entries = entriesOf([entryTerm], 2);
    member.step(
      new Message(MsgApp, { from, to: 1, term, index: 1, logTerm: 1, entries, commit: term === 4 ? 2 : 0 }),
    );
    member.takeReady();
  };
  append(2, 2, 2);
  append(3, 3, 3);
  // The leader of term 4 has the entry of term 2 again.
  append(4, 2, 2);
  member.doAppend();
  member.takeReady();
  // The first of three writes is done; the second will overwrite it on disk before the third restores it.
  expect(member.applies).toEqual([]);
  member.doAppend();
  member.takeReady();
  expect(member.applies).toEqual([]);
  member.doAppend();
  member.takeReady();
  expect(member.applies.flatMap((m) => m.entries.map((e) => [e.term, e.index]))).toEqual([[2, 2]]);
});
