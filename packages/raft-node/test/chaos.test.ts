import { isBalsaError } from '@balsa/raft-core';
import { describe, expect, test } from 'vitest';
import { Cluster } from './cluster.ts';
import { bytesOf } from './machine.ts';

/** A small generator of its own, so that the plan of a seed does not depend on what the cluster draws. */
function dice(seed: number): () => number {
  let state = (seed * 2654435761) >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

interface Tally {
  readonly acknowledged: string[];
  readonly refused: string[];
}

function propose(cluster: Cluster, id: number, text: string, tally: Tally): void {
  cluster
    .node(id)
    .propose(bytesOf(text), { timeoutMs: 4000 })
    .then(
      () => tally.acknowledged.push(text),
      (error: unknown) => {
        if (isBalsaError(error) && error.outcome === 'refused') tally.refused.push(text);
      },
    );
}

/** A read must see everything that was acknowledged before it began. */
function read(cluster: Cluster, id: number, tally: Tally, failures: string[]): void {
  const before = [...tally.acknowledged];
  const site = cluster.site(id);
  site.node.read({ timeoutMs: 4000 }).then(
    () => {
      const seen = new Set(site.machine.texts);
      for (const text of before)
        if (!seen.has(text)) failures.push(`a read on node ${String(id)} missed ${text}`);
    },
    () => undefined,
  );
}

async function disturb(
  cluster: Cluster,
  roll: number,
  random: () => number,
  down: Set<number>,
): Promise<void> {
  const id = 1 + Math.floor(random() * 3);
  if (roll < 0.25) {
    if (down.has(id)) {
      down.delete(id);
      await cluster.startNode(id);
    } else if (down.size === 0) {
      down.add(id);
      await cluster.crash(id);
    }
  } else if (roll < 0.4) cluster.network.isolate(id);
  else if (roll < 0.5) cluster.network.oneWay(id, 1 + (id % 3));
  else if (roll < 0.6) cluster.network.disconnect(id, 1 + (id % 3));
  else if (roll < 0.8) cluster.network.heal();
}

async function run(seed: number, persistent: boolean): Promise<void> {
  const random = dice(seed);
  const cluster = await Cluster.start({
    seed,
    persistent,
    writeMs: 20,
    node: { compaction: { checkEveryEntries: 20, keepEntries: 10 } },
  });
  cluster.network.setLoss(random() * 0.05);
  cluster.network.setDuplicate(random() * 0.05);
  cluster.network.setReorder(random() * 0.1);
  const tally: Tally = { acknowledged: [], refused: [] };
  const failures: string[] = [];
  const down = new Set<number>();
  for (let step = 0; step < 60; step++) {
    for (let n = Math.floor(random() * 6); n > 0; n--) {
      const id = 1 + Math.floor(random() * 3);
      if (!down.has(id)) propose(cluster, id, `${String(step)}.${String(n)}`, tally);
      if (!down.has(id) && random() < 0.5) read(cluster, id, tally, failures);
    }
    if (random() < 0.4) await disturb(cluster, random(), random, down);
    await cluster.env.advance(random() * 800);
  }
  cluster.network.heal();
  for (const id of down) await cluster.startNode(id);
  await cluster.leader();
  await cluster.env.advance(10_000);
  await cluster.propose(await cluster.leader(), 'end');
  const { texts } = cluster.site(await cluster.leader()).machine;
  await cluster.converged([1, 2, 3], texts);
  expect(failures).toEqual([]);
  expect(new Set(texts).size).toBe(texts.length);
  expect(tally.acknowledged.filter((text) => !texts.includes(text))).toEqual([]);
  expect(tally.refused.filter((text) => texts.includes(text))).toEqual([]);
  expect(tally.acknowledged.length).toBeGreaterThan(1);
  for (const site of cluster.sites.values()) expect(site.node.status().ready.reason).toBe('');
  await cluster.stop();
}

const count = Number(process.env['BALSA_SEEDS'] ?? '20');

describe.each([true, false])(
  'crashes, partitions and a bad network, state machine on disk: %s',
  (persistent) => {
    test.each(Array.from({ length: count }, (_, i) => i + 1))(
      'seed %i: what was acknowledged is there once, what was refused is not, reads are never stale',
      async (seed) => {
        await run(seed, persistent);
      },
    );
  },
);
