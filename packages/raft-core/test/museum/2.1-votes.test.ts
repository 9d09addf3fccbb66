/** Bugs of others, section 2.1: votes, terms, elections. The number is the row of docs/museum-core.md. */
import { expect, test } from 'vitest';
import { Message, MessageType, StateType } from '../../src/index.ts';
import { confStateOf, Network } from '../network/network.ts';
import { Lone } from '../support/lone.ts';

const { MsgApp, MsgAppResp, MsgVote, MsgVoteResp } = MessageType;

test('#1 (hashicorp/raft #661): term and vote are one write, and the vote leaves after it', () => {
  const { member } = new Lone();
  member.step(new Message(MsgVote, { from: 2, to: 1, term: 5, index: 1, logTerm: 1 }));
  expect(member.takeReady()).toEqual([]);
  expect(member.appends).toMatchObject([
    { term: 5, vote: 2, responses: [{ type: MsgVoteResp, to: 2, reject: false }] },
  ]);
  // A crash before it: no vote was given, so another may have it.
  member.restart();
  expect(member.disk.hardState).toMatchObject({ term: 1, vote: 0 });
  member.step(new Message(MsgVote, { from: 3, to: 1, term: 5, index: 1, logTerm: 1 }));
  member.takeReady();
  expect(member.doAppend()).toMatchObject([{ to: 3, reject: false }]);
});

test('#2 (openraft b06cbb37): a higher term that is merely seen in an answer brings no vote along', () => {
  const lone = new Lone();
  lone.node.campaign();
  lone.settle();
  lone.hear(MsgVoteResp, { from: 2, term: 9, reject: true });
  lone.member.restart();
  expect(lone.disk.hardState).toMatchObject({ term: 9, vote: 0 });
  expect(lone.hear(MsgVote, { from: 3, term: 9, index: 1, logTerm: 1 })).toMatchObject([{ reject: false }]);
});

test('#3 (openraft a48a3282): ends of logs are compared as (term, index), so that one of any two can win', () => {
  const earlier = { logTerm: 1, index: 9 };
  const later = { logTerm: 2, index: 3 };
  const withEarlier = new Lone({ terms: [1, 1, 1, 1, 1, 1, 1, 1], hardState: { term: 3 } });
  const withLater = new Lone({ terms: [1, 2], hardState: { term: 3 } });
  expect(withEarlier.hear(MsgVote, { from: 2, term: 4, ...later })).toMatchObject([{ reject: false }]);
  expect(withLater.hear(MsgVote, { from: 2, term: 4, ...earlier })).toMatchObject([{ reject: true }]);
});

test('#4 (NuRaft PR 668): after full compaction the last term is the one of the boundary', () => {
  const lone = new Lone({ boundary: { index: 5, term: 2 }, hardState: { term: 2, commit: 5 } });
  expect(lone.hear(MsgVote, { from: 2, term: 3, logTerm: 1, index: 7 })).toMatchObject([{ reject: true }]);
  expect(lone.hear(MsgVote, { from: 3, term: 3, logTerm: 2, index: 5 })).toMatchObject([{ reject: false }]);
});

test('#5 (nebula #2419, hashicorp/raft 32051c1): the same candidate gets the same vote again', () => {
  const lone = new Lone();
  const ask = (): unknown => lone.hear(MsgVote, { from: 2, term: 2, index: 1, logTerm: 1 });
  expect(ask()).toMatchObject([{ reject: false }]);
  expect(ask()).toMatchObject([{ reject: false }]);
  lone.member.restart();
  expect(ask()).toMatchObject([{ reject: false }]);
});

test('#6 (nebula #685): a candidate has one term; an append below it is not taken', () => {
  const lone = new Lone();
  lone.node.campaign();
  lone.settle();
  lone.hear(MsgApp, { from: 3, term: 1, index: 1, logTerm: 1 });
  expect(lone.node).toMatchObject({ state: StateType.Candidate, term: 2, leader: 0 });
  expect(lone.disk.hardState).toMatchObject({ term: 2, vote: 1 });
});

test('#7 (hashicorp/raft #477, #483, #526): who is no member does not campaign, and its answers are refused', () => {
  const removed = new Lone({ id: 4 });
  removed.tick(60);
  expect(removed.node).toMatchObject({ state: StateType.Follower, term: 1 });
  const lone = new Lone();
  lone.node.campaign();
  lone.settle();
  lone.hear(MsgVoteResp, { from: 4, term: 2 });
  expect(lone.node.state).toBe(StateType.Candidate);
  expect(lone.member.refusals).toEqual(['STEP_PEER_NOT_FOUND']);
  // A request that it makes all the same still moves the term, so that terms do not drift apart.
  lone.hear(MsgVote, { from: 4, term: 9, index: 0, logTerm: 0 });
  expect(lone.node.term).toBe(9);
});

test('#8 (openraft 39690593): a learner that restarts, alone, stays one and never campaigns', () => {
  const lone = new Lone({ voters: [2, 3], learners: [1] });
  lone.tick(40);
  lone.member.restart();
  lone.tick(40);
  lone.node.campaign();
  expect(lone.settle()).toEqual([]);
  expect(lone.node).toMatchObject({ state: StateType.Follower, term: 1 });
});

test('#9 (openraft 558e1b94, ff9a9335): a single voter leads only when its vote is durable, and after a restart only when elected anew', () => {
  const { member } = new Lone({ voters: [1] });
  member.node.campaign();
  member.takeReady();
  for (let i = 0; i < 60; i++) member.node.tick();
  expect(member.node.state).toBe(StateType.Candidate);
  // The answer to the first, overtaken vote elects nobody.
  member.doAppend();
  expect(member.node.state).toBe(StateType.Candidate);
  while (member.node.state !== StateType.Leader) {
    member.takeReady();
    member.doAppend();
  }
  expect(member.disk.hardState).toMatchObject({ term: member.node.term, vote: 1 });
  member.restart();
  expect(member.node.state).toBe(StateType.Follower);
});

test('#10 (willemt/raft bdabd1d, bd54c09, c4de21e): hearing a leader leaves the vote alone, and learners are not counted', () => {
  const lone = new Lone();
  lone.hear(MsgVote, { from: 3, term: 2, index: 1, logTerm: 1 });
  lone.hear(MsgApp, { from: 2, term: 2, index: 1, logTerm: 1 });
  expect(lone.disk.hardState).toMatchObject({ term: 2, vote: 3 });
  const learners = new Lone({ confState: confStateOf([1, 2, 3], [4, 5]) });
  learners.node.campaign();
  learners.settle();
  for (const from of [4, 5]) learners.hear(MsgVoteResp, { from, term: 2 });
  expect(learners.node.state).toBe(StateType.Candidate);
  learners.hear(MsgVoteResp, { from: 2, term: 2 });
  for (const from of [4, 5]) learners.hear(MsgAppResp, { from, term: 2, index: 2 });
  expect(learners.node.committed).toBe(1);
});

test('#10 (willemt/raft): a member that voted keeps to it across the discovery of a leader and a restart', () => {
  const network = new Network();
  network.elect(1);
  network.member(2).restart();
  const { term, vote } = network.member(2).disk.hardState;
  expect({ term, vote }).toEqual({ term: 1, vote: 1 });
});
