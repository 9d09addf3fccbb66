/** Bugs of others, section 2.3: reads. The number is the row of docs/museum-core.md. */
import { expect, test } from 'vitest';
import { ConfChangeType, EmptyBytes, Entry, Message, MessageType, StateType } from '../../src/index.ts';
import { bytes, Network } from '../network/network.ts';
import { Lone } from '../support/lone.ts';

const { MsgApp, MsgHeartbeat, MsgHeartbeatResp, MsgReadIndex } = MessageType;

test('#25 (etcd #7331, raft-rs 8c95a3f, redisraft #18): a read before the first commit of the term waits for it', () => {
  const network = new Network();
  network.elect(1);
  network.propose(1, 'a');
  // 1 commits b; only 1 knows.
  network.drop = (m) => m.from === 1 && m.commit > 3;
  network.propose(1, 'b');
  const committed = network.node(1).committed;
  network.isolate(1);
  network.drop = (m) => m.type === MsgApp;
  network.elect(2);
  expect(network.node(2)).toMatchObject({ state: StateType.Leader, term: 2 });
  expect(network.node(2).committed).toBeLessThan(committed);
  network.node(2).readIndex(bytes('r'));
  network.stabilize();
  expect(network.member(2).reads).toEqual([]);
  network.drop = () => false;
  for (let i = 0; i < 3; i++) network.heartbeat(2);
  expect(network.member(2).reads).toHaveLength(1);
  expect(network.member(2).reads[0]?.index).toBeGreaterThanOrEqual(committed);
});

test('#26 (raft #397): echoes of heartbeats for an earlier read with the same context confirm nothing', () => {
  const network = new Network();
  network.elect(1);
  network.node(1).readIndex(bytes('same'));
  network.put(network.member(1).takeReady());
  const late = network.wire.filter((m) => m.type === MsgHeartbeat);
  expect(late).toHaveLength(2);
  network.wire = [];
  network.drop = (m) => m.type === MsgHeartbeat;
  network.node(1).readIndex(bytes('same'));
  network.stabilize();
  network.drop = () => false;
  for (const message of late) network.deliver(message);
  network.stabilize();
  // The first is confirmed by its own echoes; the second is not.
  expect(network.member(1).reads).toHaveLength(1);
  network.heartbeat(1);
  expect(network.member(1).reads).toHaveLength(2);
});

test('#27 (raft-rs #169, #363, #569): a read that waits is answered when the quorum shrinks to what has confirmed it', () => {
  const network = new Network({ voters: [1, 2] });
  network.elect(1);
  network.drop = (m) => m.type === MsgHeartbeat;
  network.node(1).readIndex(bytes('r'));
  network.stabilize();
  const single = { type: ConfChangeType.RemoveNode, nodeId: 2 };
  network.node(1).proposeConfChange({ version: 2, transition: 0, changes: [single], context: EmptyBytes });
  network.stabilize();
  expect(network.node(1).status().confState.voters).toEqual([1]);
  expect(network.member(1).reads).toMatchObject([{ context: 'r' }]);
});

test('#27 (raft-rs #363): of four voters three remain, and the two confirmations are enough at once', () => {
  const network = new Network({ voters: [1, 2, 3, 4] });
  network.elect(1);
  network.drop = (m) => m.type === MsgHeartbeat && m.to !== 2;
  network.node(1).readIndex(bytes('r'));
  network.stabilize();
  expect(network.member(1).reads).toEqual([]);
  network.drop = (m) => m.type === MsgHeartbeat;
  const single = { type: ConfChangeType.RemoveNode, nodeId: 4 };
  network.node(1).proposeConfChange({ version: 2, transition: 0, changes: [single], context: EmptyBytes });
  network.stabilize();
  expect(network.member(1).reads).toMatchObject([{ context: 'r' }]);
});

test('#28 (openraft d60f1e85): a read needs a majority, not one less', () => {
  for (const size of [2, 3, 4, 5]) {
    const voters = Array.from({ length: size }, (_, i) => i + 1);
    const network = new Network({ voters });
    network.elect(1);
    const others = Math.floor(size / 2);
    // One echo short of a majority.
    network.drop = (m) => m.type === MsgHeartbeatResp && m.from > others;
    network.node(1).readIndex(bytes('r'));
    network.stabilize();
    expect(network.member(1).reads, `${String(size)} voters`).toEqual([]);
    network.drop = (m) => m.type === MsgHeartbeatResp && m.from > others + 1;
    network.heartbeat(1);
    expect(network.member(1).reads, `${String(size)} voters`).toHaveLength(1);
  }
});

test('#29 (redisraft #326): a single voter that restarted answers no read before it knows again what is committed', () => {
  const lone = new Lone({ voters: [1] });
  lone.node.campaign();
  lone.settle();
  lone.propose('a');
  expect(lone.applied()).toEqual(['a']);
  const { committed } = lone.node;
  // The commit index on disk may trail: it is not synced by itself.
  lone.disk.hardState = { ...lone.disk.hardState, commit: 1 };
  lone.disk.applied = 1;
  lone.disk.state = [];
  lone.member.restart();
  const { member } = lone;
  member.node.campaign();
  while (member.node.state !== StateType.Leader) {
    member.takeReady();
    member.doAppend();
  }
  // It leads, but the first entry of its term is not durable yet.
  member.node.readIndex(bytes('r'));
  member.takeReady();
  expect(member.reads).toEqual([]);
  lone.settle();
  expect(member.reads).toMatchObject([{ context: 'r' }]);
  expect(member.reads[0]?.index).toBeGreaterThanOrEqual(committed);
});

test('#29 (redisraft #326): so does a read that a learner forwards to it', () => {
  const lone = new Lone({ voters: [1], learners: [2], terms: [1, 1] });
  const { member } = lone;
  member.node.campaign();
  while (member.node.state !== StateType.Leader) {
    member.takeReady();
    member.doAppend();
  }
  const entries = [new Entry(0, 0, 0, bytes('r'))];
  member.step(new Message(MsgReadIndex, { from: 2, to: 1, entries }));
  expect(member.takeReady().filter((m) => m.type === MessageType.MsgReadIndexResp)).toEqual([]);
  expect(lone.settle().filter((m) => m.type === MessageType.MsgReadIndexResp)).toMatchObject([
    { to: 2, index: 4 },
  ]);
});
