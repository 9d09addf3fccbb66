/** Bugs of others, section 2.6: snapshots and compaction. The number is the row of docs/museum-core.md. */
import { expect, test } from 'vitest';
import {
  ConfChangeType,
  EmptyBytes,
  encodeConfChange,
  Entry,
  Message,
  MessageType,
  ProgressState,
  StateType,
  type ConfState,
  type Snapshot,
} from '../../src/index.ts';
import { bytes, confStateOf, Network } from '../network/network.ts';
import { entriesOf, Lone } from '../support/lone.ts';

const { MsgApp, MsgAppResp, MsgSnap, MsgStorageAppendResp, MsgVote } = MessageType;

function snapshotAt(index: number, term: number, confState: ConfState = confStateOf([1, 2, 3])): Snapshot {
  return { metadata: { index, term, confState }, data: bytes('["s"]') };
}

function behind(): Network {
  const network = new Network();
  network.elect(1);
  network.isolate(3);
  network.propose(1, 'a', 'b', 'c');
  network.member(1).compact(network.node(1).applied);
  network.isolate();
  return network;
}

test('#58 (openraft #1808, scylladb #9551): a snapshot replaces a membership change that was never committed', () => {
  const change = encodeConfChange({
    version: 2,
    transition: 0,
    changes: [{ type: ConfChangeType.RemoveNode, nodeId: 3 }],
    context: EmptyBytes,
  });
  const lone = new Lone();
  const entries = [new Entry(1, 2, change.type, change.data)];
  lone.hear(MsgApp, { from: 2, term: 1, index: 1, logTerm: 1, entries });
  lone.hear(MsgSnap, { from: 3, term: 2, snapshot: snapshotAt(7, 2) });
  expect(lone.node.status().confState).toEqual(confStateOf([1, 2, 3]));
  expect(lone.terms()).toEqual([]);
  // Nothing of it keeps the member from campaigning either.
  lone.node.campaign();
  expect(lone.settle().map((m) => m.type)).toEqual([MsgVote, MsgVote]);
});

test('#59 (openraft #753, 674e78aa): entries that conflict with a snapshot are dropped with it, in one write', () => {
  const { member } = new Lone({ terms: [2, 2, 2, 2] });
  member.step(new Message(MsgSnap, { from: 2, to: 1, term: 3, snapshot: snapshotAt(4, 3) }));
  member.takeReady();
  expect(member.appends).toMatchObject([{ snapshot: { metadata: { index: 4 } }, entries: [], commit: 4 }]);
  expect(member.node).toMatchObject({ lastIndex: 4, committed: 4 });
});

test('#60 (camunda #6092): a snapshot behind the commit index is acknowledged by that, and removes nothing', () => {
  const lone = new Lone({ terms: [1, 1, 1, 1], hardState: { commit: 4 } });
  expect(lone.hear(MsgSnap, { from: 2, term: 1, snapshot: snapshotAt(3, 1) })).toMatchObject([
    { type: MsgAppResp, index: 4, reject: false },
  ]);
  expect(lone.terms()).toEqual([1, 1, 1, 1]);
});

test('#61 (etcd #10219, curvine #1551): the commit index that a snapshot brings is written with the snapshot, not before', () => {
  const { member } = new Lone();
  member.step(new Message(MsgSnap, { from: 2, to: 1, term: 2, snapshot: snapshotAt(9, 2) }));
  member.takeReady();
  expect(member.appends).toHaveLength(1);
  expect(member.appends[0]).toMatchObject({ commit: 9, snapshot: { metadata: { index: 9 } } });
});

test('#61 (etcd #10219): a commit index beyond the log is refused at start, by name', () => {
  expect(() => new Lone({ hardState: { commit: 9 } })).toThrow(
    expect.objectContaining({
      code: 'INVALID_CONFIG',
      message: expect.stringContaining('hardState.commit 9') as string,
    }),
  );
});

test('#62 (raft-rs #417): a report of the first of two snapshots settles neither the second nor the log', () => {
  const { member } = new Lone();
  member.step(new Message(MsgSnap, { from: 2, to: 1, term: 2, snapshot: snapshotAt(9, 2) }));
  member.takeReady();
  member.step(new Message(MsgSnap, { from: 2, to: 1, term: 2, snapshot: snapshotAt(12, 2) }));
  member.takeReady();
  expect(member.appends).toHaveLength(2);
  member.doAppend();
  expect(member.node).toMatchObject({ lastIndex: 12, committed: 12 });
  // Not to campaign: the second is still to be installed.
  member.node.campaign();
  expect(member.node.state).toBe(StateType.Follower);
  member.doAppend();
  expect(member.node.applied).toBe(12);
  member.node.campaign();
  expect(member.node.state).toBe(StateType.Candidate);
});

test('#65 (canonical/raft 2edd2c6, af1a2d0, 4fbd3c0): while a snapshot is being installed a member neither campaigns nor applies', () => {
  const { member } = new Lone();
  member.step(new Message(MsgSnap, { from: 2, to: 1, term: 2, snapshot: snapshotAt(9, 2) }));
  member.takeReady();
  const fields = { from: 2, to: 1, term: 2, index: 9, logTerm: 2, commit: 10, entries: entriesOf([2], 10) };
  member.step(new Message(MsgApp, fields));
  for (let i = 0; i < 60; i++) member.node.tick();
  member.takeReady();
  expect(member.node.state).toBe(StateType.Follower);
  expect(member.applies).toEqual([]);
  while (member.appends.length > 0) member.doAppend();
  member.takeReady();
  expect(member.applies.flatMap((m) => m.entries.map((e) => e.index))).toEqual([10]);
});

test('#66 (etcd #10225, dgraph #2707): a transfer that failed and was reported is tried again', () => {
  const network = behind();
  network.drop = (m) => m.type === MsgSnap;
  network.heartbeat(1);
  expect(network.node(1).status().progress[2]?.state).toBe(ProgressState.Probe);
  network.drop = () => false;
  network.heartbeat(1);
  network.heartbeat(1);
  expect(network.member(3).disk.state).toEqual(['a', 'b', 'c']);
});

test('#66 (etcd PR 12695): an append that the follower takes ends the wait for the snapshot, report or no report', () => {
  const lone = new Lone({ boundary: { index: 5, term: 1 }, hardState: { term: 1, commit: 5 } });
  lone.node.campaign();
  lone.settle();
  lone.hear(MessageType.MsgVoteResp, { from: 2, term: 2 });
  lone.hear(MsgAppResp, { from: 3, term: 2, index: 5, reject: true, rejectHint: 1, logTerm: 1 });
  expect(lone.node.status().progress[2]).toMatchObject({ state: ProgressState.Snapshot });
  // It says that it has what reconnects it to the log, from wherever.
  lone.hear(MsgAppResp, { from: 3, term: 2, index: 5 });
  expect(lone.node.status().progress[2]).toMatchObject({ state: ProgressState.Replicate, match: 5 });
});

test('#67 (openraft afd6508b): an idle leader with nothing but a boundary sends its snapshot to a member that is new', () => {
  const network = new Network({ blank: [4] });
  network.elect(1);
  network.propose(1, 'a');
  const single = { type: ConfChangeType.AddLearnerNode, nodeId: 4 };
  network.drop = (m) => m.to === 4;
  network.node(1).proposeConfChange({ version: 2, transition: 0, changes: [single], context: EmptyBytes });
  network.stabilize();
  network.member(1).compact(network.node(1).applied);
  expect(network.member(1).disk.entries).toEqual([]);
  network.drop = () => false;
  for (let i = 0; i < 3; i++) network.heartbeat(1);
  expect(network.member(4).disk.state).toEqual(['a']);
  expect(network.node(4).lastIndex).toBe(network.node(1).lastIndex);
});

test('#70 (raft-rs #42, #43, #52): what a store reports and cannot be true together is refused at start', () => {
  expect(() => new Lone({ boundary: { index: 5, term: 1 }, terms: [1], hardState: { commit: 9 } })).toThrow(
    expect.objectContaining({ code: 'INVALID_CONFIG' }),
  );
  const lone = new Lone({ boundary: { index: 5, term: 1 }, terms: [1], hardState: { commit: 6 } });
  lone.disk.applied = 7;
  expect(() => lone.member.restart()).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG' }));
  lone.disk.applied = 4;
  expect(() => lone.member.restart()).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG' }));
});

test('#76 (tikv #9859, #17213): a snapshot asked for a member that was removed does not stop one for another', () => {
  const network = new Network({ voters: [1, 2, 3, 4, 5] });
  network.elect(1);
  network.isolate(4, 5);
  network.propose(1, 'a', 'b');
  network.member(1).compact(network.node(1).applied);
  network.isolate();
  network.member(1).holdFetches = true;
  network.heartbeat(1);
  expect(network.member(1).fetches.map((f) => [f.purpose, f.purpose === 'snapshot' && f.to])).toEqual([
    ['snapshot', 4],
    ['snapshot', 5],
  ]);
  const single = { type: ConfChangeType.RemoveNode, nodeId: 4 };
  network.node(1).proposeConfChange({ version: 2, transition: 0, changes: [single], context: EmptyBytes });
  network.stabilize();
  network.member(1).holdFetches = false;
  network.stabilize();
  for (let i = 0; i < 3; i++) network.heartbeat(1);
  expect(network.member(5).disk.state).toEqual(['a', 'b']);
  expect(network.sent.some((m) => m.type === MsgSnap && m.to === 4)).toBe(false);
});

test('#77 (hashicorp/raft #85, #358): a snapshot older than the log is not sent, and compacting backwards does nothing', () => {
  const network = behind();
  const { node } = network.member(1);
  const boundary = node.status().firstIndex;
  node.compacted(2);
  expect(node.status().firstIndex).toBe(boundary);
  network.member(1).holdFetches = true;
  network.heartbeat(1);
  const [fetch] = network.member(1).fetches.splice(0);
  node.snapshotReady(fetch?.id ?? 0, snapshotAt(2, 1));
  network.stabilize();
  expect(network.sent.some((m) => m.type === MsgSnap)).toBe(false);
});

test('#78 (sofa-jraft #1092): a stored commit index below the boundary is raised to it, and an old append does not lower it', () => {
  const lone = new Lone({ boundary: { index: 5, term: 2 }, hardState: { term: 2, commit: 3 } });
  expect(lone.node.committed).toBe(5);
  lone.hear(MsgApp, { from: 2, term: 2, index: 3, logTerm: 1, commit: 3, entries: entriesOf([2], 4) });
  expect(lone.node.committed).toBe(5);
});

test('#62 (raft-rs #417): a report of a snapshot counts also when its term is over', () => {
  const { member } = new Lone();
  member.step(new Message(MsgSnap, { from: 2, to: 1, term: 2, snapshot: snapshotAt(9, 2) }));
  member.takeReady();
  member.step(new Message(MsgVote, { from: 3, to: 1, term: 5, index: 9, logTerm: 2 }));
  expect(member.appends[0]?.responses.some((m) => m.type === MsgStorageAppendResp && m.term < 5)).toBe(true);
  member.doAppend();
  expect(member.node.applied).toBe(9);
});
