import { describe, expect, test } from 'vitest';
import { runCoreBench } from '../src/core/bench.ts';
import { Cluster } from '../src/core/cluster.ts';
import { runRival } from '../src/core/rival.ts';
import { markdownTable } from '../src/core/table.ts';
import { spreadOf } from '../src/stats.ts';
import { fileURLToPath } from 'node:url';

const rival = fileURLToPath(new URL('support/rival.mjs', import.meta.url));

describe('the loop of the core benchmark', () => {
  test.each(
    [1, 3, 5].flatMap((nodes) =>
      [1, 16].flatMap((batch) => [true, false].map((multi) => ({ nodes, batch, multi }))),
    ),
  )('applies on every member what was proposed, across compactions: %o', ({ nodes, batch, multi }) => {
    const cluster = new Cluster(
      { nodes, batch, multi, codec: batch === 1, batchAppend: false },
      new Uint8Array(16),
    );
    const before = cluster.applied;
    cluster.run(41_000);
    expect(cluster.applied - before).toBe(41_000);
    cluster.checkFollowers();
  });
});

describe('the rival', () => {
  test('is read line by line, in the mode asked for', async () => {
    const speeds = await runRival(rival, { multi: true, codec: false });
    expect([...speeds]).toEqual([
      ['1 nodes, B=1, one proposal, direct', 500_000],
      ['3 nodes, B=64, one proposal, direct', 1_250_000],
    ]);
  });

  test('that prints nothing of use is refused', async () => {
    await expect(runRival('/bin/true', { multi: false, codec: true })).rejects.toThrow('printed no line');
  });

  test('is compared round by round with the mean of its two neighbours', async () => {
    const [first] = await runCoreBench(
      { rounds: 2, entries: 500, payload: 16, nodes: [1], batches: [1], batchAppend: false, rival },
      () => undefined,
    );
    expect(first?.rivalRounds).toHaveLength(3);
    expect(first?.ratio?.max).toBeCloseTo(Math.max(...(first?.rounds ?? [])) / 500_000);
    expect(markdownTable(first === undefined ? [] : [first])).toContain('| 1 | 1 | B proposals | no |');
  });
});

test('a median of an even number of rounds lies between the two in the middle', () => {
  expect(spreadOf([4, 1, 3, 2])).toEqual({ median: 2.5, min: 1, max: 4 });
});
