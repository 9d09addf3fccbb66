import { describe, expect, test } from 'vitest';
import {
  ConfChangeTransition,
  ConfChangeType,
  EmptyBytes,
  EmptyConfState,
  EntryType,
  Message,
  MessageType,
  StateType,
  type ConfChangeSingle,
  type ConfChangeV2,
} from '../src/index.ts';
import { bytes, Network } from './network/network.ts';

const { AddNode, AddLearnerNode, RemoveNode } = ConfChangeType;

function change(
  changes: readonly (readonly [ConfChangeType, number])[],
  transition: ConfChangeTransition = ConfChangeTransition.Auto,
): ConfChangeV2 {
  const singles: ConfChangeSingle[] = changes.map(([type, nodeId]) => ({ type, nodeId }));
  return { version: 2, transition, changes: singles, context: EmptyBytes };
}

function propose(network: Network, id: number, cc: ConfChangeV2): void {
  network.node(id).proposeConfChange(cc);
  network.stabilize();
}

const conf = (network: Network, id: number) => network.node(id).status().confState;

describe('membership', () => {
  test('a learner is caught up, does not count, and counts once promoted', () => {
    const network = new Network({ voters: [1, 2], blank: [3] });
    network.elect(1);
    network.propose(1, 'a');
    propose(network, 1, change([[AddLearnerNode, 3]]));
    network.heartbeat(1);
    expect(network.states()[2]).toEqual(['a']);
    network.isolate(2);
    network.propose(1, 'b');
    expect(network.states()[0]).toEqual(['a']);
    network.isolate();
    network.heartbeat(1);
    propose(network, 1, change([[AddNode, 3]]));
    network.isolate(2);
    network.propose(1, 'c');
    expect(network.states()[0]).toEqual(['a', 'b', 'c']);
  });

  test('a learner never campaigns', () => {
    const network = new Network({ voters: [1], learners: [2] });
    network.tick(2, 100);
    network.node(2).campaign();
    expect(network.node(2).state).toBe(StateType.Follower);
  });

  test('several changes go through a joint configuration that the leader leaves by itself (thesis §4.3)', () => {
    const network = new Network({ voters: [1, 2, 3], blank: [4, 5] });
    network.elect(1);
    propose(
      network,
      1,
      change([
        [AddNode, 4],
        [AddNode, 5],
        [RemoveNode, 3],
      ]),
    );
    network.heartbeat(1);
    expect(conf(network, 1)).toMatchObject({ voters: [1, 2, 4, 5], votersOutgoing: [], autoLeave: false });
    expect(conf(network, 5)).toEqual(conf(network, 1));
  });

  test('in a joint configuration both majorities are needed', () => {
    const network = new Network({ voters: [1, 2, 3], blank: [4, 5] });
    network.elect(1);
    propose(
      network,
      1,
      change(
        [
          [AddNode, 4],
          [AddNode, 5],
        ],
        ConfChangeTransition.Explicit,
      ),
    );
    network.heartbeat(1);
    expect(conf(network, 1)).toMatchObject({ voters: [1, 2, 3, 4, 5], votersOutgoing: [1, 2, 3] });
    // 1, 4 and 5 are a majority of the new half only.
    network.isolate(2, 3);
    network.propose(1, 'x');
    expect(network.states()[0]).toEqual([]);
    network.isolate();
    network.heartbeat(1);
    expect(network.states()[0]).toEqual(['x']);
    propose(network, 1, change([]));
    expect(conf(network, 1)).toMatchObject({ voters: [1, 2, 3, 4, 5], votersOutgoing: [] });
  });

  test('leaving a joint configuration is tried again by the next leader when the first one is lost', () => {
    const network = new Network({ voters: [1, 2, 3], blank: [4] });
    network.elect(1);
    // Nobody gets the proposal to leave.
    network.drop = (m) => m.from === 1 && m.entries.some((e) => e.type === 2 && e.data.length === 0);
    propose(
      network,
      1,
      change([
        [AddNode, 4],
        [RemoveNode, 3],
      ]),
    );
    network.heartbeat(1);
    expect(conf(network, 2)).toMatchObject({ votersOutgoing: [1, 2, 3], autoLeave: true });
    network.drop = () => false;
    network.isolate(1);
    network.elect(2);
    network.propose(2, 'x');
    expect(conf(network, 2)).toMatchObject({ voters: [1, 2, 4], votersOutgoing: [], autoLeave: false });
  });

  test('a joint configuration is left though a transfer stood in the way at first, and nobody proposes anything', () => {
    const network = new Network({ voters: [1, 2, 3], blank: [4] });
    network.elect(1);
    network.isolate(3);
    network.node(1).proposeConfChange(
      change([
        [AddNode, 4],
        [RemoveNode, 3],
      ]),
    );
    network.node(1).transferLeader(3);
    network.stabilize();
    network.heartbeat(1);
    expect(conf(network, 1)).toMatchObject({ votersOutgoing: [1, 2, 3], autoLeave: true });
    for (let i = 0; i < 20; i++) network.heartbeat(1);
    expect(conf(network, 1)).toMatchObject({ voters: [1, 2, 4], votersOutgoing: [], autoLeave: false });
    expect(conf(network, 2)).toEqual(conf(network, 1));
  });

  test('a second change is replaced by a no-op until the first is applied', () => {
    const network = new Network({ voters: [1, 2, 3], blank: [4, 5] });
    network.elect(1);
    network.node(1).proposeConfChange(change([[AddNode, 4]]));
    network.node(1).proposeConfChange(change([[AddNode, 5]]));
    network.stabilize();
    expect(conf(network, 1).voters).toEqual([1, 2, 3, 4]);
  });

  test.each([
    ['removing the last voter', [[RemoveNode, 1]]],
    ['demoting the last voter', [[AddLearnerNode, 1]]],
    ['leaving a joint configuration there is not', []],
  ] as [string, [ConfChangeType, number][]][])(
    '%s is replaced by a no-op when proposed',
    (_what, changes) => {
      const network = new Network({ voters: [1] });
      network.elect(1);
      const before = conf(network, 1);
      propose(network, 1, change(changes));
      expect(conf(network, 1)).toEqual(before);
      expect(network.member(1).disk.entries.at(-1)).toMatchObject({ type: 0, data: EmptyBytes });
    },
  );

  test('a change that was refused by the application, its node ids set to 0, changes nothing', () => {
    const network = new Network();
    const before = conf(network, 1);
    expect(network.node(1).applyConfChange(change([[AddNode, 0]]))).toEqual(before);
  });

  test('an update of a node changes no membership', () => {
    const network = new Network();
    network.elect(1);
    const before = conf(network, 1);
    propose(network, 1, change([[ConfChangeType.UpdateNode, 2]]));
    expect(network.member(2).disk.entries.at(-1)?.type).toBe(EntryType.ConfChangeV2);
    expect(conf(network, 2)).toEqual(before);
  });

  test('a change that cannot be applied throws and changes nothing', () => {
    const network = new Network({ voters: [1] });
    expect(() => network.node(1).applyConfChange(change([[RemoveNode, 1]]))).toThrow(
      expect.objectContaining({ code: 'CONF_CHANGE_INVALID' }),
    );
    expect(conf(network, 1).voters).toEqual([1]);
  });

  test.each([true, false])(
    'a leader that is removed steps down in its term if so configured (%s)',
    (stepDownOnRemoval) => {
      const network = new Network({ config: { stepDownOnRemoval } });
      network.elect(1);
      propose(network, 1, change([[RemoveNode, 1]]));
      expect(network.node(1)).toMatchObject({
        term: 1,
        state: stepDownOnRemoval ? StateType.Follower : StateType.Leader,
      });
      expect(conf(network, 2).voters).toEqual([2, 3]);
      expect(() => {
        network.node(1).propose(EmptyBytes);
      }).toThrow(expect.objectContaining({ code: 'PROPOSAL_DROPPED' }));
    },
  );

  test('a change that is applied after a snapshot that contains it was received changes nothing', () => {
    const network = new Network();
    network.elect(1);
    network.node(1).proposeConfChange(change([[AddLearnerNode, 4]]));
    // 3 hands the change out to be applied, and is slow to do it.
    for (let round = 0; round < 6; round++) {
      for (const member of network.members.values()) {
        network.put(member.takeReady());
        network.put(member.doAppend());
        if (member.id !== 3) network.put(member.doApply());
      }
      for (const message of network.wire.splice(0)) network.deliver(message);
    }
    const slow = network.member(3);
    expect(slow.applies.flatMap((m) => m.entries).some((e) => e.type !== 0)).toBe(true);
    const { term } = slow.node;
    const confState = { ...EmptyConfState, voters: [1, 2, 3, 5] };
    const snapshot = { metadata: { index: 20, term, confState }, data: bytes('[]') };
    slow.step(new Message(MessageType.MsgSnap, { from: 1, to: 3, term, snapshot }));
    while (slow.applies.length > 0) slow.doApply();
    expect(conf(network, 3)).toEqual(confState);
    network.stabilize();
    expect(conf(network, 3)).toEqual(confState);
    expect(slow.disk).toMatchObject({ applied: 20, confState });
  });

  test('an acknowledgement of a removed member is refused', () => {
    const network = new Network({ voters: [1, 2, 3, 4] });
    network.elect(1);
    propose(network, 1, change([[RemoveNode, 4]]));
    const late = network.sent.find((m) => m.from === 4);
    expect(late).toBeDefined();
    if (late !== undefined) network.member(1).step(late);
    expect(network.member(1).refusals.at(-1)).toBe('STEP_PEER_NOT_FOUND');
  });
});
