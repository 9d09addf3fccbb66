import { isBalsaError } from '@balsa/raft-core';
import { openMemoryEngine, createMemoryDisk } from '@balsa/raft-core/memory';
import { createMemoryNetwork, createVirtualEnv } from '@balsa/transport-memory';
import { expect, test } from 'vitest';
import { RaftNode } from '../src/index.ts';
import { clusterId, Cluster, member } from './cluster.ts';
import { bytesOf, MachineDisk, TestMachine } from './machine.ts';

const others = (id: number): number[] => [1, 2, 3].filter((other) => other !== id);

/** Proposals without end, a few at a time, until told to stop. */
function load(cluster: Cluster, id: number): () => Promise<number> {
  let stopped = false;
  let done = 0;
  const one = async (): Promise<void> => {
    while (!stopped) {
      await cluster
        .node(id)
        .propose(bytesOf(`load ${String(done)}`))
        .then(() => done++);
    }
  };
  const workers = [one(), one(), one(), one()];
  return async () => {
    stopped = true;
    await cluster.do(Promise.all(workers));
    return done;
  };
}

test('a joiner that restores slowly under load needs one snapshot only: the log stays from it on', async () => {
  const cluster = await Cluster.start({ node: { compaction: { checkEveryEntries: 20, keepEntries: 0 } } });
  const leader = await cluster.leader();
  for (let i = 0; i < 60; i++) await cluster.propose(leader, `before ${String(i)}`);
  const site = await cluster.startNode(4, { join: { clusterId } });
  let open: () => void = () => undefined;
  site.machine.restoreGate = new Promise((resolve) => {
    open = resolve;
  });
  const stop = load(cluster, leader);
  await cluster.do(cluster.node(leader).addLearner(member(4)));
  await cluster.until(
    () => cluster.status(4).snapshotProgress.some((p) => p.phase === 'restoring'),
    'restoring',
  );
  const { index } = cluster.status(4).snapshotProgress.find((p) => p.phase === 'restoring') ?? { index: 0 };
  await cluster.env.advance(5000);
  expect(cluster.status(leader).lastIndex).toBeGreaterThan(index + 500);
  expect(cluster.status(leader).firstIndex).toBeLessThanOrEqual(index + 1);
  open();
  await cluster.until(
    () => (cluster.status(leader).progress.find((peer) => peer.id === 4)?.lag ?? 999) < 20,
    'caught up',
  );
  expect(cluster.node(4).metrics().counters.snapshotsInstalled).toBe(1);
  // What it had needed is let go now.
  await cluster.until(() => cluster.status(leader).firstIndex > index + 1, 'the log is shortened again');
  await stop();
  await cluster.propose(leader, 'end');
  await cluster.converged([1, 2, 3, 4], [...cluster.site(leader).machine.texts]);
  await cluster.stop();
});

test('a state on disk is made durable when a compaction needs it to be, not for each of them', async () => {
  const compaction = { checkEveryEntries: 20, keepEntries: 200 };
  const cluster = await Cluster.start({ node: { compaction } });
  const leader = await cluster.leader();
  for (let i = 0; i < 1000; i++) await cluster.propose(leader, `entry ${String(i)}`);
  const { machine } = cluster.site(leader);
  const { compactions } = cluster.node(leader).metrics().counters;
  expect(compactions).toBeGreaterThan(30);
  expect(machine.syncs).toBeLessThan(8);
  // Nothing went that a power cut would take from the state.
  const texts = [...machine.texts];
  for (const id of [1, 2, 3]) await cluster.crash(id);
  for (const id of [1, 2, 3]) await cluster.startNode(id);
  await cluster.converged([1, 2, 3], texts);
  await cluster.stop();
});

test('a live follower whose disk hangs holds the log back to maxLogBytes and no further', async () => {
  const maxLogBytes = 20_000;
  const cluster = await Cluster.start({
    node: { compaction: { checkEveryEntries: 20, keepEntries: 0, maxLogBytes } },
  });
  const leader = await cluster.leader();
  const [slow = 0] = others(leader);
  await cluster.propose(leader, 'warm');
  await cluster.until(() => cluster.status(slow).applied === cluster.status(leader).applied, 'all equal');
  const release = cluster.site(slow).hangWrites();
  const match = cluster.status(slow).lastIndex;
  for (let i = 0; i < 100; i++) await cluster.propose(leader, `within the budget ${String(i)}`);
  await cluster.env.advance(2000);
  // It hears and answers heartbeats, so that it counts as active, and nothing it lacks is dropped.
  expect(cluster.status(leader).firstIndex).toBeLessThanOrEqual(match + 1);
  for (let i = 0; i < 400; i++) await cluster.propose(leader, `beyond the budget ${String(i)}`);
  await cluster.until(
    () => cluster.status(leader).firstIndex > match + 1,
    'the log is shortened all the same',
  );
  const stats = cluster.node(leader).metrics().gauges;
  expect(stats.logBytes).toBeLessThan(2 * maxLogBytes);
  release();
  await cluster.converged([1, 2, 3], [...cluster.site(leader).machine.texts]);
  await cluster.stop();
});

test.each([true, false])(
  'stored snapshots go when nobody was sent one for a while, unless the state machine (persistent: %s) needs them',
  async (persistent) => {
    const cluster = await Cluster.start({
      persistent,
      node: { compaction: { checkEveryEntries: 10, keepEntries: 2, snapshotIdleMs: 60_000 } },
    });
    const leader = await cluster.leader();
    const [victim = 0] = others(leader);
    await cluster.crash(victim);
    for (let i = 0; i < 60; i++) await cluster.propose(leader, `value ${String(i)}`);
    await cluster.until(() => cluster.status(leader).firstIndex > 20, 'compacted');
    await cluster.startNode(victim);
    await cluster.converged([victim], [...cluster.site(leader).machine.texts]);
    await cluster.env.advance(10_000);
    expect(cluster.node(leader).metrics().gauges.snapshotBytes).toBeGreaterThan(0);
    await cluster.env.advance(70_000);
    for (const id of [leader, victim]) {
      expect(cluster.node(id).metrics().gauges.snapshotBytes > 0).toBe(!persistent);
    }
    // Whoever needs one now gets a new one.
    await cluster.crash(victim);
    for (let i = 0; i < 60; i++) await cluster.propose(leader, `more ${String(i)}`);
    await cluster.startNode(victim);
    await cluster.converged([1, 2, 3], [...cluster.site(leader).machine.texts]);
    await cluster.stop();
  },
);

test('two groups on one engine, each with its own leader, log and state, survive a power cut together', async () => {
  const env = createVirtualEnv({ seed: 5 });
  const disks = [1, 2, 3].map((id) => ({ id, disk: createMemoryDisk() }));
  const machineDisks = new Map<string, MachineDisk>();
  const run = async (): Promise<Map<string, { node: RaftNode<string>; machine: TestMachine }>> => {
    const networks = ['a', 'b'].map((group) => ({ group, network: createMemoryNetwork({ env, seed: 5 }) }));
    const nodes = new Map<string, { node: RaftNode<string>; machine: TestMachine }>();
    for (const { id, disk } of disks) {
      const engine = openMemoryEngine({ disk });
      for (const { group, network } of networks) {
        const name = `${group}${String(id)}`;
        const machineDisk = machineDisks.get(name) ?? new MachineDisk();
        machineDisks.set(name, machineDisk);
        const machine = new TestMachine(machineDisk, true);
        const starting = RaftNode.start<string>({
          id,
          group,
          engine,
          stateMachine: machine,
          transport: network.transport(id),
          env,
          bootstrap: { clusterId, members: [1, 2, 3].map(member) },
        });
        nodes.set(name, { node: await settle(starting), machine });
      }
    }
    return nodes;
  };
  const settle = async <T>(promise: Promise<T>): Promise<T> => {
    let settled = false;
    const mark = (): void => void (settled = true);
    promise.then(mark, mark);
    await env.runUntil(() => settled, 60_000, 'settled');
    return await promise;
  };
  const texts = (nodes: Map<string, { machine: TestMachine }>, group: string): string[] =>
    [1, 2, 3].map((id) => nodes.get(`${group}${String(id)}`)?.machine.texts.join() ?? '');

  const first = await run();
  for (let i = 0; i < 10; i++) {
    for (const group of ['a', 'b'])
      await settle(
        first.get(`${group}1`)?.node.propose(bytesOf(group)) ?? Promise.reject(new Error('no node')),
      );
  }
  for (const { disk } of disks) disk.crash();
  for (const disk of machineDisks.values()) disk.crash();
  for (const { node } of first.values()) await settle(node.stop());

  const again = await run();
  const whole = (group: string): boolean =>
    texts(again, group).every((text) => text === Array(10).fill(group).join());
  await env.runUntil(() => whole('a') && whole('b'), 60_000, 'both groups are whole again');
  for (const { node } of again.values()) await settle(node.stop());
});

test('the leader of two voters hands over before it is removed, whoever asks', async () => {
  for (const asker of ['leader', 'other'] as const) {
    const cluster = await Cluster.start({ size: 2 });
    const leader = await cluster.leader();
    const other = 3 - leader;
    const done = cluster.node(asker === 'leader' ? leader : other).removeMember(leader);
    expect((await cluster.do(done)).voters).toEqual([other]);
    await cluster.crash(leader);
    await cluster.propose(other, 'alone');
    expect(cluster.site(other).machine.texts).toEqual(['alone']);
    await cluster.stop();
  }
});

test('stop ends within its bound while the disk hangs, and nothing is acknowledged any more', async () => {
  const cluster = await Cluster.start({ size: 1, node: { stopTimeoutMs: 3000 } });
  await cluster.propose(1, 'a');
  const release = cluster.site(1).hangWrites();
  const outcome = cluster
    .node(1)
    .propose(bytesOf('b'))
    .catch((error: unknown) => (isBalsaError(error) ? error.code : error));
  await cluster.env.advance(100);
  const before = cluster.env.now();
  await cluster.do(cluster.node(1).stop());
  expect(cluster.env.now() - before).toBeLessThanOrEqual(3000);
  expect(await outcome).toBe('UNKNOWN_OUTCOME');
  release();
  await cluster.env.advance(10_000);
  expect(cluster.site(1).machine.texts).toEqual(['a']);
});
