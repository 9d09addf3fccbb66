/** Bugs of others, section 2.8: the contract of Ready, and flow control. The number is the row of docs/museum-core.md. */
import { expect, test } from 'vitest';
import {
  ConfChangeType,
  EmptyBytes,
  entrySize,
  Message,
  MessageType,
  ProgressState,
  StateType,
  type Entry,
  type Ready,
} from '../../src/index.ts';
import { bytes, Network } from '../network/network.ts';
import { entriesOf, Lone, settle } from '../support/lone.ts';

const { MsgApp, MsgAppResp, MsgVoteResp } = MessageType;

const one = entrySize(entriesOf([1], 2)[0] as Entry);

test('#89 (raft 8ecce32, etcd #9982): a store that gives an entry more than the limit allows neither skips entries nor moves the commit back', () => {
  const terms = Array<number>(9).fill(1);
  const lone = new Lone({
    terms,
    hardState: { commit: 10 },
    config: { maxCommittedSizePerReady: 2 * one, entryCacheBytes: 0 },
  });
  const { member, node } = lone;
  for (let guard = 0; node.applied < 10 && guard < 100; guard++) {
    member.takeReady();
    for (const fetch of member.fetches.splice(0)) {
      if (fetch.purpose !== 'apply') continue;
      // One entry more than asked for by size.
      const count = Math.min(3, fetch.high - fetch.low);
      node.fetched(fetch.id, member.disk.entries.slice(fetch.low - 2, fetch.low - 2 + count));
    }
    while (member.applies.length > 0) member.doApply();
    expect(node.committed).toBe(10);
  }
  expect(lone.applied()).toEqual(terms.map((term, i) => `${String(term)}/${String(i + 2)}`));
});

test('#90 (raft 2e0653d): many Readys together hand out no more than the limit before something is reported applied', () => {
  const lone = new Lone({ config: { maxCommittedSizePerReady: 3 * one } });
  const { member } = lone;
  member.step(
    new Message(MsgApp, {
      from: 2,
      to: 1,
      term: 1,
      index: 1,
      logTerm: 1,
      commit: 20,
      entries: entriesOf(Array<number>(19).fill(1), 2),
    }),
  );
  member.takeReady();
  member.doAppend();
  for (let i = 0; i < 10; i++) member.takeReady();
  expect(member.applies.flatMap((m) => m.entries)).toHaveLength(3);
  member.doApply();
  for (let i = 0; i < 10; i++) member.takeReady();
  expect(member.applies.flatMap((m) => m.entries)).toHaveLength(3);
});

test('#91 (raft 0675f3d, raft-rs #372): an idle leader asks for no write, whatever it hears', () => {
  const network = new Network();
  network.elect(1);
  network.propose(1, 'a');
  network.heartbeat(1);
  const before = [1, 2, 3].map((id) => network.member(id).readies.length);
  for (let i = 0; i < 20; i++) network.heartbeat(1);
  for (const [at, id] of [1, 2, 3].entries()) {
    const readies = network.member(id).readies.slice(before[at]);
    expect(readies.length).toBeGreaterThan(0);
    expect(readies.filter((ready) => ready.mustSync || ready.hardState !== undefined)).toEqual([]);
  }
});

test('#92 (raft a370b6f): the count of uncommitted bytes comes back to nothing, through dropped changes and lost terms', () => {
  const limit = 10;
  const network = new Network({ config: { maxUncommittedEntriesSize: limit } });
  network.elect(1);
  for (let round = 0; round < 50; round++) {
    network.propose(1, 'x'.repeat(limit));
    // Refused, and replaced by an empty entry, since the first one waits.
    const single = { type: ConfChangeType.AddNode, nodeId: 1 };
    const what = { version: 2, transition: 0, changes: [single], context: EmptyBytes } as const;
    network.node(1).proposeConfChange(what);
    expect(() => network.node(1).proposeBatch([bytes('x'.repeat(limit)), bytes('y')])).toThrow(
      expect.objectContaining({ code: 'PROPOSAL_DROPPED' }),
    );
    network.stabilize();
  }
  network.elect(2);
  network.propose(2, 'x'.repeat(limit));
  network.propose(2, 'x'.repeat(limit));
  expect(network.member(2).disk.state).toHaveLength(52);
});

test('#93 (raft #54): a window full of bytes is empty again after the peer was probed', () => {
  const lone = new Lone({ config: { maxInflightBytes: 4, maxSizePerMsg: 4 } });
  lone.node.campaign();
  lone.settle();
  lone.hear(MsgVoteResp, { from: 2, term: 2 });
  lone.hear(MsgAppResp, { from: 2, term: 2, index: 2 });
  for (const payload of ['aaaa', 'bbbb', 'cccc']) lone.propose(payload);
  expect(lone.node.status().progress[1]).toMatchObject({ paused: true, inflightMessages: 1 });
  lone.node.reportUnreachable(2);
  settle(lone.member);
  expect(lone.node.status().progress[1]).toMatchObject({ state: ProgressState.Probe, inflightMessages: 0 });
  const sent = lone.hear(MsgAppResp, { from: 2, term: 2, index: 3 }).filter((m) => m.to === 2);
  expect(sent.flatMap((m) => m.entries.map((e) => e.index))).toContain(4);
});

test('#94 (raft #149, raft-rs #557): no refusal, however old, moves next to or below match', () => {
  const lone = new Lone();
  lone.node.campaign();
  lone.settle();
  lone.hear(MsgVoteResp, { from: 2, term: 2 });
  for (const payload of ['a', 'b', 'c']) lone.propose(payload);
  lone.hear(MsgAppResp, { from: 2, term: 2, index: 4 });
  for (let index = 0; index <= 6; index++) {
    for (let hint = 0; hint <= 6; hint++) {
      lone.hear(MsgAppResp, { from: 2, term: 2, index, reject: true, rejectHint: hint, logTerm: 1 });
      const progress = lone.node.status().progress[1];
      expect(progress?.match).toBe(4);
      expect(progress?.next).toBeGreaterThan(4);
    }
  }
});

test('#95 (raft-rs #462, #465): entries read for a peer are not sent after a step-down, in a later term, or to a removed peer', () => {
  const scene = (): Network => {
    const network = new Network({ config: { entryCacheBytes: 0 } });
    network.elect(1);
    network.isolate(3);
    network.propose(1, 'a', 'b');
    network.isolate();
    network.member(1).holdFetches = true;
    network.heartbeat(1);
    expect(network.member(1).fetches).toMatchObject([{ purpose: 'send', to: 3 }]);
    return network;
  };
  const answer = (network: Network): Message[] => {
    const from = network.sent.length;
    const [fetch] = network.member(1).fetches.splice(0);
    if (fetch !== undefined) network.member(1).answer(fetch);
    network.put(network.member(1).takeReady());
    return network.sent.slice(from).filter((m) => m.type === MsgApp && m.to === 3 && m.entries.length > 0);
  };
  expect(answer(scene())).toHaveLength(1);

  const deposed = scene();
  deposed.node(1).step(new Message(MsgApp, { from: 2, to: 1, term: 5, index: 4, logTerm: 1 }));
  expect(answer(deposed)).toEqual([]);

  const again = scene();
  again.drop = (m) => m.to === 3 || m.from === 3;
  again.elect(2);
  again.elect(1);
  expect(again.node(1)).toMatchObject({ state: StateType.Leader, term: 3 });
  expect(answer(again)).toEqual([]);

  const removed = scene();
  const single = { type: ConfChangeType.RemoveNode, nodeId: 3 };
  removed.node(1).proposeConfChange({ version: 2, transition: 0, changes: [single], context: EmptyBytes });
  removed.stabilize();
  expect(removed.node(1).status().confState.voters).toEqual([1, 2]);
  expect(answer(removed)).toEqual([]);
});

test('#96 (raft-rs #543, #561): what is applied before it is durable stays within the limit, and ends with leadership', () => {
  /** The disk of 1 stands still; what it proposes, the others commit. Gives what 1 may apply so far. */
  const scene = (): { network: Network; first: number; commit: () => readonly number[] } => {
    const network = new Network({ config: { maxApplyUnpersistedLogLimit: 2 } });
    network.elect(1);
    const takeReady = (): void => network.put(network.member(1).takeReady());
    const commit = (): readonly number[] => {
      takeReady();
      for (const message of network.wire.splice(0)) network.deliver(message);
      for (const id of [2, 3]) {
        network.put(network.member(id).takeReady());
        network.put(network.member(id).doAppend());
      }
      for (const message of network.wire.splice(0)) network.deliver(message);
      takeReady();
      return network.member(1).applies.flatMap((m) => m.entries.map((entry) => entry.index));
    };
    return { network, first: network.node(1).status().applied + 1, commit };
  };

  const many = scene();
  for (let i = 0; i < 5; i++) many.network.node(1).propose(bytes('x'));
  expect(many.commit()).toEqual([many.first, many.first + 1]);
  expect(many.network.node(1).status().commit).toBe(many.first + 4);
  expect(many.commit()).toEqual([many.first, many.first + 1]);

  // A follower's tail can be replaced: it applies nothing ahead of its disk, though one more would be within the limit.
  const { network, first, commit } = scene();
  const { node } = network.member(1);
  node.propose(bytes('x'));
  expect(commit()).toEqual([first]);
  node.propose(bytes('y'));
  const term = node.term + 1;
  node.step(new Message(MessageType.MsgHeartbeat, { from: 2, to: 1, term, commit: first + 1 }));
  expect(node.state).toBe(StateType.Follower);
  expect(node.status().commit).toBe(first + 1);
  network.wire.length = 0;
  network.put(network.member(1).takeReady());
  expect(network.member(1).applies.flatMap((m) => m.entries)).toHaveLength(1);
});

function deepFreeze(value: unknown): void {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value) || Object.isFrozen(value))
    return;
  Object.freeze(value);
  for (const inner of Object.values(value)) deepFreeze(inner);
}

test('#97 (raft #442): what a Ready handed out is never touched again', () => {
  const network = new Network({ config: { entryCacheBytes: 200, maxSizePerMsg: 100 } });
  const copies: { ready: Ready; text: string }[] = [];
  const watch = (): void => {
    for (const member of network.members.values()) {
      for (const ready of member.readies.splice(0)) {
        // Messages get their sender's last touches before they are handed out; from here on nothing may change.
        deepFreeze(ready);
        copies.push({ ready, text: JSON.stringify(ready) });
      }
    }
  };
  network.elect(1);
  for (let i = 0; i < 10; i++) {
    watch();
    network.propose(1, `a${String(i)}`, `b${String(i)}`);
    if (i === 4) network.isolate(3);
    if (i === 6) network.member(1).compact(network.node(1).applied);
    if (i === 7) network.isolate();
    network.heartbeat(1);
  }
  network.elect(2);
  watch();
  expect(copies.length).toBeGreaterThan(50);
  for (const { ready, text } of copies) expect(JSON.stringify(ready)).toBe(text);
});

test('#98 (openraft fbbf37b1, 26dc8837): a refusal that comes late, after the peer has caught up, makes the leader read nothing that is gone', () => {
  const network = new Network();
  network.elect(1);
  network.isolate(3);
  network.propose(1, 'a', 'b');
  network.isolate();
  const late: Message[] = [];
  network.drop = (m) => {
    if (m.type === MsgAppResp && m.from === 3 && m.reject) late.push(m);
    return false;
  };
  for (let i = 0; i < 3; i++) network.heartbeat(1);
  network.member(1).compact(network.node(1).applied);
  for (let i = 0; i < 2; i++)
    for (const message of [
      ...late,
      new Message(MsgAppResp, { from: 3, to: 1, term: 1, index: 1, reject: true, rejectHint: 0 }),
    ])
      network.deliver(message);
  network.stabilize();
  expect(network.sent.some((m) => m.type === MessageType.MsgSnap)).toBe(false);
  expect(network.node(1).status().progress[2]).toMatchObject({ match: network.node(1).lastIndex });
});
