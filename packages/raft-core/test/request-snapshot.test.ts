/** raft-rs's request for a snapshot by a follower that lacks nothing. */
import { describe, expect, test } from 'vitest';
import { Message, MessageType, ProgressState, StateType } from '../src/index.ts';
import { bytes, Network } from './network/network.ts';

/** 1 leads; everybody has 'a' and 'b', and 3 has damaged its state. */
function damaged(): Network {
  const network = new Network();
  network.elect(1);
  network.propose(1, 'a', 'b');
  network.member(3).disk.state = ['damage'];
  network.sent.length = 0;
  return network;
}

const peer = (network: Network, id: number) =>
  network
    .node(1)
    .status()
    .progress.find((p) => p.id === id);

const dropped = expect.objectContaining({ code: 'REQUEST_SNAPSHOT_DROPPED' }) as Error;

function ask(network: Network, id: number): void {
  network.node(id).requestSnapshot();
}

describe('a requested snapshot', () => {
  test('replaces the state of a follower whose log lacks nothing', () => {
    const network = damaged();
    ask(network, 3);
    expect(network.node(3).pendingRequestSnapshot).toBe(network.node(3).lastIndex);
    network.stabilize();
    expect(network.states()[2]).toEqual(['a', 'b']);
    expect(network.node(3).pendingRequestSnapshot).toBe(0);
    network.propose(1, 'c');
    network.heartbeat(1);
    expect(network.states()[2]).toEqual(['a', 'b', 'c']);
    expect(peer(network, 3)).toMatchObject({ state: ProgressState.Replicate, pendingSnapshot: 0 });
    expect(network.sent.filter((m) => m.type === MessageType.MsgSnap)).toHaveLength(1);
  });

  test('lies at or above the last index of the follower, whatever is applied when it asks', () => {
    const network = damaged();
    network.drop = (m) => m.type === MessageType.MsgAppResp && m.from === 2;
    network.propose(1, 'c');
    // 3 has 'c', which is not committed: its acknowledgement is still on its way.
    ask(network, 3);
    const { lastIndex } = network.node(3);
    network.stabilize();
    network.heartbeat(1);
    const [snapshot] = network.sent.filter((m) => m.type === MessageType.MsgSnap);
    expect(snapshot?.snapshot?.metadata.index).toBeGreaterThanOrEqual(lastIndex);
    expect(network.states()[2]).toEqual(['a', 'b', 'c']);
  });

  test('is asked for again after the request, or the snapshot, was lost', () => {
    const network = damaged();
    network.drop = (m) => m.requestSnapshot > 0;
    ask(network, 3);
    network.stabilize();
    expect(network.states()[2]).toEqual(['damage']);
    network.drop = (m) => m.type === MessageType.MsgSnap;
    network.heartbeat(1);
    expect(network.states()[2]).toEqual(['damage']);
    network.drop = () => false;
    network.heartbeat(1);
    network.heartbeat(1);
    expect(network.states()[2]).toEqual(['a', 'b']);
  });

  test('stops the follower from appending, but not from acknowledging what it has', () => {
    const network = damaged();
    network.member(1).holdFetches = true;
    ask(network, 3);
    network.stabilize();
    const { lastIndex, term } = network.node(3);
    network.member(3).step(
      new Message(MessageType.MsgApp, {
        from: 1,
        to: 3,
        term,
        index: lastIndex,
        logTerm: term,
        commit: lastIndex,
      }),
    );
    network.put(network.member(3).takeReady());
    network.put(network.member(3).doAppend());
    const answers = network.wire.filter((m) => m.from === 3 && m.type === MessageType.MsgAppResp);
    expect(answers.map((m) => [m.index, m.reject, m.requestSnapshot])).toEqual([
      [lastIndex, false, 0],
      [lastIndex, true, lastIndex],
    ]);
    network.isolate(2);
    network.propose(1, 'c');
    expect(network.node(3).lastIndex).toBe(lastIndex);
    expect(network.states()[0]).toEqual(['a', 'b']);
    network.isolate();
    network.member(1).holdFetches = false;
    network.heartbeat(1);
    network.heartbeat(1);
    expect(network.states()).toEqual([
      ['a', 'b', 'c'],
      ['a', 'b', 'c'],
      ['a', 'b', 'c'],
    ]);
  });

  test('ends with the term: the next leader may not have what the last one had', () => {
    const network = damaged();
    network.member(1).holdFetches = true;
    ask(network, 3);
    network.stabilize();
    network.isolate(1);
    network.elect(2);
    expect(network.node(2).state).toBe(StateType.Leader);
    expect(network.node(3).pendingRequestSnapshot).toBe(0);
    network.propose(2, 'c');
    expect(network.states()[2]).toEqual(['damage', 'c']);
    ask(network, 3);
    network.stabilize();
    expect(network.states()[2]).toEqual(['a', 'b', 'c']);
  });

  test('is refused on a leader, without a leader, twice, and before an entry of the term', () => {
    const network = damaged();
    expect(() => {
      ask(network, 1);
    }).toThrow(dropped);
    ask(network, 3);
    expect(() => {
      ask(network, 3);
    }).toThrow(dropped);
    const blank = new Network();
    expect(() => {
      ask(blank, 2);
    }).toThrow(dropped);
    blank.drop = (m) => m.type === MessageType.MsgApp;
    blank.elect(2);
    blank.elect(1);
    blank.heartbeat(1);
    expect(blank.node(2).leader).toBe(1);
    expect(() => {
      ask(blank, 2);
    }).toThrow(dropped);
  });

  test('is refused while a snapshot is being installed', () => {
    const network = damaged();
    const { term, lastIndex } = network.node(2);
    const { confState } = network.node(2).status();
    const snapshot = { metadata: { index: lastIndex + 5, term, confState }, data: bytes('[]') };
    network.member(2).step(new Message(MessageType.MsgSnap, { from: 1, to: 2, term, snapshot }));
    expect(network.node(2).pendingSnapshot).toBe(snapshot);
    expect(() => {
      ask(network, 2);
    }).toThrow(dropped);
  });

  test('from beyond the log of the leader is refused', () => {
    const network = damaged();
    const { term, lastIndex } = network.node(1);
    network.member(1).step(
      new Message(MessageType.MsgAppResp, {
        from: 3,
        to: 1,
        term,
        reject: true,
        requestSnapshot: lastIndex + 1,
      }),
    );
    expect(network.member(1).refusals).toEqual(['STEP_INVALID_MESSAGE']);
  });

  test('that comes late, after it was satisfied by another message, costs no second one', () => {
    const network = damaged();
    ask(network, 3);
    const { term, lastIndex } = network.node(3);
    network.stabilize();
    network.propose(1, 'c');
    network.sent.length = 0;
    network.member(1).step(
      new Message(MessageType.MsgAppResp, {
        from: 3,
        to: 1,
        term,
        reject: true,
        requestSnapshot: lastIndex,
      }),
    );
    network.stabilize();
    expect(network.sent.filter((m) => m.type === MessageType.MsgSnap)).toEqual([]);
  });

  test('below the requested index never takes away entries that the follower acknowledged', () => {
    const network = damaged();
    network.member(1).holdFetches = true;
    ask(network, 3);
    network.stabilize();
    const { term, lastIndex, committed } = network.node(3);
    const { confState } = network.node(3).status();
    const snapshot = { metadata: { index: committed - 1, term, confState }, data: bytes('[]') };
    network.member(3).step(new Message(MessageType.MsgSnap, { from: 1, to: 3, term, snapshot }));
    expect(network.node(3)).toMatchObject({ lastIndex, pendingRequestSnapshot: lastIndex });
  });
});
