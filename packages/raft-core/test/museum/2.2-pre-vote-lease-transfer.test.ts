/** Bugs of others, section 2.2: pre-vote, check of the quorum, lease, transfer. The number is the row of docs/museum-core.md. */
import { expect, test } from 'vitest';
import {
  ConfChangeType,
  EmptyBytes,
  type Message,
  MessageType,
  ReadOnlyOption,
  StateType,
  type NodeId,
  type RawNodeConfig,
} from '../../src/index.ts';
import { bytes, Network } from '../network/network.ts';
import { entriesOf, Lone } from '../support/lone.ts';

const { MsgApp, MsgHeartbeat, MsgPreVote, MsgPreVoteResp, MsgVote, MsgVoteResp } = MessageType;

const careful: Partial<RawNodeConfig> = { preVote: true, checkQuorum: true };

/** Ticks these members together until one of them leads; fails when none does for long. */
function waitForLeader(network: Network, ids: readonly NodeId[]): NodeId {
  for (let tick = 0; tick < 200; tick++) {
    for (const id of ids) network.tick(id);
    network.stabilize();
    const leader = ids.find((id) => network.node(id).state === StateType.Leader);
    if (leader !== undefined) return leader;
  }
  throw new Error('no leader within 200 ticks');
}

function seed(network: Network, id: NodeId, term: number): void {
  const member = network.member(id);
  member.disk.hardState = { ...member.disk.hardState, term };
  member.restart();
}

test('#11 (etcd #8243): a pre-vote of an old term is answered, so that its sender catches up', () => {
  const network = new Network({ config: careful });
  seed(network, 1, 5);
  seed(network, 2, 5);
  // 3 stayed at term 0; 1 is gone.
  network.isolate(1);
  const leader = waitForLeader(network, [2, 3]);
  expect(network.node(leader).term).toBeGreaterThan(5);
});

test('#12 (etcd #8501, raft-rs #42): members with and without pre-vote, the higher term with the shorter log, elect somebody', () => {
  for (const withPreVote of [1, 2]) {
    const network = new Network({ voters: [1, 2] });
    const mixed = new Network({ voters: [1, 2], config: careful });
    // One of the two runs with the other configuration.
    const other = mixed.member(withPreVote);
    network.members.set(withPreVote, other);
    network.member(1).disk.append(entriesOf([1], 2));
    seed(network, 1, 1);
    seed(network, 2, 7);
    expect(waitForLeader(network, [1, 2])).toBe(1);
  }
});

test('#13 (etcd #8334, #9586, raft-rs #84): a pre-candidate forgets its leader, so that two of them can elect one', () => {
  const network = new Network({ config: careful });
  network.elect(1);
  network.isolate(1);
  for (const id of [2, 3]) {
    network.node(id).setRandomizedElectionTimeout(10);
    network.tick(id, 10);
    expect(network.node(id)).toMatchObject({ state: StateType.PreCandidate, leader: 0 });
  }
  waitForLeader(network, [2, 3]);
});

test('#14 (openraft #1796): the higher term of a refused pre-vote is taken on', () => {
  const lone = new Lone({ config: careful });
  lone.node.campaign();
  lone.settle();
  lone.hear(MsgPreVoteResp, { from: 2, term: 8, reject: true });
  expect(lone.node).toMatchObject({ state: StateType.Follower, term: 8 });
});

test('#15 (hashicorp/raft #605, #609): granted pre-votes do not put off the own election', () => {
  const lone = new Lone({ config: { preVote: true } });
  lone.node.setRandomizedElectionTimeout(10);
  for (let i = 0; i < 9; i++) {
    lone.tick();
    expect(lone.hear(MsgPreVote, { from: 2, term: 2, index: 1, logTerm: 1 })).toMatchObject([
      { reject: false },
    ]);
  }
  lone.tick();
  expect(lone.node.state).toBe(StateType.PreCandidate);
});

test('#15 (hashicorp/raft #605): a leader that restarted and asks for pre-votes is answered once its lease is over', () => {
  const network = new Network({ config: careful });
  network.elect(1);
  network.member(1).restart();
  const leader = waitForLeader(network, [1, 2, 3]);
  expect(network.node(leader).term).toBe(2);
});

test('#16 (hashicorp/raft 2c44c94): a vote and two pre-votes of five are no quorum', () => {
  const lone = new Lone({ voters: [1, 2, 3, 4, 5], config: { preVote: true } });
  lone.node.campaign();
  lone.settle();
  for (const from of [2, 3]) lone.hear(MsgPreVoteResp, { from, term: 2 });
  expect(lone.node.state).toBe(StateType.Candidate);
  for (const from of [4, 5]) lone.hear(MsgPreVoteResp, { from, term: 2 });
  lone.hear(MsgVoteResp, { from: 4, term: 2 });
  expect(lone.node.state).toBe(StateType.Candidate);
  lone.hear(MsgVoteResp, { from: 5, term: 2 });
  expect(lone.node.state).toBe(StateType.Leader);
});

test('#17 (openraft 511f33c7): a late grant of a pre-vote does not unseat a leader', () => {
  const lone = new Lone({ config: { preVote: true } });
  lone.node.campaign();
  lone.settle();
  lone.hear(MsgPreVoteResp, { from: 2, term: 2 });
  lone.hear(MsgVoteResp, { from: 2, term: 2 });
  expect(lone.hear(MsgPreVoteResp, { from: 3, term: 2 })).toEqual([]);
  expect(lone.hear(MsgPreVoteResp, { from: 3, term: 3 })).toEqual([]);
  expect(lone.node).toMatchObject({ state: StateType.Leader, term: 2 });
});

test('#18 (dragonboat #223): a transfer works with pre-vote and the check of the quorum on', () => {
  const network = new Network({ config: careful });
  network.elect(1);
  network.heartbeat(1);
  network.node(1).transferLeader(2);
  network.stabilize();
  expect(network.node(2)).toMatchObject({ state: StateType.Leader, term: 2 });
});

test('#19 (openraft #1805): a transfer to a learner that was promoted waits until it has the promotion, and has it on disk', () => {
  const network = new Network({ learners: [4] });
  network.elect(1);
  const single = { type: ConfChangeType.AddNode, nodeId: 4 };
  network.drop = (m) => m.to === 4;
  network.node(1).proposeConfChange({ version: 2, transition: 0, changes: [single], context: EmptyBytes });
  network.stabilize();
  expect(network.node(1).status().confState.voters).toEqual([1, 2, 3, 4]);
  network.drop = () => false;
  network.node(1).transferLeader(4);
  network.heartbeat(1);
  network.heartbeat(1);
  const told = network.sent.findIndex((m) => m.type === MessageType.MsgTimeoutNow);
  const ack = network.sent.findIndex(
    (m) => m.type === MessageType.MsgAppResp && m.from === 4 && m.index >= 3,
  );
  expect(ack).toBeGreaterThan(-1);
  expect(told).toBeGreaterThan(ack);
  expect(network.node(4).state).toBe(StateType.Leader);
});

test('#20 (hashicorp/raft #581): proposals are refused while leadership is handed over, with nothing changed', () => {
  const network = new Network();
  network.elect(1);
  network.drop = (m) => m.type === MessageType.MsgTimeoutNow;
  network.node(1).transferLeader(2);
  const { lastIndex } = network.node(1);
  expect(() => network.node(1).propose(bytes('x'))).toThrow(
    expect.objectContaining({ code: 'PROPOSAL_DROPPED' }),
  );
  expect(network.node(1).lastIndex).toBe(lastIndex);
});

test('#21 (openraft #1747, raft #99): once a member was told to campaign the lease answers no read, also when the transfer was given up', () => {
  const config = { checkQuorum: true, readOnlyOption: ReadOnlyOption.LeaseBased };
  const network = new Network({ config });
  network.elect(1);
  network.heartbeat(1);
  const held: Message[] = [];
  network.drop = (m) => {
    if (m.type === MessageType.MsgTimeoutNow) held.push(m);
    return m.type === MessageType.MsgTimeoutNow;
  };
  network.node(1).transferLeader(2);
  network.stabilize();
  for (let i = 0; i < 12; i++) network.heartbeat(1);
  expect(network.node(1).status().leadTransferee).toBe(0);
  // The order arrives late; 2 wins, and 1 has not heard of it.
  network.drop = (m) => m.to === 1 || m.from === 1;
  for (const message of held) network.deliver(message);
  network.stabilize();
  expect(network.node(2).state).toBe(StateType.Leader);
  network.node(1).readIndex(bytes('stale'));
  network.stabilize();
  expect(network.node(1).state).toBe(StateType.Leader);
  expect(network.member(1).reads).toEqual([]);
});

test('#22 (sofa-jraft #25, #34): partitions at two times cannot give an old leader a lease beside a new one', () => {
  const config = { checkQuorum: true, readOnlyOption: ReadOnlyOption.LeaseBased };
  const network = new Network({ config });
  network.elect(1);
  network.heartbeat(1);
  // 2 falls away first, 3 seven ticks later: the last quorum was before that.
  network.isolate(2);
  for (let i = 0; i < 7; i++) {
    network.tick(2);
    network.tick(3);
    network.heartbeat(1);
  }
  network.isolate(1);
  let served = 0;
  for (let i = 0; i < 20 && network.node(3).state !== StateType.Leader; i++) {
    for (const id of [1, 2, 3]) network.tick(id);
    network.stabilize();
    network.node(1).readIndex(bytes(`r${String(i)}`));
    network.stabilize();
    const rival = [2, 3].some((id) => network.node(id).state === StateType.Leader);
    if (rival) expect(network.member(1).reads.length).toBe(served);
    served = network.member(1).reads.length;
  }
});

test('#23 (tikv #964, etcd #6005): a leader whose process stood still answers no read once it is told of the time that passed', () => {
  const config = { checkQuorum: true, readOnlyOption: ReadOnlyOption.LeaseBased };
  const network = new Network({ config });
  network.elect(1);
  network.heartbeat(1);
  // 1 stands still for longer than an election takes: no tick reaches it, and the others elect one of them.
  network.isolate(1);
  waitForLeader(network, [2, 3]);
  // Before any tick comes, and before it hears of the other.
  network.node(1).missedTicks(20);
  network.node(1).readIndex(bytes('stale'));
  network.stabilize();
  expect(network.node(1).state).toBe(StateType.Leader);
  expect(network.member(1).reads).toEqual([]);
});

test('#24 (hashicorp/raft #503, #612, #614, #666): a leader whose disk stalls commits by the disks of others, and counts itself no sooner', () => {
  const network = new Network({ voters: [1, 2, 3, 4] });
  network.elect(1);
  network.node(1).propose(bytes('a'));
  network.put(network.member(1).takeReady());
  // Its own write never ends; 2 and 3 have the entry, and two of four are no majority.
  const exchange = (ids: readonly NodeId[]): void => {
    for (const id of ids) {
      for (const message of network.wire.filter((m) => m.to === id)) network.deliver(message);
      network.put(network.member(id).takeReady());
      while (network.member(id).appends.length > 0) network.put(network.member(id).doAppend());
    }
    for (const message of network.wire.filter((m) => m.to === 1)) network.deliver(message);
    network.wire = network.wire.filter((m) => m.to !== 1 && !ids.includes(m.to));
  };
  exchange([2, 3]);
  expect(network.node(1).committed).toBe(2);
  exchange([4]);
  expect(network.node(1).committed).toBe(3);
});

test('#24 (hashicorp/raft #666): appends and heartbeats of one leader are one voice: it steps down when neither is answered', () => {
  const network = new Network({ config: { checkQuorum: true } });
  network.elect(1);
  network.drop = (m) => m.type === MsgHeartbeat || m.type === MsgApp;
  for (let i = 0; i < 20; i++) network.heartbeat(1);
  expect(network.node(1).state).toBe(StateType.Follower);
  expect(network.sent.some((m) => m.type === MsgVote && m.from === 1 && m.term > 1)).toBe(false);
});
