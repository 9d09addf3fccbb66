/** raft-rs's ways to learn a commit index from other messages than appends and heartbeats. */
import { describe, expect, test } from 'vitest';
import { Entry, Message, MessageType, StateType } from '../src/index.ts';
import { bytes, Network } from './network/network.ts';

const on = { commitByVote: true } as const;

/** 1 leads and has committed 'a'; 2 and 3 have it, but were never told. */
function untold(config: object): Network {
  const network = new Network({ config });
  network.elect(1);
  const { committed } = network.node(1);
  network.drop = (m) =>
    (m.type === MessageType.MsgApp || m.type === MessageType.MsgHeartbeat) && m.commit > committed;
  network.propose(1, 'a');
  expect(network.node(1).committed).toBeGreaterThan(committed);
  expect(network.node(2).committed).toBe(committed);
  network.drop = () => false;
  return network;
}

describe('commit by vote', () => {
  test.each([
    ['is learned from the request of a candidate that is refused', on, true],
    ['is not when the option is off', {}, false],
  ])('%s', (_name, config, learned) => {
    const network = untold(config);
    const { committed, term } = network.node(1);
    // A candidate with a shorter log: it is refused, but knows what is committed.
    const request = new Message(MessageType.MsgVote, {
      from: 3,
      to: 2,
      term: term + 1,
      index: 1,
      logTerm: 1,
      commit: committed,
      commitTerm: term,
    });
    network.member(2).step(request);
    expect(network.node(2).committed === committed).toBe(learned);
  });

  test('is learned by a candidate from a refusal', () => {
    const network = untold(on);
    const { committed } = network.node(1);
    network.drop = (m) => m.to === 3 || m.from === 3;
    // 1 has a longer log than 2, and so refuses.
    network.node(1).propose(bytes('b'));
    network.put(network.member(1).takeReady());
    network.put(network.member(1).doAppend());
    network.wire.length = 0;
    network.elect(2);
    expect(network.node(2).state).not.toBe(StateType.Leader);
    expect(network.node(2).committed).toBe(committed);
  });

  test('is learned from the refusal of a member in an older term, which may never vote or campaign again', () => {
    const network = untold({ ...on, preVote: true });
    const { committed, term } = network.node(1);
    network.isolate(2);
    for (let i = 0; i < 3; i++) network.elect(2);
    network.isolate();
    network.member(2).step(new Message(MessageType.MsgHeartbeat, { from: 3, to: 2, term: term + 2 }));
    expect(network.node(2)).toMatchObject({ term: term + 2, state: StateType.Follower });
    const refusal = { from: 1, to: 2, term, reject: true, commit: committed, commitTerm: term };
    network.member(2).step(new Message(MessageType.MsgPreVoteResp, refusal));
    expect(network.node(2)).toMatchObject({ committed, term: term + 2 });
  });

  test('an entry that the member has under another term is not committed', () => {
    const network = untold(on);
    const { committed, term } = network.node(1);
    const before = network.node(2).committed;
    for (const [commit, commitTerm] of [
      [committed, term + 1],
      [committed + 9, term],
      [committed, 0],
    ] as const) {
      network.member(2).step(
        new Message(MessageType.MsgVote, {
          from: 3,
          to: 2,
          term: term + 1,
          index: 1,
          logTerm: 1,
          commit,
          commitTerm,
        }),
      );
    }
    expect(network.node(2).committed).toBe(before);
  });

  test('a candidate that so commits a membership change steps back', () => {
    const network = new Network({ config: on });
    network.elect(1);
    const { committed } = network.node(1);
    network.drop = (m) => m.to !== 1 && m.commit > committed;
    network.node(1).proposeConfChange({ version: 1, id: 0, type: 3, nodeId: 4, context: new Uint8Array(0) });
    network.stabilize();
    network.isolate(1);
    network.drop = () => true;
    network.node(2).campaign();
    network.stabilize();
    expect(network.node(2).state).toBe(StateType.Candidate);
    const { term } = network.node(2);
    const refusal = { from: 3, to: 2, term, reject: true, commit: network.node(1).committed, commitTerm: 1 };
    network.member(2).step(new Message(MessageType.MsgVoteResp, refusal));
    expect(network.node(2)).toMatchObject({
      state: StateType.Follower,
      committed: network.node(1).committed,
    });
  });

  test('requests and refusals carry nothing when it is off', () => {
    const network = untold({});
    network.sent.length = 0;
    network.elect(2);
    network.elect(3);
    const votes = network.sent.filter(
      (m) => m.type === MessageType.MsgVote || m.type === MessageType.MsgVoteResp,
    );
    expect(votes.length).toBeGreaterThan(3);
    expect(votes.every((m) => m.commit === 0 && m.commitTerm === 0)).toBe(true);
  });
});

describe('reported commit indexes', () => {
  test('of followers are known to a leader whose members report them', () => {
    const network = new Network({ config: { reportCommitIndex: true } });
    network.elect(1);
    network.propose(1, 'a');
    network.heartbeat(1);
    const { commit, progress } = network.node(1).status();
    expect(progress.filter((p) => p.id !== 1).map((p) => p.committed)).toEqual([commit, commit]);
  });

  test('are 0 where members do not report them', () => {
    const network = new Network();
    network.elect(1);
    network.propose(1, 'a');
    network.heartbeat(1);
    expect(
      network
        .node(1)
        .status()
        .progress.map((p) => p.committed),
    ).toEqual([0, 0, 0]);
  });
});

describe('the answer to a forwarded read', () => {
  test.each([true, false])(
    'moves the commit index of the follower with commitByReadIndex=%s',
    (commitByReadIndex) => {
      const network = untold({ commitByReadIndex });
      const { committed } = network.node(1);
      network.drop = (m) => m.type === MessageType.MsgApp;
      const before = network.node(2).committed;
      network.drop = (m) =>
        m.type === MessageType.MsgApp || (m.type === MessageType.MsgHeartbeat && m.commit > before);
      network.node(2).readIndex(bytes('r'));
      network.stabilize();
      const { term } = network.node(1);
      network.member(2).step(
        new Message(MessageType.MsgReadIndexResp, {
          from: 1,
          to: 2,
          term,
          index: committed,
          entries: [new Entry(0, 0, 0, bytes('r'))],
        }),
      );
      expect(network.node(2).committed === committed).toBe(commitByReadIndex);
    },
  );
});
