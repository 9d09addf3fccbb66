/** Raft (Ongaro and Ousterhout, extended version), §5.1 and §5.2: terms, roles, elections. One test a claim. */
import { describe, expect, test } from 'vitest';
import { Message, MessageType, StateType, type NodeId } from '../../src/index.ts';
import { Network, seeded } from '../network/network.ts';
import { Lone } from '../support/lone.ts';

const { MsgVote, MsgVoteResp, MsgApp, MsgHeartbeat, MsgAppResp } = MessageType;

function candidate(voters: readonly NodeId[] = [1, 2, 3]): Lone {
  const lone = new Lone({ voters });
  lone.node.campaign();
  lone.settle();
  return lone;
}

function leader(voters: readonly NodeId[] = [1, 2, 3]): Lone {
  const lone = candidate(voters);
  for (const from of voters.slice(1)) lone.hear(MsgVoteResp, { from, term: 2 });
  expect(lone.node.state).toBe(StateType.Leader);
  return lone;
}

describe('§5.1 terms', () => {
  test.each([
    ['a follower', (): Lone => new Lone()],
    ['a candidate', candidate],
    ['a leader', leader],
  ])('%s that sees a higher term takes it on and becomes a follower', (_, make) => {
    const lone = make([1, 2, 3]);
    lone.hear(MsgApp, { from: 3, term: 9, index: 1, logTerm: 1 });
    expect(lone.node).toMatchObject({ state: StateType.Follower, term: 9, leader: 3 });
    expect(lone.disk.hardState).toMatchObject({ term: 9, vote: 0 });
  });

  test('a request with a stale term changes nothing', () => {
    const lone = new Lone({ hardState: { term: 5 } });
    const before = JSON.stringify(lone.node.status());
    for (const type of [MsgApp, MsgHeartbeat, MsgVote])
      lone.hear(type, { from: 2, term: 4, index: 1, logTerm: 1 });
    expect(JSON.stringify(lone.node.status())).toBe(before);
    expect(lone.disk.hardState.term).toBe(5);
  });

  test('the sender of a stale append is told the present term, where it could not find out by an election', () => {
    const lone = new Lone({ hardState: { term: 5 }, config: { preVote: true } });
    expect(lone.hear(MsgApp, { from: 2, term: 4, index: 1, logTerm: 1 })).toMatchObject([
      { type: MsgAppResp, to: 2, term: 5 },
    ]);
  });

  test('there is at most one leader in a term, and a term may end without one', () => {
    const network = new Network({ voters: [1, 2, 3, 4] });
    network.node(1).campaign();
    network.node(2).campaign();
    // Each keeps its own vote and gets one more: a tie.
    network.drop = (m) => m.type === MsgVote && (m.from === 1 ? m.to !== 3 : m.to !== 4);
    network.stabilize();
    expect([...network.members.values()].map((m) => m.node.state)).not.toContain(StateType.Leader);
    network.drop = () => false;
    network.elect(1);
    expect(network.node(1)).toMatchObject({ state: StateType.Leader, term: 2 });
  });
});

describe('§5.2 elections', () => {
  test('members start as followers, also those that led when they stopped', () => {
    const lone = leader();
    lone.member.restart();
    expect(lone.node).toMatchObject({ state: StateType.Follower, leader: 0, term: 2 });
  });

  test.each([
    ['appends', MsgApp],
    ['heartbeats', MsgHeartbeat],
  ])('a follower stays one as long as it receives %s from a leader', (_, type) => {
    const lone = new Lone();
    for (let i = 0; i < 10; i++) {
      lone.tick(9);
      lone.hear(type, { from: 2, term: 1, index: 1, logTerm: 1, commit: 1 });
    }
    expect(lone.node).toMatchObject({ state: StateType.Follower, term: 1 });
  });

  test('granting a vote postpones the own election, refusing one does not', () => {
    const granted = new Lone();
    granted.node.setRandomizedElectionTimeout(10);
    granted.tick(9);
    granted.hear(MsgVote, { from: 2, term: 1, index: 1, logTerm: 1 });
    granted.tick(9);
    expect(granted.node.state).toBe(StateType.Follower);
    const refused = new Lone({ hardState: { vote: 3 } });
    refused.node.setRandomizedElectionTimeout(10);
    refused.tick(9);
    refused.hear(MsgVote, { from: 2, term: 1, index: 1, logTerm: 1 });
    refused.tick();
    expect(refused.node.state).toBe(StateType.Candidate);
  });

  test('a leader sends heartbeats to all followers, one each heartbeat interval', () => {
    const lone = leader();
    for (let i = 0; i < 3; i++) {
      const beats = lone.tick().filter((m) => m.type === MsgHeartbeat);
      expect(beats.map((m) => m.to)).toEqual([2, 3]);
    }
  });

  test('to begin an election a follower raises its term, votes for itself and asks all others at once', () => {
    const lone = new Lone();
    lone.node.campaign();
    const sent = lone.settle();
    expect(lone.node).toMatchObject({ state: StateType.Candidate, term: 2 });
    expect(lone.disk.hardState).toMatchObject({ term: 2, vote: 1 });
    expect(sent).toMatchObject([
      { type: MsgVote, to: 2, term: 2, index: 1, logTerm: 1 },
      { type: MsgVote, to: 3, term: 2, index: 1, logTerm: 1 },
    ]);
  });

  test.each([
    [1, [], StateType.Leader],
    [3, [], StateType.Candidate],
    [3, [true], StateType.Leader],
    [3, [false], StateType.Candidate],
    [3, [false, true], StateType.Leader],
    [3, [false, false], StateType.Follower],
    [5, [true], StateType.Candidate],
    [5, [true, true], StateType.Leader],
    [5, [true, false, false], StateType.Candidate],
    [5, [true, false, false, false], StateType.Follower],
    [4, [true], StateType.Candidate],
    [4, [true, true], StateType.Leader],
    [4, [false, false], StateType.Follower],
  ])(
    'of %i members, with the own vote and answers %j, a candidate ends as state %i',
    (size, answers, state) => {
      const voters = Array.from({ length: size }, (_, i) => i + 1);
      const lone = candidate(voters);
      answers.forEach((granted, i) => lone.hear(MsgVoteResp, { from: i + 2, term: 2, reject: !granted }));
      expect(lone.node.state).toBe(state);
    },
  );

  test('the same voter counts once, however often its answer comes', () => {
    const lone = candidate([1, 2, 3, 4, 5]);
    for (let i = 0; i < 4; i++) lone.hear(MsgVoteResp, { from: 2, term: 2 });
    expect(lone.node.state).toBe(StateType.Candidate);
  });

  test('each member votes for at most one candidate in a term, first come, first served', () => {
    const lone = new Lone();
    const ask = (from: NodeId): boolean | undefined =>
      lone.hear(MsgVote, { from, term: 2, index: 1, logTerm: 1 })[0]?.reject;
    expect([ask(3), ask(2), ask(3)]).toEqual([false, true, false]);
    expect(lone.disk.hardState).toMatchObject({ term: 2, vote: 3 });
  });

  test('a candidate never votes for another in its own term', () => {
    const lone = candidate();
    expect(lone.hear(MsgVote, { from: 2, term: 2, index: 9, logTerm: 1 })).toMatchObject([{ reject: true }]);
  });

  test.each([2, 3])('a candidate of term 2 recognizes the leader of term %i and follows it', (term) => {
    const lone = candidate();
    lone.hear(MsgApp, { from: 3, term, index: 1, logTerm: 1 });
    expect(lone.node).toMatchObject({ state: StateType.Follower, leader: 3, term });
  });

  test('a candidate that hears a leader of a lower term goes on', () => {
    const lone = candidate();
    lone.hear(MsgApp, { from: 3, term: 1, index: 1, logTerm: 1 });
    expect(lone.node).toMatchObject({ state: StateType.Candidate, term: 2 });
  });

  test('after a split vote the candidate times out and starts a new election in the next term', () => {
    const lone = candidate();
    let asked: Message[] = [];
    for (let ticks = 0; asked.length === 0; ticks++) {
      expect(ticks).toBeLessThan(20);
      asked = lone.tick();
    }
    expect(asked.map((m) => [m.type, m.term])).toEqual([
      [MsgVote, 3],
      [MsgVote, 3],
    ]);
  });

  test('the timeout is drawn anew for each election', () => {
    const draws = [0, 0.95, 0.2, 0.6];
    let drawn = 0;
    const lone = new Lone({ config: { random: () => draws[drawn++ % draws.length] ?? 0 } });
    const lengths: number[] = [];
    for (let election = 0; election < 3; election++) {
      const { term } = lone.node;
      let ticks = 0;
      for (; lone.node.term === term; ticks++) lone.tick();
      lengths.push(ticks);
    }
    expect(new Set(lengths).size).toBeGreaterThan(1);
  });

  test('timeouts are spread over their whole range, so that few elections are split', () => {
    const random = seeded(7);
    const counts = new Map<number, number>();
    for (let i = 0; i < 500; i++) {
      const lone = new Lone({ config: { random } });
      let ticks = 0;
      for (; lone.node.state === StateType.Follower; ticks++) lone.tick();
      counts.set(ticks, (counts.get(ticks) ?? 0) + 1);
    }
    expect([...counts.keys()].sort((a, b) => a - b)).toEqual([10, 11, 12, 13, 14, 15, 16, 17, 18, 19]);
    for (const count of counts.values()) expect(count).toBeLessThan(100);
  });

  test('a cluster whose leader stops elects another without help', () => {
    const network = new Network();
    network.elect(1);
    network.isolate(1);
    for (let i = 0; i < 100; i++) {
      network.tick(2);
      network.tick(3);
      network.stabilize();
    }
    const states = [network.node(2).state, network.node(3).state];
    expect(states.filter((state) => state === StateType.Leader)).toHaveLength(1);
  });
});

describe('Figure 2, persistent state', () => {
  test('term and vote are durable before the vote leaves', () => {
    const { member } = new Lone();
    member.step(new Message(MsgVote, { from: 2, to: 1, term: 2, index: 1, logTerm: 1 }));
    expect(member.takeReady()).toEqual([]);
    expect(member.disk.hardState.vote).toBe(0);
    expect(member.doAppend()).toMatchObject([{ type: MsgVoteResp, to: 2, reject: false }]);
    expect(member.disk.hardState).toMatchObject({ term: 2, vote: 2 });
  });
});
