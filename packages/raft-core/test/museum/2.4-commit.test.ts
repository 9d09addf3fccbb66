/** Bugs of others, section 2.4: the rule of commitment. The number is the row of docs/museum-core.md. */
import { expect, test } from 'vitest';
import { EmptyConfState, Message, MessageType, StateType, type NodeId } from '../../src/index.ts';
import { bytes, Network } from '../network/network.ts';
import { entriesOf, Lone } from '../support/lone.ts';

const { MsgApp, MsgAppResp, MsgVoteResp } = MessageType;

function leader(options: ConstructorParameters<typeof Lone>[0]): Lone {
  const lone = new Lone(options);
  lone.node.campaign();
  lone.settle();
  const { voters, votersOutgoing } = lone.node.status().confState;
  const term = lone.node.term;
  for (const from of new Set([...voters, ...votersOutgoing]))
    if (from !== 1) lone.hear(MsgVoteResp, { from, term });
  expect(lone.node.state).toBe(StateType.Leader);
  return lone;
}

test('#30 (logcabin #44): an entry of an earlier term that a majority has is not committed by counting', () => {
  const lone = leader({ voters: [1, 2, 3, 4, 5], terms: [2], hardState: { term: 3 } });
  for (const from of [2, 3, 4, 5]) lone.hear(MsgAppResp, { from, term: 4, index: 2 });
  expect(lone.node.committed).toBe(1);
});

test('#31 (openraft #1802): five voters that acknowledge in any order commit what three have', () => {
  const orders: readonly (readonly [NodeId, number])[][] = [
    [
      [2, 5],
      [3, 4],
      [4, 3],
      [5, 2],
      [3, 5],
    ],
    [
      [5, 3],
      [4, 5],
      [2, 4],
      [5, 5],
      [3, 2],
    ],
    [
      [2, 2],
      [3, 3],
      [4, 4],
      [5, 5],
      [2, 5],
    ],
  ];
  for (const order of orders) {
    const lone = leader({ voters: [1, 2, 3, 4, 5] });
    for (const payload of ['a', 'b', 'c']) lone.propose(payload);
    const match = new Map<NodeId, number>([[1, 5]]);
    for (const [from, index] of order) {
      lone.hear(MsgAppResp, { from, term: 2, index });
      match.set(from, Math.max(match.get(from) ?? 0, index));
      const sorted = [1, 2, 3, 4, 5].map((id) => match.get(id) ?? 0).sort((a, b) => b - a);
      expect(lone.node.committed).toBe(Math.max(1, sorted[2] ?? 0));
    }
  }
});

test('#32 (openraft 6c0ccaf3, beb0302b): a joint configuration commits nothing that only one half has', () => {
  const lone = leader({ confState: { ...EmptyConfState, voters: [2, 3, 4], votersOutgoing: [1] } });
  // The old half is this member alone, and has the entry.
  expect(lone.disk.entries.at(-1)?.index).toBe(2);
  expect(lone.node.committed).toBe(1);
  lone.hear(MsgAppResp, { from: 2, term: 2, index: 2 });
  expect(lone.node.committed).toBe(1);
  lone.hear(MsgAppResp, { from: 4, term: 2, index: 2 });
  expect(lone.node.committed).toBe(2);
});

test('#33 (hashicorp/raft 163a55f): half of an even number of voters is no majority', () => {
  for (const size of [2, 4, 6]) {
    const voters = Array.from({ length: size }, (_, i) => i + 1);
    const lone = leader({ voters });
    for (let from = 2; from <= size / 2; from++) lone.hear(MsgAppResp, { from, term: 2, index: 2 });
    expect(lone.node.committed, `${String(size)} voters`).toBe(1);
    lone.hear(MsgAppResp, { from: size / 2 + 1, term: 2, index: 2 });
    expect(lone.node.committed, `${String(size)} voters`).toBe(2);
  }
});

test('#34 (openraft a9f696a9): a leader counts its own empty entry only when that is on disk', () => {
  const network = new Network();
  network.node(1).campaign();
  network.put(network.member(1).takeReady());
  network.put(network.member(1).doAppend());
  const exchange = (id: NodeId): void => {
    for (const message of network.wire.splice(0).filter((m) => m.to === id)) network.deliver(message);
    network.put(network.member(id).takeReady());
    while (network.member(id).appends.length > 0) network.put(network.member(id).doAppend());
    for (const message of network.wire.splice(0).filter((m) => m.to === 1)) network.deliver(message);
  };
  exchange(2);
  expect(network.node(1).state).toBe(StateType.Leader);
  network.put(network.member(1).takeReady());
  exchange(2);
  // 2 has the entry, the leader has not written it: one of three.
  expect(network.node(1).committed).toBe(1);
  network.member(1).doAppend();
  expect(network.node(1).committed).toBe(2);
});

test('#35 (etcd #14370): a single node applies nothing that is not on its disk', () => {
  const lone = leader({ voters: [1] });
  const { member } = lone;
  member.node.propose(bytes('a'));
  member.takeReady();
  expect(member.node.committed).toBe(2);
  expect(member.applies).toEqual([]);
  member.restart();
  expect(lone.applied()).toEqual([]);
  expect(lone.payloads()).not.toContain('a');
});

test('#36 (openraft cecb5de8, willemt/raft f8236e0): an acknowledgement given in an earlier term moves nothing', () => {
  const network = new Network();
  network.elect(1);
  network.drop = (m) => m.to === 3;
  network.propose(1, 'a', 'b');
  // 2 has acknowledged index 4 in term 1. It loses its leader, and 1 leads again in term 3, with another entry 4.
  const late = network.sent.filter((m) => m.type === MsgAppResp && m.from === 2 && m.index === 4);
  expect(late.length).toBeGreaterThan(0);
  network.drop = () => false;
  network.elect(2);
  network.drop = (m) => m.type === MsgApp;
  network.elect(1);
  const before = network
    .node(1)
    .status()
    .progress.find((p) => p.id === 2)?.match;
  for (const message of late) network.deliver(message);
  expect(
    network
      .node(1)
      .status()
      .progress.find((p) => p.id === 2)?.match,
  ).toBe(before);
});

test('#37 (ra v3.1.8): a write reported late does not vouch for the entry that replaced it', () => {
  const { member } = new Lone();
  const append = (term: number, from: NodeId): void => {
    const entries = entriesOf([term], 2);
    member.step(new Message(MsgApp, { from, to: 1, term, index: 1, logTerm: 1, entries }));
    member.takeReady();
  };
  append(2, 2);
  append(3, 3);
  // The first write is done, the second is not: only what the first promised may leave, and nobody counts it any more.
  const answers = member.doAppend();
  expect(answers.filter((m) => m.term === 3)).toEqual([]);
  expect(member.node.status()).toMatchObject({ lastIndex: 2, term: 3 });
  expect(member.doAppend()).toMatchObject([{ type: MsgAppResp, to: 3, term: 3, index: 2 }]);
});

test('#38 (CCF #5674): what is committed stays when the leader becomes a follower and its log is overwritten', () => {
  const network = new Network();
  network.elect(1);
  network.propose(1, 'a');
  network.isolate(1);
  network.node(1).propose(bytes('lost'));
  network.stabilize();
  const { committed } = network.node(1);
  network.elect(2);
  network.propose(2, 'b');
  network.isolate();
  network.heartbeat(2);
  network.heartbeat(2);
  expect(network.node(1).committed).toBeGreaterThanOrEqual(committed);
  expect(network.member(1).disk.state).toEqual(['a', 'b']);
});

test('#38 (CCF #5674): an append that would overwrite what is committed is never sent by a correct leader, and never taken', () => {
  const lone = new Lone({ terms: [1, 1, 1], hardState: { commit: 4 } });
  const before = lone.terms();
  // As a leader that lost committed entries would send it.
  expect(
    lone.hear(MsgApp, { from: 2, term: 5, index: 2, logTerm: 1, entries: entriesOf([5], 3) }),
  ).toMatchObject([{ type: MsgAppResp, index: 4, reject: false }]);
  expect(lone.terms()).toEqual(before);
});
