/** The options taken from raft-rs. Off, none of them changes a message: the transcripts show that. */
import { describe, expect, test } from 'vitest';
import { MessageType, RawNode, StateType, type RawNodeConfig } from '../src/index.ts';
import { bytes, confStateOf, Network } from './network/network.ts';

describe('priority', () => {
  const network = (): Network => {
    const made = new Network();
    made.node(1).setPriority(2);
    made.node(2).setPriority(1);
    return made;
  };

  test('a voter refuses a candidate of lower priority than its own', () => {
    const made = network();
    made.isolate(3);
    made.elect(2);
    expect(made.node(2).state).not.toBe(StateType.Leader);
    made.elect(1);
    expect(made.node(1).state).toBe(StateType.Leader);
  });

  test('a longer log counts more than priority', () => {
    const made = network();
    made.elect(1);
    made.isolate(1);
    made.elect(2);
    made.propose(2, 'a');
    made.isolate(3);
    made.elect(2);
    expect(made.node(2).state).toBe(StateType.Leader);
  });
});

describe('the range of election timeouts', () => {
  const start = (config: Partial<RawNodeConfig>): RawNode =>
    new RawNode(
      { id: 1, random: () => 0.999, electionTick: 10, preVote: false, ...config },
      {
        hardState: { term: 0, vote: 0, commit: 0 },
        confState: confStateOf([1, 2]),
        outline: { boundary: { index: 1, term: 1 }, runs: [], confIndexes: [], lastIndex: 1 },
      },
    );

  test('timeouts lie within [minElectionTick, maxElectionTick)', () => {
    const node = start({ minElectionTick: 12, maxElectionTick: 14 });
    for (let i = 0; i < 12; i++) node.tick();
    expect(node.state).toBe(StateType.Follower);
    node.tick();
    expect(node.state).toBe(StateType.Candidate);
  });

  test.each([{ minElectionTick: 9 }, { minElectionTick: 20 }, { maxElectionTick: 10 }])(
    '%o is refused',
    (config) => {
      expect(() => start(config)).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG' }));
    },
  );
});

test('with batchAppend proposals between two Readys share a message, within maxSizePerMsg', () => {
  const network = new Network({ config: { batchAppend: true, maxSizePerMsg: 100 } });
  network.elect(1);
  network.sent.length = 0;
  network.propose(1);
  for (const payload of ['a', 'b', 'c', 'd', 'e']) network.node(1).propose(bytes(payload));
  network.put(network.member(1).takeReady());
  const sizes = network.sent
    .filter((m) => m.to === 2 && m.type === MessageType.MsgApp)
    .map((m) => m.entries.length);
  expect(sizes).toEqual([4, 1]);
  network.stabilize();
  expect(network.states()[2]).toEqual(['a', 'b', 'c', 'd', 'e']);
  const peer = network
    .node(1)
    .status()
    .progress.find((p) => p.id === 2);
  expect(peer).toMatchObject({ inflightMessages: 0, match: network.node(1).lastIndex });
});

test('with skipBcastCommit followers learn the commit index by the next heartbeat', () => {
  const network = new Network({ config: { skipBcastCommit: true } });
  network.elect(1);
  network.sent.length = 0;
  network.propose(1, 'a');
  expect(network.sent.filter((m) => m.type === MessageType.MsgApp && m.entries.length === 0)).toEqual([]);
  expect(network.states().map((s) => s.length)).toEqual([1, 0, 0]);
  network.heartbeat(1);
  expect(network.states().map((s) => s.length)).toEqual([1, 1, 1]);
});

test('ping sends heartbeats at once, and only on the leader', () => {
  const network = new Network();
  network.elect(1);
  network.sent.length = 0;
  network.node(2).ping();
  network.node(1).ping();
  network.stabilize();
  expect(network.sent.filter((m) => m.type === MessageType.MsgHeartbeat).map((m) => [m.from, m.to])).toEqual([
    [1, 2],
    [1, 3],
  ]);
});
