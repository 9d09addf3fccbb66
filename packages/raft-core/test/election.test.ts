import { describe, expect, test } from 'vitest';
import { Message, MessageType, StateType } from '../src/index.ts';
import { Network } from './network/network.ts';

const leaders = (network: Network): number[] =>
  [...network.members.values()].filter((m) => m.node.state === StateType.Leader).map((m) => m.id);

describe('elections', () => {
  test('a follower that hears nothing for its election timeout campaigns, and not before (paper §5.2)', () => {
    const network = new Network();
    network.node(1).setRandomizedElectionTimeout(10);
    network.tick(1, 9);
    expect(network.node(1).state).toBe(StateType.Follower);
    network.tick(1);
    expect(network.node(1).state).toBe(StateType.Candidate);
  });

  test('the election timeout lies within [electionTick, 2 * electionTick)', () => {
    for (const draw of [0, 0.5, 1 - 2 ** -53]) {
      const network = new Network({ voters: [1, 2], config: { random: () => draw } });
      let ticks = 0;
      while (network.node(1).state === StateType.Follower) {
        network.tick(1);
        ticks++;
      }
      expect(ticks).toBeGreaterThanOrEqual(10);
      expect(ticks).toBeLessThan(20);
    }
  });

  test('the own vote counts only once it is durable', () => {
    const network = new Network({ voters: [1] });
    const member = network.member(1);
    member.node.campaign();
    member.takeReady();
    expect(member.node.state).toBe(StateType.Candidate);
    member.doAppend();
    expect(member.disk.hardState).toMatchObject({ term: 1, vote: 1 });
    expect(member.node.state).toBe(StateType.Leader);
  });

  test('a member votes once a term, also across a restart', () => {
    const network = new Network();
    const member = network.member(3);
    const ask = (from: number): Message[] => {
      member.step(new Message(MessageType.MsgVote, { from, to: 3, term: 5, index: 1, logTerm: 1 }));
      member.takeReady();
      return member.doAppend();
    };
    expect(ask(1)[0]).toMatchObject({ type: MessageType.MsgVoteResp, to: 1, reject: false });
    member.restart();
    expect(ask(2)[0]).toMatchObject({ type: MessageType.MsgVoteResp, to: 2, reject: true });
    expect(ask(1)[0]).toMatchObject({ to: 1, reject: false });
  });

  test('a candidate whose log is behind is refused (paper §5.4.1)', () => {
    const network = new Network();
    network.elect(1);
    network.isolate(3);
    network.propose(1, 'a');
    network.isolate(1);
    network.elect(3);
    expect(leaders(network)).toEqual([1]);
    network.elect(2);
    expect(network.node(2).state).toBe(StateType.Leader);
  });

  test('with pre-vote a member that was cut off does not raise the term (thesis §9.6)', () => {
    const network = new Network({ config: { preVote: true, checkQuorum: true } });
    network.elect(1);
    network.isolate(3);
    network.tick(3, 100);
    network.stabilize();
    network.isolate();
    network.tick(3, 20);
    network.stabilize();
    expect(network.node(1)).toMatchObject({ state: StateType.Leader, term: 1 });
    expect(network.node(3).term).toBe(1);
  });

  test('voters that hear a leader ignore candidates, except in a transfer (thesis §4.2.3)', () => {
    const network = new Network({ config: { checkQuorum: true } });
    network.elect(1);
    network.elect(2);
    expect(leaders(network)).toEqual([1]);
    network.node(1).tick();
    network.node(1).transferLeader(3);
    network.stabilize();
    expect(network.node(3).state).toBe(StateType.Leader);
  });

  test('a leader that hears from no quorum for an election timeout steps down (thesis §6.2)', () => {
    const network = new Network({ config: { checkQuorum: true } });
    network.elect(1);
    network.isolate(1);
    for (let i = 0; i < 20; i++) {
      network.tick(1);
      network.stabilize();
    }
    expect(network.node(1)).toMatchObject({ state: StateType.Follower, leader: 0 });
  });

  test('a member with a conf change to apply does not campaign', () => {
    const network = new Network({ voters: [1, 2] });
    network.elect(1);
    const change = { version: 1, id: 0, type: 3, nodeId: 9, context: new Uint8Array(0) } as const;
    network.node(1).proposeConfChange(change);
    // Member 2 learns that the change is committed, but never applies it.
    const follower = network.member(2);
    for (let i = 0; i < 6; i++) {
      network.put(network.member(1).takeReady());
      network.put(network.member(1).doAppend());
      network.put(follower.takeReady());
      network.put(follower.doAppend());
      for (const message of network.wire.splice(0)) network.deliver(message);
    }
    expect(follower.node.committed).toBe(3);
    follower.node.campaign();
    expect(follower.node.state).toBe(StateType.Follower);
  });
});
