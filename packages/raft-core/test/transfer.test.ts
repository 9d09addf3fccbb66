import { describe, expect, test } from 'vitest';
import { MessageType, StateType } from '../src/index.ts';
import { bytes, Network } from './network/network.ts';

describe('leadership transfer (thesis §3.10)', () => {
  test('an up-to-date voter takes over at once, asked on the leader or on a follower', () => {
    const network = new Network({ config: { preVote: true, checkQuorum: true } });
    network.elect(1);
    network.node(1).transferLeader(2);
    network.stabilize();
    expect(network.node(2).state).toBe(StateType.Leader);
    network.node(3).transferLeader(3);
    network.stabilize();
    expect(network.node(3).state).toBe(StateType.Leader);
  });

  test('a voter that is behind is caught up first', () => {
    const network = new Network();
    network.elect(1);
    network.isolate(3);
    network.propose(1, 'a', 'b');
    network.isolate();
    network.heartbeat(1);
    network.node(1).transferLeader(3);
    network.stabilize();
    expect(network.node(3).state).toBe(StateType.Leader);
    expect(network.states()[2]).toEqual(['a', 'b']);
  });

  test('proposals are dropped meanwhile, and taken again when it is given up after an election timeout', () => {
    const network = new Network();
    network.elect(1);
    network.isolate(3);
    network.node(1).transferLeader(3);
    const propose = (): void => {
      network.node(1).propose(bytes('x'));
    };
    expect(propose).toThrow(expect.objectContaining({ code: 'PROPOSAL_DROPPED' }));
    network.tick(1, 9);
    expect(propose).toThrow();
    network.tick(1);
    expect(network.node(1).status().leadTransferee).toBe(0);
    propose();
  });

  test('another target replaces the first; the leader itself ends it', () => {
    const network = new Network();
    network.elect(1);
    network.isolate(2, 3);
    network.node(1).transferLeader(2);
    network.node(1).transferLeader(3);
    expect(network.node(1).status().leadTransferee).toBe(3);
    network.node(1).transferLeader(1);
    expect(network.node(1).status().leadTransferee).toBe(0);
  });

  test('learners and strangers are no targets', () => {
    const network = new Network({ voters: [1, 2], learners: [3] });
    network.elect(1);
    for (const id of [3, 9]) {
      network.node(1).transferLeader(id);
      expect(network.node(1).status().leadTransferee).toBe(0);
    }
  });

  test('the target skips the pre-vote', () => {
    const network = new Network({ config: { preVote: true } });
    network.elect(1);
    network.sent.length = 0;
    network.node(1).transferLeader(2);
    network.stabilize();
    expect(network.sent.some((m) => m.type === MessageType.MsgPreVote)).toBe(false);
  });
});
