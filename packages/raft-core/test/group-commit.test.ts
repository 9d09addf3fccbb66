/** raft-rs's group commit: an entry must be in two groups of members before it commits. */
import { describe, expect, test } from 'vitest';
import { MessageType, type Message } from '../src/index.ts';
import { Network } from './network/network.ts';

/** 1 leads; 1 and 2 are in group 1, 3 in group 2. */
function sites(enabled = true): Network {
  const network = new Network();
  network.elect(1);
  network.node(1).enableGroupCommit(enabled);
  network.node(1).assignCommitGroups([
    [1, 1],
    [2, 1],
    [3, 2],
  ]);
  return network;
}

const lostTo = (id: number) => (m: Message) => m.to === id && m.type === MessageType.MsgApp;

describe('group commit', () => {
  test('a majority within one group does not commit', () => {
    const network = sites();
    network.drop = lostTo(3);
    const before = network.node(1).committed;
    network.propose(1, 'a');
    expect(network.node(1).committed).toBe(before);
    network.drop = () => false;
    network.heartbeat(1);
    network.heartbeat(1);
    expect(network.states()).toEqual([['a'], ['a'], ['a']]);
  });

  test('assignments mean nothing until group commit is enabled', () => {
    const network = sites(false);
    network.drop = lostTo(3);
    network.propose(1, 'a');
    expect(network.states()[0]).toEqual(['a']);
    expect(network.node(1).checkGroupCommitConsistent()).toBe(false);
  });

  test('disabling it commits at once what a majority has', () => {
    const network = sites();
    network.drop = lostTo(3);
    network.propose(1, 'a');
    expect(network.states()[0]).toEqual([]);
    network.node(1).enableGroupCommit(false);
    network.stabilize();
    expect(network.states()[0]).toEqual(['a']);
  });

  test('an assignment that brings a second group commits at once', () => {
    const network = sites();
    network.drop = lostTo(3);
    network.propose(1, 'a');
    network.node(1).assignCommitGroups([[2, 3]]);
    network.stabilize();
    expect(network.states()[0]).toEqual(['a']);
  });

  test('where some are of no group and no two groups are seen, all members must have it', () => {
    const network = sites();
    network.node(1).clearCommitGroup();
    network.node(1).assignCommitGroups([[1, 1]]);
    network.drop = lostTo(3);
    network.propose(1, 'a');
    expect(network.states()[0]).toEqual([]);
    network.drop = () => false;
    network.heartbeat(1);
    network.heartbeat(1);
    expect(network.states()[0]).toEqual(['a']);
  });

  test('consistency can be told by a leader that applied an entry of its term, and by nobody else', () => {
    const network = sites();
    expect(network.node(2).checkGroupCommitConsistent()).toBeUndefined();
    network.propose(1, 'a');
    expect(network.node(1).checkGroupCommitConsistent()).toBe(true);
    network.node(1).clearCommitGroup();
    expect(network.node(1).checkGroupCommitConsistent()).toBe(false);
  });

  test('a group below 1 is refused, and then nothing is assigned', () => {
    const network = new Network();
    network.elect(1);
    const { node } = network.member(1);
    node.enableGroupCommit(true);
    const wrong = [
      [1, 1],
      [2, 0],
    ] as const;
    expect(() => {
      node.assignCommitGroups(wrong);
    }).toThrow(expect.objectContaining({ code: 'OUT_OF_RANGE' }));
    expect(() => {
      node.assignCommitGroups(Array.from({ length: 4097 }, (_, i) => [i + 1, 1] as const));
    }).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    // Nobody has a group, so all must have an entry.
    network.drop = lostTo(3);
    network.propose(1, 'a');
    expect(network.states()[0]).toEqual([]);
  });
});
