/** Raft (extended version), §5.4, §6, §7 and §8: safety, membership, compaction and clients. */
import { describe, expect, test } from 'vitest';
import {
  ConfChangeType,
  EmptyBytes,
  MessageType,
  StateType,
  type ConfChangeSingle,
  type ConfChangeV2,
  type NodeId,
  type Term,
} from '../../src/index.ts';
import { bytes, confStateOf, Network } from '../network/network.ts';
import { entriesOf, Lone } from '../support/lone.ts';

const { MsgApp, MsgAppResp, MsgHeartbeat, MsgReadIndex, MsgSnap, MsgVote, MsgVoteResp } = MessageType;

function change(...changes: ConfChangeSingle[]): ConfChangeV2 {
  return { version: 2, transition: 0, changes, context: EmptyBytes };
}
const add = (nodeId: NodeId): ConfChangeSingle => ({ type: ConfChangeType.AddNode, nodeId });
const learn = (nodeId: NodeId): ConfChangeSingle => ({ type: ConfChangeType.AddLearnerNode, nodeId });
const remove = (nodeId: NodeId): ConfChangeSingle => ({ type: ConfChangeType.RemoveNode, nodeId });

function leaderOf(terms: readonly Term[], term: Term): Lone {
  const lone = new Lone({ terms, hardState: { term: term - 1 } });
  lone.node.campaign();
  lone.settle();
  lone.hear(MsgVoteResp, { from: 2, term });
  expect(lone.node).toMatchObject({ state: StateType.Leader, term });
  return lone;
}

describe('§5.4.1 election restriction', () => {
  test('a request for a vote tells where the log of the candidate ends', () => {
    const lone = new Lone({ terms: [1, 2, 2] });
    lone.node.campaign();
    expect(lone.settle()).toMatchObject([
      { type: MsgVote, index: 4, logTerm: 2 },
      { type: MsgVote, index: 4, logTerm: 2 },
    ]);
  });

  test.each<[readonly Term[], Term, number, boolean]>([
    // The same last term: the longer log is more up to date.
    [[1, 2], 2, 3, true],
    [[1, 2], 2, 4, true],
    [[1, 2, 2], 2, 3, false],
    // Another last term: the later one is, whatever the length.
    [[1, 2, 2, 2], 3, 2, true],
    [[3], 2, 9, false],
    [[], 1, 1, true],
  ])(
    'a voter with terms %j behind index 1 answers a candidate whose log ends at (%i, %i): %s',
    (terms, logTerm, index, granted) => {
      const lone = new Lone({ terms, hardState: { term: 4 } });
      const [answer] = lone.hear(MsgVote, { from: 2, term: 5, logTerm, index });
      expect(answer).toMatchObject({ type: MsgVoteResp, reject: !granted });
    },
  );

  test('a member that lacks committed entries cannot win', () => {
    const network = new Network();
    network.elect(1);
    network.isolate(3);
    network.propose(1, 'a');
    network.isolate(1);
    network.elect(3);
    expect(network.node(3).state).not.toBe(StateType.Leader);
    network.elect(2);
    expect(network.node(2).state).toBe(StateType.Leader);
    expect(network.member(2).disk.state).toEqual(['a']);
  });
});

describe('§5.4.2 entries of earlier terms', () => {
  test('Figure 8: an entry of an earlier term on a majority is not committed by counting', () => {
    const lone = leaderOf([2], 4);
    lone.hear(MsgAppResp, { from: 2, term: 4, index: 2 });
    // Two of three have the entry of term 2, which a member with an entry of term 3 may still overwrite.
    expect(lone.node.committed).toBe(1);
    lone.hear(MsgAppResp, { from: 2, term: 4, index: 3 });
    expect(lone.node.committed).toBe(3);
  });

  test('entries keep their term when a later leader replicates them', () => {
    const lone = leaderOf([1, 2, 3], 5);
    const sent = lone.hear(MsgAppResp, {
      from: 3,
      term: 5,
      index: 4,
      reject: true,
      rejectHint: 1,
      logTerm: 1,
    });
    expect(sent[0]?.entries.map((entry) => entry.term)).toEqual([1, 2, 3, 5]);
  });
});

describe('§6 membership', () => {
  test('agreement needs a majority of the old and of the new configuration while both count', () => {
    const confState = { ...confStateOf([1, 4, 5]), votersOutgoing: [1, 2, 3] };
    const lone = new Lone({ confState });
    lone.node.campaign();
    lone.settle();
    lone.hear(MsgVoteResp, { from: 2, term: 2 });
    expect(lone.node.state).toBe(StateType.Candidate);
    lone.hear(MsgVoteResp, { from: 4, term: 2 });
    expect(lone.node.state).toBe(StateType.Leader);
    lone.hear(MsgAppResp, { from: 4, term: 2, index: 2 });
    lone.hear(MsgAppResp, { from: 5, term: 2, index: 2 });
    expect(lone.node.committed).toBe(1);
    lone.hear(MsgAppResp, { from: 3, term: 2, index: 2 });
    expect(lone.node.committed).toBe(2);
  });

  test('a leader of either half may lead the joint configuration', () => {
    for (const id of [2, 4]) {
      const lone = new Lone({ id, confState: { ...confStateOf([1, 4]), votersOutgoing: [1, 2] } });
      lone.node.campaign();
      lone.settle();
      for (const from of [1, 2, 4]) if (from !== id) lone.hear(MsgVoteResp, { from, term: 2 });
      expect(lone.node.state).toBe(StateType.Leader);
    }
  });

  test('new servers join as members that do not vote until they have caught up', () => {
    const network = new Network({ blank: [4] });
    network.elect(1);
    network.node(1).proposeConfChange(change(learn(4)));
    network.stabilize();
    network.heartbeat(1);
    network.heartbeat(1);
    network.isolate(2, 3);
    network.node(1).propose(bytes('a'));
    network.stabilize();
    // The learner has it, but does not count.
    expect(network.node(4).lastIndex).toBe(network.node(1).lastIndex);
    expect(network.member(1).disk.state).toEqual([]);
  });

  test('a leader that is not in the new configuration manages the cluster until that is committed, then steps down', () => {
    const network = new Network();
    network.elect(1);
    network.node(1).proposeConfChange(change(remove(1)));
    network.put(network.member(1).takeReady());
    network.member(1).doAppend();
    expect(network.node(1).state).toBe(StateType.Leader);
    network.stabilize();
    expect(network.node(1).state).toBe(StateType.Follower);
    expect(network.node(1).status().confState.voters).toEqual([2, 3]);
  });

  test('removed servers cannot disrupt: members that hear a leader ignore requests for votes', () => {
    const lone = new Lone({ config: { checkQuorum: true } });
    lone.hear(MsgHeartbeat, { from: 2, term: 1 });
    expect(lone.hear(MsgVote, { from: 9, term: 7, index: 99, logTerm: 6 })).toEqual([]);
    expect(lone.node.term).toBe(1);
  });

  test('a change that takes several servers at once goes by way of the joint configuration', () => {
    const network = new Network({ blank: [4, 5] });
    network.elect(1);
    const seen: string[] = [];
    network.node(1).proposeConfChange(change(add(4), add(5), remove(2), remove(3)));
    for (let i = 0; i < 10; i++) {
      network.heartbeat(1);
      const { voters, votersOutgoing } = network.node(1).status().confState;
      const now = `${voters.join()}|${votersOutgoing.join()}`;
      if (seen.at(-1) !== now) seen.push(now);
    }
    expect(seen.at(-1)).toBe('1,4,5|');
    expect(network.member(1).disk.entries.filter((entry) => entry.type !== 0)).toHaveLength(2);
  });
});

describe('§7 log compaction', () => {
  test('the leader sends a snapshot when it has discarded the next entry that a follower needs', () => {
    const network = new Network();
    network.elect(1);
    network.isolate(3);
    network.propose(1, 'a', 'b', 'c');
    network.member(1).compact(5);
    network.isolate();
    network.heartbeat(1);
    network.heartbeat(1);
    expect(network.sent.filter((m) => m.type === MsgSnap && m.to === 3)).toHaveLength(1);
    expect(network.member(3).disk.state).toEqual(['a', 'b', 'c']);
  });

  test('a follower whose log conflicts with a snapshot discards its entire log', () => {
    const lone = new Lone({ terms: [2, 2, 2] });
    const snapshot = {
      metadata: { index: 3, term: 3, confState: confStateOf([1, 2, 3]) },
      data: bytes('["s"]'),
    };
    lone.hear(MsgSnap, { from: 2, term: 3, snapshot });
    expect(lone.terms()).toEqual([]);
    expect(lone.node).toMatchObject({ committed: 3, applied: 3, lastIndex: 3 });
    expect(lone.applied()).toEqual(['s']);
  });

  test('a snapshot of a prefix of the log leaves the entries behind it', () => {
    const lone = new Lone({ terms: [2, 2, 2] });
    const snapshot = {
      metadata: { index: 3, term: 2, confState: confStateOf([1, 2, 3]) },
      data: bytes('["s"]'),
    };
    lone.hear(MsgSnap, { from: 2, term: 2, snapshot });
    expect(lone.terms()).toEqual([2, 2, 2]);
    expect(lone.applied()).toEqual(['2/2', '2/3']);
    expect(lone.node.committed).toBe(3);
  });

  test('a snapshot carries the membership as of its index', () => {
    const lone = new Lone();
    const confState = confStateOf([1, 2, 7], [8]);
    const snapshot = { metadata: { index: 9, term: 1, confState }, data: bytes('[]') };
    lone.hear(MsgSnap, { from: 2, term: 1, snapshot });
    expect(lone.node.status().confState).toEqual(confState);
    expect(lone.disk.confState).toEqual(confState);
  });
});

describe('§8 clients', () => {
  test('a leader starts its term with an empty entry, to learn what is committed', () => {
    const lone = leaderOf([1], 2);
    expect(lone.disk.entries.at(-1)).toMatchObject({ term: 2, index: 3, data: EmptyBytes });
    expect(lone.node.committed).toBe(1);
    lone.hear(MsgAppResp, { from: 2, term: 2, index: 3 });
    expect(lone.node.committed).toBe(3);
    expect(lone.applied()).toEqual(['1/2']);
  });

  test('before it answers a read, a leader exchanges heartbeats with a majority', () => {
    const network = new Network();
    network.elect(1);
    network.drop = (m) => m.type === MsgHeartbeat;
    network.node(1).readIndex(bytes('r'));
    network.stabilize();
    expect(network.member(1).reads).toEqual([]);
    network.drop = () => false;
    network.heartbeat(1);
    expect(network.member(1).reads).toEqual([{ index: network.node(1).committed, context: 'r' }]);
  });

  test('a follower serves a read by asking the leader for the index to wait for', () => {
    const network = new Network();
    network.elect(1);
    network.propose(1, 'a');
    network.node(3).readIndex(bytes('r'));
    network.stabilize();
    expect(network.sent.some((m) => m.type === MsgReadIndex && m.from === 3 && m.to === 1)).toBe(true);
    expect(network.member(3).reads).toEqual([{ index: network.node(1).committed, context: 'r' }]);
  });

  test('the log that a snapshot replaced is not needed to go on', () => {
    const lone = new Lone({ boundary: { index: 50, term: 3 }, hardState: { term: 3, commit: 50 } });
    lone.hear(MsgApp, { from: 2, term: 3, index: 50, logTerm: 3, commit: 51, entries: entriesOf([3], 51) });
    expect(lone.applied()).toEqual(['3/51']);
  });
});
