/** Bugs of others, section 2.7: membership. The number is the row of docs/museum-core.md. */
import { expect, test } from 'vitest';
import {
  ConfChangeTransition,
  ConfChangeType,
  EmptyBytes,
  EntryType,
  Entry,
  Message,
  MessageType,
  StateType,
  encodeConfChange,
  type ConfChangeSingle,
  type ConfChangeV2,
  type NodeId,
} from '../../src/index.ts';
import { bytes, confStateOf, Network } from '../network/network.ts';
import { Lone, settle } from '../support/lone.ts';

const { MsgApp, MsgSnap, MsgVoteResp } = MessageType;

const change = (...changes: ConfChangeSingle[]): ConfChangeV2 => ({
  version: 2,
  transition: 0,
  changes,
  context: EmptyBytes,
});
const add = (nodeId: NodeId): ConfChangeSingle => ({ type: ConfChangeType.AddNode, nodeId });
const remove = (nodeId: NodeId): ConfChangeSingle => ({ type: ConfChangeType.RemoveNode, nodeId });

function entryOf(index: number, what: ConfChangeV2): Entry {
  const { type, data } = encodeConfChange(what);
  return new Entry(1, index, type, data);
}

test('#80 (etcd #7280, raft #234, #456): a member with a committed change that it has not applied does not campaign', () => {
  const { member, node } = new Lone();
  const entries = [entryOf(2, change(remove(3)))];
  const fields = { from: 2, to: 1, term: 1, index: 1, logTerm: 1, commit: 2, entries };
  member.step(new Message(MsgApp, fields));
  member.takeReady();
  member.doAppend();
  member.takeReady();
  expect(member.applies).toHaveLength(1);
  node.campaign();
  for (let i = 0; i < 60; i++) node.tick();
  expect(node.state).toBe(StateType.Follower);
  settle(member);
  node.campaign();
  expect(node.state).toBe(StateType.Candidate);
});

test('#81 (etcd #11284, #7625): a second removal is not taken before the first is applied, whoever lags', () => {
  const network = new Network();
  network.elect(1);
  const member = network.member(1);
  member.node.proposeConfChange(change(remove(3)));
  network.put(member.takeReady());
  member.node.proposeConfChange(change(remove(2)));
  const sent = member.takeReady().filter((m) => m.type === MsgApp);
  // The second became an empty entry.
  expect(sent[0]?.entries.map((e) => e.type)).toEqual([EntryType.Normal]);
  network.put(sent);
  network.stabilize();
  expect(network.node(1).status().confState.voters).toEqual([1, 2]);
});

test('#82 (raft-dev 2015, copycat #23, NuRaft #67, braft #182): a change takes effect only when committed, and with it the first entry of the term', () => {
  // Two leaders start from the same three members and propose different changes, each before its first commit.
  const network = new Network({ blank: [4] });
  network.drop = (m) => m.type === MsgApp;
  network.elect(1);
  network.node(1).proposeConfChange(change(add(4)));
  network.stabilize();
  network.elect(2);
  network.node(2).proposeConfChange(change(remove(1)));
  network.stabilize();
  // Neither counts by its own, uncommitted membership.
  for (const id of [1, 2]) expect(network.node(id).status().confState.voters).toEqual([1, 2, 3]);
  network.drop = () => false;
  for (let i = 0; i < 3; i++) network.heartbeat(2);
  // The one that was committed lies behind the empty entry of its leader's term.
  const [noop, removal] = network.member(2).disk.entries;
  expect([noop, removal]).toMatchObject([
    { term: 2, type: EntryType.Normal },
    { term: 2, type: EntryType.ConfChangeV2 },
  ]);
  for (const id of [2, 3]) expect(network.node(id).status().confState.voters).toEqual([2, 3]);
});

test('#82 (openraft #2051): nor while a change of an earlier leader lies uncommitted in its log', () => {
  const lone = new Lone({ hardState: { term: 1 } });
  lone.hear(MsgApp, { from: 2, term: 1, index: 1, logTerm: 1, entries: [entryOf(2, change(remove(3)))] });
  lone.node.campaign();
  lone.settle();
  lone.hear(MsgVoteResp, { from: 2, term: 2 });
  lone.node.proposeConfChange(change(add(4)));
  lone.settle();
  expect(lone.disk.entries.map((e) => e.type)).toEqual([
    EntryType.ConfChangeV2,
    EntryType.Normal,
    EntryType.Normal,
  ]);
});

test('#83 (raft bd3c759, etcd #12582): leaving the joint configuration, proposed more than once, is done once and harms nobody', () => {
  const network = new Network({ blank: [4] });
  network.elect(1);
  network.node(1).proposeConfChange(change(add(4), remove(3)));
  // Entries behind the change, and appliers that lag.
  for (const payload of ['a', 'b']) network.node(1).propose(bytes(payload));
  network.stabilize();
  for (let i = 0; i < 4; i++) network.heartbeat(1);
  for (const id of [1, 2, 4]) {
    expect(network.node(id).status().confState).toEqual({ ...confStateOf([1, 2, 4]) });
    expect(network.member(id).disk.state).toEqual(['a', 'b']);
  }
});

test('#84 (raft e515a67, raft-rs #416): a snapshot taken in a joint configuration restores both halves', () => {
  const confState = {
    voters: [1, 4],
    votersOutgoing: [1, 2, 3],
    learners: [5],
    learnersNext: [3],
    autoLeave: true,
  };
  const lone = new Lone();
  const snapshot = { metadata: { index: 9, term: 1, confState }, data: bytes('[]') };
  lone.hear(MsgSnap, { from: 2, term: 1, snapshot });
  expect(lone.node.status().confState).toEqual(confState);
  lone.member.restart();
  expect(lone.node.status().confState).toEqual(confState);
  // The outgoing half still counts.
  lone.node.campaign();
  lone.settle();
  lone.hear(MsgVoteResp, { from: 4, term: 2 });
  expect(lone.node.state).toBe(StateType.Candidate);
  lone.hear(MsgVoteResp, { from: 3, term: 2 });
  expect(lone.node.state).toBe(StateType.Leader);
});

test('#86 (redisraft #17, #48): an isolated leader cannot complete its own removal, and loses no promise by it', () => {
  const network = new Network();
  network.elect(1);
  network.propose(1, 'a');
  network.isolate(1);
  network.node(1).proposeConfChange(change(remove(1)));
  network.node(1).propose(bytes('lost'));
  network.stabilize();
  expect(network.node(1).status().confState.voters).toEqual([1, 2, 3]);
  network.elect(2);
  network.propose(2, 'b');
  network.isolate();
  network.heartbeat(2);
  network.heartbeat(2);
  expect(network.states()).toEqual([
    ['a', 'b'],
    ['a', 'b'],
    ['a', 'b'],
  ]);
  expect(network.node(1).status().confState.voters).toEqual([1, 2, 3]);
});

test('#87 (raft #372): from three members to one of them the joint quorum keeps the halves together', () => {
  const network = new Network();
  network.elect(1);
  network.isolate(1);
  const explicit = { ...change(remove(1), remove(2)), transition: ConfChangeTransition.Explicit };
  network.node(1).proposeConfChange(explicit);
  network.stabilize();
  // Alone it enters nothing.
  expect(network.node(1).status().confState.votersOutgoing).toEqual([]);
  network.isolate();
  for (let i = 0; i < 4; i++) network.heartbeat(1);
  expect(network.node(1).status().confState).toMatchObject({ voters: [3], votersOutgoing: [1, 2, 3] });
  // Now 3 is needed, and a majority of the three.
  network.isolate(3);
  const { committed } = network.node(1);
  network.node(1).propose(bytes('x'));
  network.stabilize();
  expect(network.node(1).committed).toBe(committed);
});

test('#88 (raft-rs #411): a joint configuration that was committed only here is left by whoever leads next', () => {
  const network = new Network({ blank: [4] });
  network.elect(1);
  network.node(1).proposeConfChange(change(add(4), remove(3)));
  // 1 enters the joint configuration; nobody hears that the change is committed, nor of the way out.
  network.drop = (m) => m.from === 1 && m.commit > 2;
  network.stabilize();
  expect(network.node(1).status().confState.votersOutgoing).toEqual([1, 2, 3]);
  network.isolate(1);
  network.drop = () => false;
  network.elect(2);
  expect(network.node(2).state).toBe(StateType.Leader);
  for (let i = 0; i < 4; i++) network.heartbeat(2);
  network.isolate();
  for (let i = 0; i < 4; i++) network.heartbeat(2);
  expect(network.node(2).status().confState).toEqual(confStateOf([1, 2, 4]));
});
