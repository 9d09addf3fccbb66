import { describe, expect, test } from 'vitest';
import { runCoreBench } from '../src/core/bench.ts';
import { Cluster } from '../src/core/cluster.ts';
import { runRival } from '../src/core/rival.ts';
import { withResult } from '../src/core/page.ts';
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

describe('the page', () => {
  const cell = {
    nodes: 3,
    batch: 64,
    multi: true,
    codec: true,
    batchAppend: false,
    rounds: [2_000_000],
    entriesPerSecond: spreadOf([2_000_000]),
    nsPerEntry: spreadOf([500]),
    heapBytesPerEntry: 1234.5,
    rivalRounds: [2_500_000, 2_500_000],
    rivalEntriesPerSecond: spreadOf([2_500_000]),
    ratio: spreadOf([0.8]),
  };
  const report = {
    benchmark: 'core' as const,
    machine: {
      cpu: 'c',
      cores: 2,
      platform: 'p',
      node: 'v1',
      v8: '1',
      loadBefore: [0.5, 1, 1],
      loadAfter: [2, 1, 1],
    },
    options: { rounds: 1, entries: 1000, payload: 128, nodes: [3], batches: [64], batchAppend: false },
    results: [cell],
  };

  test('gets its result between the marks, keeps the rest, and names what is below 1', () => {
    const page = 'before\n<!-- result: written by bench:core -->\nold\n<!-- end of result -->\nafter\n';
    const text = withResult(page, report);
    expect(text).toMatch(/^before\n<!-- result/);
    expect(text).toMatch(/<!-- end of result -->\nafter\n$/);
    expect(text).not.toContain('old');
    expect(text).toContain('| 3 | 64 | one proposal | yes | 2.00 M | 500 |');
    expect(text).toContain('Below 1 in 1 of 1 cells');
    expect(text).toContain('- 3 nodes, B = 64, one proposal, codec: 0.80');
  });

  test('without the marks is refused rather than overwritten', () => {
    expect(() => withResult('no marks', report)).toThrow('the page must have the lines');
  });
});
