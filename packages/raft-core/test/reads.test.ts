import { describe, expect, test } from 'vitest';
import { MessageType, ReadOnlyOption, StateType } from '../src/index.ts';
import { Lease } from '../src/lease.ts';
import { bytes, Network } from './network/network.ts';

const contexts = (network: Network, id: number): string[] => network.member(id).reads.map((r) => r.context);

describe('linearizable reads', () => {
  test('a round of heartbeats confirms a read, on the leader and for a follower (thesis §6.4)', () => {
    const network = new Network();
    network.elect(1);
    network.propose(1, 'a');
    const index = network.node(1).committed;
    network.node(1).readIndex(bytes('l'));
    network.node(2).readIndex(bytes('f'));
    network.stabilize();
    expect(network.member(1).reads).toEqual([{ index, context: 'l' }]);
    expect(network.member(2).reads).toEqual([{ index, context: 'f' }]);
  });

  test('a leader that a partition has deposed answers nothing', () => {
    const network = new Network();
    network.elect(1);
    network.isolate(1);
    network.elect(2);
    network.propose(2, 'new');
    network.node(1).readIndex(bytes('stale'));
    network.heartbeat(1);
    expect(contexts(network, 1)).toEqual([]);
  });

  test('a read before the first commit of the term waits for it', () => {
    const network = new Network();
    network.elect(1);
    network.propose(1, 'a');
    network.drop = (m) => m.type === MessageType.MsgApp;
    network.elect(2);
    expect(network.node(2).state).toBe(StateType.Leader);
    network.node(2).readIndex(bytes('early'));
    network.heartbeat(2);
    expect(contexts(network, 2)).toEqual([]);
    network.drop = () => false;
    network.heartbeat(2);
    network.heartbeat(2);
    expect(network.member(2).reads).toEqual([{ index: network.node(2).lastIndex, context: 'early' }]);
  });

  test('an echo of an earlier use of the same context confirms nothing', () => {
    const network = new Network();
    network.elect(1);
    network.node(1).readIndex(bytes('same'));
    network.stabilize();
    const echoes = network.sent.filter(
      (m) => m.type === MessageType.MsgHeartbeatResp && m.context.length > 0,
    );
    expect(echoes.length).toBeGreaterThan(0);
    network.isolate(1);
    network.node(1).readIndex(bytes('same'));
    network.stabilize();
    for (const echo of echoes) network.member(1).step(echo);
    network.stabilize();
    expect(contexts(network, 1)).toEqual(['same']);
  });

  test('a lost round is made up for by the next heartbeat, for all reads that wait', () => {
    const network = new Network();
    network.elect(1);
    network.isolate(1);
    for (const context of ['a', 'b', 'c']) network.node(1).readIndex(bytes(context));
    network.stabilize();
    network.isolate();
    network.heartbeat(1);
    expect(contexts(network, 1)).toEqual(['a', 'b', 'c']);
  });

  test('the echo of a learner does not count', () => {
    const network = new Network({ voters: [1, 2, 3], learners: [4] });
    network.elect(1);
    network.isolate(2, 3);
    network.node(1).readIndex(bytes('r'));
    network.stabilize();
    expect(contexts(network, 1)).toEqual([]);
  });

  test('a single voter answers at once', () => {
    const network = new Network({ voters: [1] });
    network.elect(1);
    network.node(1).readIndex(bytes('r'));
    network.stabilize();
    expect(contexts(network, 1)).toEqual(['r']);
  });

  test('a follower without a leader loses a read silently', () => {
    const network = new Network();
    network.node(2).readIndex(bytes('r'));
    expect(network.node(2).hasReady()).toBe(false);
  });
});

describe('lease reads', () => {
  const leased = (): Network => {
    const network = new Network({ config: { checkQuorum: true, readOnlyOption: ReadOnlyOption.LeaseBased } });
    network.elect(1);
    network.heartbeat(1);
    return network;
  };
  /** Whether node 1, cut off now, answers a read. */
  const answersAlone = (network: Network): boolean => {
    network.isolate(1);
    network.node(1).readIndex(bytes('r'));
    network.stabilize();
    return contexts(network, 1).includes('r');
  };

  test('while the lease holds no message is needed', () => {
    expect(answersAlone(leased())).toBe(true);
  });

  test('the lease ends before any follower may help another leader, counted from when heartbeats were sent', () => {
    const network = leased();
    network.isolate(1);
    network.tick(1, 7);
    network.stabilize();
    expect(answersAlone(network)).toBe(true);
    const later = leased();
    later.isolate(1);
    later.tick(1, 8);
    later.stabilize();
    expect(later.node(1).state).toBe(StateType.Leader);
    expect(answersAlone(later)).toBe(false);
  });

  test('a new leader has no lease before a round of heartbeats, but answers by one', () => {
    const network = new Network({ config: { checkQuorum: true, readOnlyOption: ReadOnlyOption.LeaseBased } });
    network.elect(1);
    expect(answersAlone(network)).toBe(false);
    network.isolate();
    network.heartbeat(1);
    expect(contexts(network, 1)).toEqual(['r']);
  });

  test('ticks that were missed count for the lease, and for no election', () => {
    const network = leased();
    network.node(1).missedTicks(7);
    expect(answersAlone(network)).toBe(true);
    const later = leased();
    later.node(1).missedTicks(8);
    expect(answersAlone(later)).toBe(false);
    later.node(1).missedTicks(1000);
    expect(later.node(1).state).toBe(StateType.Leader);
  });

  test.each([
    [3, 1],
    [5, 3],
    [10, 8],
    [20, 17],
  ])('with an election timeout of %i ticks the lease is %i ticks long', (electionTick, length) => {
    const lease = new Lease(electionTick);
    lease.note(1);
    lease.confirm(1);
    lease.pass(length - 1);
    expect(lease.holds).toBe(true);
    lease.pass(1);
    expect(lease.holds).toBe(false);
  });

  test('telling a member to campaign ends the lease for the term', () => {
    const network = leased();
    network.drop = (m) => m.type === MessageType.MsgTimeoutNow;
    network.node(1).transferLeader(2);
    network.stabilize();
    expect(answersAlone(network)).toBe(false);
  });

  test('a follower that restarts helps nobody to lead before the lease that it supported is over', () => {
    const network = leased();
    network.member(2).restart();
    network.isolate(1);
    network.elect(3);
    expect(network.node(3).state).not.toBe(StateType.Leader);
    network.tick(2, 10);
    network.elect(3);
    expect(network.node(3).state).toBe(StateType.Leader);
  });

  test('forgetting the leader is refused', () => {
    const network = leased();
    network.node(2).forgetLeader();
    expect(network.node(2).leader).toBe(1);
  });
});
