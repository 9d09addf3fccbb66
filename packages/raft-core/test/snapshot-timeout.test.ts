import { expect, test } from 'vitest';
import { MessageType, ProgressState, RawNode } from '../src/index.ts';
import { confStateOf, Network } from './network/network.ts';

const { MsgSnap } = MessageType;

/** 3 needs a snapshot, which is lost without a word. */
function silent(snapshotTimeoutTicks: number): Network {
  const network = new Network({ config: { snapshotTimeoutTicks } });
  network.elect(1);
  network.isolate(3);
  network.propose(1, 'a');
  network.member(1).compact(network.node(1).applied);
  network.isolate();
  network.lose = () => undefined;
  network.drop = (m) => m.type === MsgSnap;
  network.heartbeat(1);
  expect(network.node(1).status().progress[2]?.state).toBe(ProgressState.Snapshot);
  return network;
}

const snapshotsOf = (network: Network): number => network.sent.filter((m) => m.type === MsgSnap).length;

test('a snapshot of which nothing is heard for snapshotTimeoutTicks is sent again', () => {
  const network = silent(5);
  for (let i = 0; i < 4; i++) network.heartbeat(1);
  expect(snapshotsOf(network)).toBe(1);
  network.drop = () => false;
  network.heartbeat(1);
  expect(snapshotsOf(network)).toBe(2);
  network.heartbeat(1);
  expect(network.member(3).disk.state).toEqual(['a']);
});

test('each transfer has the whole time', () => {
  const network = silent(5);
  for (let i = 0; i < 21; i++) network.heartbeat(1);
  expect(snapshotsOf(network)).toBe(5);
});

test('at 0 the leader waits for a report for ever', () => {
  const network = silent(0);
  for (let i = 0; i < 100; i++) network.heartbeat(1);
  expect(snapshotsOf(network)).toBe(1);
  network.node(1).reportSnapshot(3, false);
  network.heartbeat(1);
  expect(snapshotsOf(network)).toBe(2);
});

test('a negative or fractional time is refused', () => {
  for (const snapshotTimeoutTicks of [-1, 0.5]) {
    const make = (): RawNode =>
      new RawNode(
        { id: 1, random: () => 0, snapshotTimeoutTicks },
        {
          hardState: { term: 0, vote: 0, commit: 0 },
          confState: confStateOf([1]),
          outline: { boundary: { index: 0, term: 0 }, runs: [], confIndexes: [], lastIndex: 0 },
        },
      );
    expect(make).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG' }));
  }
});
