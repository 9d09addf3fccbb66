/** Consensus: Bridging Theory and Practice (Ongaro, 2014): what it adds to the paper. One test a claim. */
import { describe, expect, test } from 'vitest';
import { ConfChangeType, EmptyBytes, MessageType, ReadOnlyOption, StateType } from '../../src/index.ts';
import { bytes, Network } from '../network/network.ts';
import { Lone } from '../support/lone.ts';

const { MsgApp, MsgHeartbeat, MsgPreVote, MsgPreVoteResp, MsgTimeoutNow, MsgVote, MsgVoteResp } = MessageType;

function elected(options: ConstructorParameters<typeof Network>[0] = {}): Network {
  const network = new Network(options);
  network.elect(1);
  return network;
}

describe('§3.10 leadership transfer', () => {
  test('the leader stops taking client requests', () => {
    const network = elected();
    network.isolate(3);
    network.node(1).transferLeader(3);
    expect(() => network.node(1).propose(bytes('x'))).toThrow(
      expect.objectContaining({ code: 'PROPOSAL_DROPPED' }),
    );
  });

  test('the leader brings the log of the target up to date, and only then tells it to campaign', () => {
    const network = elected();
    network.isolate(3);
    network.propose(1, 'a');
    network.isolate();
    network.node(1).transferLeader(3);
    network.stabilize();
    network.heartbeat(1);
    network.stabilize();
    expect(network.node(3).state).toBe(StateType.Leader);
    const told = network.sent.findIndex((m) => m.type === MsgTimeoutNow);
    const acked = network.sent.findIndex(
      (m) => m.type === MessageType.MsgAppResp && m.from === 3 && m.index === network.node(1).lastIndex - 1,
    );
    expect(acked).toBeGreaterThan(-1);
    expect(told).toBeGreaterThan(acked);
  });

  test('the target starts an election in a new term at once, without waiting for a timeout', () => {
    const network = elected();
    network.node(1).transferLeader(2);
    network.stabilize();
    expect(network.node(2)).toMatchObject({ state: StateType.Leader, term: 2 });
    expect(network.node(1).state).toBe(StateType.Follower);
  });

  test('a transfer that does not succeed within an election timeout is given up', () => {
    const network = elected();
    network.isolate(3);
    network.propose(1, 'a');
    network.node(1).transferLeader(3);
    for (let i = 0; i < 10; i++) network.heartbeat(1);
    network.node(1).propose(bytes('x'));
    expect(network.node(1)).toMatchObject({ state: StateType.Leader, term: 1 });
    expect(network.node(1).status().leadTransferee).toBe(0);
  });
});

describe('§4.2 availability during changes', () => {
  test('§4.2.1: a server without a log is caught up as a learner, by a snapshot, before it becomes a voter', () => {
    const network = elected({ blank: [4] });
    network.propose(1, 'a', 'b');
    const single = { type: ConfChangeType.AddLearnerNode, nodeId: 4 };
    network.node(1).proposeConfChange({ version: 2, transition: 0, changes: [single], context: EmptyBytes });
    network.stabilize();
    for (let i = 0; i < 3; i++) network.heartbeat(1);
    expect(network.member(4).disk.state).toEqual(['a', 'b']);
    expect(network.node(1).status().confState).toMatchObject({ voters: [1, 2, 3], learners: [4] });
  });

  test('§4.2.3: a request for a vote within the least election timeout of hearing a leader is ignored, its term too', () => {
    const lone = new Lone({ config: { checkQuorum: true } });
    lone.hear(MsgApp, { from: 2, term: 1, index: 1, logTerm: 1 });
    lone.tick(9);
    expect(lone.hear(MsgVote, { from: 3, term: 5, index: 1, logTerm: 1 })).toEqual([]);
    lone.node.setRandomizedElectionTimeout(19);
    lone.tick();
    expect(lone.hear(MsgVote, { from: 3, term: 5, index: 1, logTerm: 1 })).toMatchObject([{ reject: false }]);
  });

  test('§4.2.3: a transfer is not stopped by that', () => {
    const network = elected({ config: { checkQuorum: true } });
    network.heartbeat(1);
    network.node(1).transferLeader(3);
    network.stabilize();
    expect(network.node(3).state).toBe(StateType.Leader);
  });
});

describe('§6 clients', () => {
  test('§6.2: a leader steps down when an election timeout passes without a round to a majority', () => {
    const network = elected({ config: { checkQuorum: true } });
    network.isolate(1);
    // What was heard before counts for the first of the two.
    for (let i = 0; i < 20; i++) network.heartbeat(1);
    expect(network.node(1).state).toBe(StateType.Follower);
  });

  test('§6.4: a read waits for the first commit of the term, then for one round of heartbeats, whatever its number', () => {
    const network = elected();
    network.elect(2);
    network.drop = (m) => m.type === MsgApp;
    network.elect(1);
    expect(network.node(1)).toMatchObject({ state: StateType.Leader, term: 3 });
    for (const context of ['r1', 'r2', 'r3']) network.node(1).readIndex(bytes(context));
    network.stabilize();
    expect(network.member(1).reads).toEqual([]);
    network.drop = () => false;
    for (let i = 0; i < 3; i++) network.heartbeat(1);
    expect(network.member(1).reads.map((read) => read.context)).toEqual(['r1', 'r2', 'r3']);
  });

  test('§6.4.1: a lease is counted from when the heartbeats were sent', () => {
    const config = { checkQuorum: true, readOnlyOption: ReadOnlyOption.LeaseBased };
    const network = elected({ config });
    network.tick(1);
    network.put(network.member(1).takeReady());
    const beats = network.wire.filter((m) => m.type === MsgHeartbeat);
    expect(beats).toHaveLength(2);
    network.wire = [];
    // The answers take eight ticks: nothing of the lease is left when they come.
    network.isolate(1);
    for (let i = 0; i < 8; i++) network.heartbeat(1);
    network.isolate();
    for (const beat of beats) network.deliver(beat);
    network.stabilize();
    network.drop = (m) => m.type === MsgHeartbeat;
    network.node(1).readIndex(bytes('r'));
    network.stabilize();
    expect(network.member(1).reads).toEqual([]);
  });
});

describe('§9.6 pre-vote', () => {
  test('a server asks whether it could win before it raises its term', () => {
    const lone = new Lone({ config: { preVote: true } });
    lone.node.campaign();
    expect(lone.settle()).toMatchObject([
      { type: MsgPreVote, to: 2, term: 2 },
      { type: MsgPreVote, to: 3, term: 2 },
    ]);
    expect(lone.disk.hardState).toMatchObject({ term: 1, vote: 0 });
    const sent = lone.hear(MsgPreVoteResp, { from: 2, term: 2 });
    expect(sent.map((m) => [m.type, m.term])).toEqual([
      [MsgVote, 2],
      [MsgVote, 2],
    ]);
  });

  test('a granted pre-vote promises nothing: several candidates may get it, and the term stays', () => {
    const lone = new Lone();
    for (const from of [2, 3])
      expect(lone.hear(MsgPreVote, { from, term: 2, index: 1, logTerm: 1 })).toMatchObject([
        { type: MsgPreVoteResp, term: 2, reject: false },
      ]);
    expect(lone.disk.hardState).toMatchObject({ term: 1, vote: 0 });
  });

  test('a server that returns from a partition does not depose the leader', () => {
    const network = elected({ config: { preVote: true, checkQuorum: true } });
    network.isolate(3);
    for (let i = 0; i < 60; i++) {
      network.tick(3);
      network.heartbeat(1);
    }
    network.isolate();
    for (let i = 0; i < 5; i++) network.heartbeat(1);
    expect(network.node(1)).toMatchObject({ state: StateType.Leader, term: 1 });
    expect(network.node(3)).toMatchObject({ state: StateType.Follower, leader: 1, term: 1 });
  });

  test('pre-votes are refused to a log that is behind', () => {
    const lone = new Lone({ terms: [1, 2] });
    expect(lone.hear(MsgPreVote, { from: 2, term: 3, index: 2, logTerm: 1 })).toMatchObject([
      { type: MsgPreVoteResp, reject: true },
    ]);
  });
});

describe('§10.2 performance', () => {
  test('§10.2.1: the leader sends entries before its own write is done, and counts itself when it is', () => {
    const network = elected();
    network.node(1).propose(bytes('a'));
    network.put(network.member(1).takeReady());
    expect(network.wire.filter((m) => m.type === MsgApp).map((m) => m.to)).toEqual([2, 3]);
    expect(network.member(1).disk.entries.map((e) => e.data.length)).toEqual([0]);
    network.stabilize();
    expect(network.states()).toEqual([['a'], ['a'], ['a']]);
  });

  test('§10.2.1: an entry is committed when a majority without the leader has it on disk', () => {
    const network = elected();
    network.node(1).propose(bytes('a'));
    network.put(network.member(1).takeReady());
    for (const id of [2, 3]) {
      for (const message of network.wire.filter((m) => m.to === id)) network.deliver(message);
      network.put(network.member(id).takeReady());
      network.put(network.member(id).doAppend());
    }
    for (const message of network.wire.filter((m) => m.to === 1)) network.deliver(message);
    expect(network.node(1).committed).toBe(3);
    // It is applied here only when it is durable here too.
    network.member(1).takeReady();
    expect(network.member(1).applies).toEqual([]);
  });

  test('§10.2.2: entries are pipelined: the next index moves on without waiting for answers', () => {
    const network = elected();
    for (const payload of ['a', 'b', 'c']) network.node(1).propose(bytes(payload));
    const sent = network
      .member(1)
      .takeReady()
      .filter((m) => m.type === MsgApp && m.to === 2);
    expect(sent.map((m) => [m.index, m.entries.length])).toEqual([
      [2, 1],
      [3, 1],
      [4, 1],
    ]);
  });

  test('§10.2.2: a batch of commands travels and is written as one', () => {
    const network = elected();
    network.node(1).proposeBatch(['a', 'b', 'c'].map(bytes));
    const member = network.member(1);
    expect(member.takeReady().filter((m) => m.type === MsgApp && m.to === 2)).toMatchObject([
      { entries: [{ index: 3 }, { index: 4 }, { index: 5 }] },
    ]);
    expect(member.appends).toHaveLength(1);
  });

  test('§5.2, with §9.6: answers to pre-votes and to votes are never added up', () => {
    const lone = new Lone({ voters: [1, 2, 3, 4, 5], config: { preVote: true } });
    lone.node.campaign();
    lone.settle();
    lone.hear(MsgPreVoteResp, { from: 2, term: 2 });
    lone.hear(MsgPreVoteResp, { from: 3, term: 2 });
    expect(lone.node.state).toBe(StateType.Candidate);
    lone.hear(MsgVoteResp, { from: 2, term: 2 });
    lone.hear(MsgPreVoteResp, { from: 4, term: 2 });
    expect(lone.node.state).toBe(StateType.Candidate);
  });
});
