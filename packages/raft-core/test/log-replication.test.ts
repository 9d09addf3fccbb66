import { describe, expect, test } from 'vitest';
import { Entry, Message, MessageType, ProgressState, StateType, isBalsaError } from '../src/index.ts';
import { bytes, Network } from './network/network.ts';

describe('replication', () => {
  test('a follower overwrites what a deposed leader left uncommitted (paper §5.3)', () => {
    const network = new Network();
    network.elect(1);
    network.isolate(1);
    network.propose(1, 'lost1', 'lost2');
    network.elect(2);
    network.propose(2, 'kept');
    network.isolate();
    network.tick(2);
    network.stabilize();
    expect(network.states()).toEqual([['kept'], ['kept'], ['kept']]);
    expect(network.node(1)).toMatchObject({
      state: StateType.Follower,
      lastIndex: network.node(2).lastIndex,
    });
  });

  test('an entry of an earlier term is committed only along with one of the present term (paper Figure 8)', () => {
    const network = new Network({ voters: [1, 2, 3, 4, 5] });
    network.elect(1);
    network.isolate(1, 2);
    network.drop = (m) => m.from === 2;
    network.propose(1, 'old');
    const old = network.node(1).lastIndex;
    // Elsewhere the term moves on; then 1 leads again, with the old entry still on a minority.
    network.drop = (m) => m.type === MessageType.MsgApp;
    network.isolate();
    network.elect(3);
    network.elect(1);
    const leader = network.member(1);
    expect(leader.node.state).toBe(StateType.Leader);
    const { term, committed } = leader.node;
    expect(committed).toBeLessThan(old);
    const ack = (from: number, index: number): void => {
      leader.step(new Message(MessageType.MsgAppResp, { from, to: 1, term, index }));
    };
    for (const id of [2, 3, 4, 5]) ack(id, old);
    expect(leader.node.committed).toBe(committed);
    ack(2, old + 1);
    ack(3, old + 1);
    expect(leader.node.committed).toBe(old + 1);
  });

  test('a delayed append never cuts off newer entries', () => {
    const network = new Network();
    network.elect(1);
    network.propose(1, 'a', 'b', 'c');
    const follower = network.member(2);
    const old = network.sent.find((m) => m.to === 2 && m.type === MessageType.MsgApp && m.entries.length > 0);
    expect(old).toBeDefined();
    if (old !== undefined) follower.step(old);
    expect(follower.node.lastIndex).toBe(network.node(1).lastIndex);
  });

  test('an ack leaves only after the entries it promises are durable', () => {
    const network = new Network();
    network.elect(1);
    network.node(1).propose(bytes('a'));
    network.put(network.member(1).takeReady());
    const follower = network.member(2);
    for (const message of network.wire.splice(0)) if (message.to === 2) network.deliver(message);
    expect(follower.takeReady()).toEqual([]);
    const acks = follower.doAppend();
    expect(acks).toMatchObject([{ type: MessageType.MsgAppResp, to: 1, index: network.node(1).lastIndex }]);
  });

  test('the leader sends before its own write is done, and counts itself after', () => {
    const network = new Network({ voters: [1, 2] });
    network.elect(1);
    network.node(1).propose(bytes('a'));
    const leader = network.member(1);
    network.put(leader.takeReady());
    const index = leader.node.lastIndex;
    for (const message of network.wire.splice(0)) network.deliver(message);
    network.put(network.member(2).takeReady());
    network.put(network.member(2).doAppend());
    for (const message of network.wire.splice(0)) network.deliver(message);
    expect(leader.node.committed).toBe(index - 1);
    leader.doAppend();
    expect(leader.node.committed).toBe(index);
  });

  test('an ack for an entry that was overwritten meanwhile does not make its successor stable (ABA)', () => {
    const network = new Network();
    const member = network.member(1);
    const append = (term: number, from: number): void =>
      member.step(
        new Message(MessageType.MsgApp, {
          from,
          to: 1,
          term,
          index: 1,
          logTerm: 1,
          entries: [new Entry(term, 2)],
        }),
      );
    append(2, 2);
    member.takeReady();
    append(3, 3);
    member.takeReady();
    const [first, second] = member.appends;
    const report = (message: Message | undefined): void => {
      for (const response of message?.responses ?? []) if (response.to === 1) member.step(response);
    };
    report(first);
    member.step(new Message(MessageType.MsgHeartbeat, { from: 3, to: 1, term: 3, commit: 2 }));
    expect(member.node.committed).toBe(2);
    member.takeReady();
    // Committed, but the entry of term 3 is not known durable: it must not be applied.
    expect(member.applies).toHaveLength(0);
    report(second);
    member.takeReady();
    expect(member.applies[0]?.entries).toMatchObject([{ term: 3, index: 2 }]);
  });

  test('proposals beyond the limit of uncommitted bytes are dropped, until some are applied', () => {
    const network = new Network({ config: { maxUncommittedEntriesSize: 10 } });
    network.elect(1);
    const { node } = network.member(1);
    node.propose(bytes('12345678'));
    expect(() => {
      node.propose(bytes('1234'));
    }).toThrow(expect.objectContaining({ code: 'PROPOSAL_DROPPED' }));
    network.stabilize();
    node.propose(bytes('1234'));
    network.stabilize();
    expect(network.states()[1]).toEqual(['12345678', '1234']);
  });

  test('proposeBatch takes all payloads or none', () => {
    const network = new Network({ config: { maxUncommittedEntriesSize: 10 } });
    network.elect(1);
    const { node } = network.member(1);
    node.propose(bytes('x'));
    const { lastIndex } = node;
    expect(() => {
      node.proposeBatch([bytes('12345'), bytes('12345')]);
    }).toThrow();
    expect(node.lastIndex).toBe(lastIndex);
    node.proposeBatch([bytes('1'), bytes('2')]);
    expect(node.lastIndex).toBe(lastIndex + 2);
  });

  test('without a leader, and where forwarding is off, a proposal is dropped with nothing changed', () => {
    const network = new Network({ config: { disableProposalForwarding: true } });
    const dropped = (id: number): boolean => {
      try {
        network.node(id).propose(bytes('x'));
        return false;
      } catch (error) {
        return isBalsaError(error, 'PROPOSAL_DROPPED');
      }
    };
    expect(dropped(2)).toBe(true);
    network.elect(1);
    expect(dropped(2)).toBe(true);
    expect(network.node(2).hasReady()).toBe(false);
  });
});

describe('flow control', () => {
  const window = (network: Network, id: number) =>
    network
      .node(1)
      .status()
      .progress.find((p) => p.id === id);

  test('the leader stops at maxInflightMsgs and goes on when acks come', () => {
    const network = new Network({ config: { maxInflightMsgs: 3 } });
    network.elect(1);
    network.drop = (m) => m.to === 3;
    network.propose(1, 'a', 'b', 'c', 'd', 'e');
    expect(window(network, 3)).toMatchObject({
      state: ProgressState.Replicate,
      paused: true,
      inflightMessages: 3,
    });
    network.drop = () => false;
    network.heartbeat(1);
    network.heartbeat(1);
    expect(network.states()[2]).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(window(network, 3)).toMatchObject({ paused: false, inflightMessages: 0 });
  });

  test('the leader stops at maxInflightBytes; one message may overshoot', () => {
    const network = new Network({ config: { maxInflightBytes: 10, maxSizePerMsg: 10 } });
    network.elect(1);
    network.drop = (m) => m.to === 3;
    network.propose(1, '1234567', '1234567', '1234567');
    expect(window(network, 3)).toMatchObject({ paused: true, inflightMessages: 2 });
  });

  test('an append holds at most maxSizePerMsg bytes but at least one entry', () => {
    const network = new Network({ config: { maxSizePerMsg: 60 } });
    network.elect(1);
    network.isolate(3);
    network.propose(1, '1', '2', '3', 'x'.repeat(100), '4');
    network.sent.length = 0;
    network.isolate();
    network.heartbeat(1);
    network.heartbeat(1);
    const sizes = network.sent
      .filter((m) => m.to === 3 && m.entries.length > 0)
      .map((m) => m.entries.map((e) => e.data.length));
    expect(sizes).toContainEqual([100]);
    for (const size of sizes) expect(size.length).toBeLessThanOrEqual(2);
    expect(network.states()[2]).toEqual(network.states()[0]);
  });

  test('an unreachable follower is probed by one message at a time', () => {
    const network = new Network();
    network.elect(1);
    network.node(1).reportUnreachable(2);
    expect(window(network, 2)?.state).toBe(ProgressState.Probe);
    network.sent.length = 0;
    network.isolate(2);
    network.propose(1, 'a', 'b', 'c');
    expect(network.sent.filter((m) => m.to === 2 && m.entries.length > 0)).toHaveLength(1);
    network.isolate();
    network.heartbeat(1);
    expect(window(network, 2)?.state).toBe(ProgressState.Replicate);
  });

  test('what is handed out to be applied stays within maxCommittedSizePerReady until it is reported applied', () => {
    const network = new Network({ voters: [1], config: { maxCommittedSizePerReady: 60 } });
    network.elect(1);
    const member = network.member(1);
    for (const payload of ['a', 'b', 'c', 'd', 'e']) member.node.propose(bytes(payload));
    while (member.node.hasReady() || member.appends.length > 0) {
      member.takeReady();
      member.doAppend();
    }
    expect(member.applies.map((m) => m.entries.length)).toEqual([2]);
    member.doApply();
    member.takeReady();
    expect(member.applies.map((m) => m.entries.length)).toEqual([2]);
    network.stabilize();
    expect(member.disk.state).toEqual(['a', 'b', 'c', 'd', 'e']);
  });
});
