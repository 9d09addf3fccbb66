/** raft-rs's setters and getters on a running core. */
import { describe, expect, test } from 'vitest';
import { Message, MessageType, ProgressState, ReadOnlyOption, StateType } from '../src/index.ts';
import { bytes, Network } from './network/network.ts';

const refused = expect.objectContaining({ code: 'INVALID_ARGUMENT' }) as Error;

const isApp = (to: number) => (m: Message) =>
  m.to === to && m.type === MessageType.MsgApp && m.entries.length > 0;

const peer = (network: Network, id: number) =>
  network
    .node(1)
    .status()
    .progress.find((p) => p.id === id);

function leader(config: object = {}): Network {
  const network = new Network({ config });
  network.elect(1);
  network.sent.length = 0;
  return network;
}

describe('the window of a peer', () => {
  test('narrowed to 0 it stops replication to it, and widened again it goes on', () => {
    const network = leader();
    const { node } = network.member(1);
    node.adjustMaxInflightMsgs(3, 0);
    network.propose(1, 'a', 'b');
    network.heartbeat(1);
    expect(network.sent.filter(isApp(3))).toEqual([]);
    expect(network.sent.filter(isApp(2))).not.toEqual([]);
    node.adjustMaxInflightMsgs(3, 1);
    network.heartbeat(1);
    expect(network.states()[2]).toEqual(['a', 'b']);
  });

  test('bounds the appends in flight from then on', () => {
    const network = leader();
    network.node(1).adjustMaxInflightMsgs(3, 2);
    for (const payload of ['a', 'b', 'c', 'd']) network.node(1).propose(bytes(payload));
    const out = network.member(1).takeReady();
    expect(out.filter(isApp(3))).toHaveLength(2);
    expect(out.filter(isApp(2))).toHaveLength(4);
    expect(peer(network, 3)).toMatchObject({ state: ProgressState.Replicate, paused: true });
    network.node(1).adjustMaxInflightMsgs(3, 3);
    expect(peer(network, 3)).toMatchObject({ paused: false });
  });

  test('of who is not a member cannot be changed, nor to less than 0', () => {
    const { node } = leader().member(1);
    expect(() => {
      node.adjustMaxInflightMsgs(9, 1);
    }).toThrow(refused);
    expect(() => {
      node.adjustMaxInflightMsgs(2, -1);
    }).toThrow(expect.objectContaining({ code: 'OUT_OF_RANGE' }));
  });

  test('gives its memory back once nothing is in flight', () => {
    const network = leader({ maxInflightMsgs: 256 });
    const { node } = network.member(1);
    const idle = node.inflightBuffersSize;
    for (let i = 0; i < 100; i++) node.propose(bytes('x'));
    const full = node.inflightBuffersSize;
    expect(full).toBeGreaterThan(idle);
    node.maybeFreeInflightBuffers();
    expect(node.inflightBuffersSize).toBe(full);
    network.stabilize();
    node.maybeFreeInflightBuffers();
    expect(node.inflightBuffersSize).toBeLessThan(full);
    network.propose(1, 'y');
    expect(network.states()[2]).toHaveLength(101);
  });
});

describe('applying what is not durable here yet', () => {
  /** 1 leads; its own disk is slow, so that entries commit by the others. */
  function slowDisk(config: object): Network {
    const network = leader(config);
    for (const payload of ['a', 'b', 'c']) network.node(1).propose(bytes(payload));
    network.put(network.member(1).takeReady());
    expect(network.member(1).appends).toHaveLength(1);
    for (const message of network.wire.splice(0)) network.deliver(message);
    for (const id of [2, 3]) {
      network.put(network.member(id).takeReady());
      network.put(network.member(id).doAppend());
    }
    for (const message of network.wire.splice(0)) network.deliver(message);
    return network;
  }

  const handedOut = (network: Network): number => {
    network.put(network.member(1).takeReady());
    return network.member(1).applies.flatMap((m) => m.entries).length;
  };

  test.each([
    [0, 0],
    [2, 2],
    [10, 3],
  ])('a limit of %i hands out %i of three committed entries', (maxApplyUnpersistedLogLimit, count) => {
    const network = slowDisk({ maxApplyUnpersistedLogLimit });
    expect(handedOut(network)).toBe(count);
    network.stabilize();
    expect(network.states()).toEqual([
      ['a', 'b', 'c'],
      ['a', 'b', 'c'],
      ['a', 'b', 'c'],
    ]);
  });

  test('the limit can be set on a leader, and ends with its leadership', () => {
    const network = slowDisk({});
    const { node } = network.member(1);
    network.node(2).setMaxApplyUnpersistedLogLimit(9);
    node.setMaxApplyUnpersistedLogLimit(1);
    expect(handedOut(network)).toBe(1);
    network.stabilize();
    network.elect(2);
    network.elect(1);
    expect(node.state).toBe(StateType.Leader);
    // The configured limit holds again, which is 0.
    const again = slowDiskAgain(network);
    expect(again).toBe(0);
  });

  function slowDiskAgain(network: Network): number {
    network.node(1).propose(bytes('z'));
    network.put(network.member(1).takeReady());
    for (const message of network.wire.splice(0)) network.deliver(message);
    for (const id of [2, 3]) {
      network.put(network.member(id).takeReady());
      network.put(network.member(id).doAppend());
    }
    for (const message of network.wire.splice(0)) network.deliver(message);
    return handedOut(network);
  }

  test('a leader that steps down hands out nothing more before it is durable', () => {
    const network = slowDisk({ maxApplyUnpersistedLogLimit: 1 });
    const term = network.node(1).term + 1;
    network.node(1).step(new Message(MessageType.MsgHeartbeat, { from: 2, to: 1, term }));
    expect(network.node(1).state).toBe(StateType.Follower);
    expect(handedOut(network)).toBe(0);
  });
});

describe('setters', () => {
  test('setSkipBcastCommit and setBatchAppend take effect on a running leader', () => {
    const network = leader();
    const { node } = network.member(1);
    const appends = (): number => {
      network.sent.length = 0;
      for (const payload of ['a', 'b', 'c']) node.propose(bytes(payload));
      network.stabilize();
      return network.sent.filter((m) => m.to === 2 && m.type === MessageType.MsgApp).length;
    };
    const before = appends();
    expect(before).toBeGreaterThan(3);
    node.setSkipBcastCommit(true);
    const quiet = appends();
    expect(quiet).toBe(3);
    node.setBatchAppend(true);
    expect(appends()).toBe(1);
    node.setSkipBcastCommit(false);
    node.setBatchAppend(false);
    expect(appends()).toBe(before);
  });

  test('setCheckQuorum(true) makes a leader without a quorum step down, false lets it stay', () => {
    for (const on of [true, false]) {
      const network = leader({ checkQuorum: !on });
      network.isolate(1);
      network.node(1).setCheckQuorum(on);
      network.tick(1, 25);
      expect(network.node(1).state).toBe(on ? StateType.Follower : StateType.Leader);
    }
  });

  test('setCheckQuorum(false) is refused where leases rest on it', () => {
    const { node } = leader({ checkQuorum: true, readOnlyOption: ReadOnlyOption.LeaseBased }).member(1);
    expect(() => {
      node.setCheckQuorum(false);
    }).toThrow(refused);
    node.setCheckQuorum(true);
  });

  test('setMaxCommittedSizePerReady changes the size of pages from the next one on', () => {
    const network = leader({ maxCommittedSizePerReady: 0, maxSizePerMsg: 1 << 20 });
    const { node } = network.member(1);
    const pages = (): number[] => {
      const before = network.member(1).readies.length;
      node.proposeBatch(['a', 'b', 'c', 'd'].map(bytes));
      network.stabilize();
      return network
        .member(1)
        .readies.slice(before)
        .map((r) => r.committedEntries.length)
        .filter((n) => n > 0);
    };
    expect(pages()).toEqual([4]);
    node.setMaxCommittedSizePerReady(1);
    expect(pages()).toEqual([1, 1, 1, 1]);
    node.setMaxCommittedSizePerReady(0);
    expect(pages()).toEqual([4]);
  });
});

describe('leadership', () => {
  test('a transfer can be aborted, and then proposals are taken again', () => {
    const network = leader();
    network.isolate(2);
    network.node(1).propose(bytes('x'));
    network.node(1).transferLeader(2);
    expect(network.node(1).leadTransferee).toBe(2);
    expect(() => {
      network.node(1).propose(bytes('a'));
    }).toThrow(expect.objectContaining({ code: 'PROPOSAL_DROPPED' }));
    network.node(1).abortLeaderTransfer();
    expect(network.node(1).leadTransferee).toBe(0);
    network.propose(1, 'b');
    expect(network.states()[0]).toEqual(['x', 'b']);
  });

  test('sendTimeoutNow makes a voter campaign at once', () => {
    const network = leader();
    network.node(1).sendTimeoutNow(2);
    network.stabilize();
    expect(network.node(2).state).toBe(StateType.Leader);
    for (const id of [1, 3, 9]) {
      expect(() => {
        network.node(1).sendTimeoutNow(id);
      }, String(id)).toThrow(refused);
    }
  });
});

describe('getters', () => {
  test('commitToCurrentTerm and applyToCurrentTerm are false until an entry of the term is there', () => {
    const network = new Network();
    network.elect(2);
    network.drop = (m) => m.type === MessageType.MsgAppResp;
    network.elect(3);
    const { node } = network.member(3);
    expect(node.state).toBe(StateType.Leader);
    expect([node.commitToCurrentTerm, node.applyToCurrentTerm]).toEqual([false, false]);
    network.drop = () => false;
    network.heartbeat(3);
    expect([node.commitToCurrentTerm, node.applyToCurrentTerm]).toEqual([true, true]);
  });

  test('uncommittedSize counts payload bytes until they are applied', () => {
    const network = leader();
    const { node } = network.member(1);
    node.propose(bytes('abc'));
    expect(node.uncommittedSize).toBe(3);
    network.stabilize();
    expect(node.uncommittedSize).toBe(0);
  });

  test('pendingReadCount and readyReadCount follow a read from the question to the answer', () => {
    const network = leader();
    const { node } = network.member(1);
    node.readIndex(bytes('r'));
    expect([node.pendingReadCount, node.readyReadCount]).toEqual([1, 0]);
    network.put(network.member(1).takeReady());
    for (const message of network.wire.splice(0)) network.deliver(message);
    network.put(network.member(2).takeReady());
    network.put(network.member(2).doAppend());
    for (const message of network.wire.splice(0)) network.deliver(message);
    expect([node.pendingReadCount, node.readyReadCount]).toEqual([0, 1]);
    network.stabilize();
    expect(node.readyReadCount).toBe(0);
  });

  test('reads that wait for the first commit of the term are counted', () => {
    const network = new Network();
    network.drop = (m) => m.type === MessageType.MsgAppResp;
    network.elect(1);
    network.node(1).readIndex(bytes('r'));
    expect(network.node(1).pendingReadCount).toBe(1);
  });

  test('inLease is true only of a leader whose lease holds', () => {
    const network = leader({ checkQuorum: true, readOnlyOption: ReadOnlyOption.LeaseBased });
    network.heartbeat(1);
    expect([1, 2].map((id) => network.node(id).inLease)).toEqual([true, false]);
    network.isolate(1);
    network.tick(1, 9);
    expect(network.node(1).inLease).toBe(false);
  });

  test('promotable is true of voters, and false of learners and strangers', () => {
    const network = new Network({ voters: [1], learners: [2], blank: [3] });
    expect([1, 2, 3].map((id) => network.node(id).promotable)).toEqual([true, false, false]);
  });

  test('hasPendingConf lasts until the change is applied', () => {
    const network = leader();
    network.propose(1, 'a');
    const { node } = network.member(1);
    expect(node.hasPendingConf).toBe(false);
    node.proposeConfChange({ version: 1, id: 0, type: 3, nodeId: 4, context: bytes('') });
    expect(node.hasPendingConf).toBe(true);
    network.stabilize();
    expect(node.hasPendingConf).toBe(false);
  });

  test('the clocks say ticks', () => {
    const network = leader({ electionTick: 10, heartbeatTick: 3 });
    const { node } = network.member(1);
    expect([node.electionTimeout, node.heartbeatTimeout]).toEqual([10, 3]);
    network.tick(1, 2);
    expect([node.electionElapsed, node.heartbeatElapsed]).toEqual([2, 2]);
    const { randomizedElectionTimeout } = network.node(2);
    expect(randomizedElectionTimeout).toBeGreaterThanOrEqual(10);
    expect(randomizedElectionTimeout).toBeLessThan(20);
  });
});

test('tickQuiesced lets time pass without an election, until the next tick', () => {
  const { node } = new Network().member(2);
  for (let i = 0; i < 50; i++) node.tickQuiesced();
  expect(node.state).toBe(StateType.Follower);
  node.tick();
  expect(node.state).toBe(StateType.Candidate);
});
