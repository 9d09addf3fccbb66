import { describe, expect, test } from 'vitest';
import { compareReports } from '../src/compare/compare.ts';
import { adjust, mannWhitney, ratioInterval } from '../src/compare/statistics.ts';
import { comparisonText } from '../src/compare/text.ts';
import { metricOf } from '../src/measure/rows.ts';
import { reportFormat, type BenchReport, type Row } from '../src/report/report.ts';

describe('the test of Mann and Whitney', () => {
  // Values of the literature's tables, and of R's wilcox.test(exact = TRUE).
  test.each([
    [[1, 2, 3, 4, 5], [6, 7, 8, 9, 10], 2 / 252],
    [[1, 2, 3], [4, 5, 6], 2 / 20],
    [[1, 4, 6], [2, 3, 5], 1],
    [[1, 2, 3, 7], [4, 5, 6, 8], 14 / 70],
  ])('of %j and %j gives %f', (before, after, p) => {
    expect(mannWhitney(before, after)).toBeCloseTo(p, 10);
    expect(mannWhitney(after, before)).toBeCloseTo(p, 10);
  });

  test('finds no difference between equals', () => {
    expect(mannWhitney([1, 1, 1, 1], [1, 1, 1, 1])).toBe(1);
    expect(mannWhitney([], [1, 2])).toBe(1);
  });

  test('of many or tied values is near the exact one', () => {
    const before = Array.from({ length: 21 }, (_, i) => i * 2);
    expect(
      mannWhitney(
        before,
        before.map((value) => value + 1),
      ),
    ).toBeGreaterThan(0.5);
    expect(
      mannWhitney(
        before,
        before.map((value) => value + 60),
      ),
    ).toBeLessThan(1e-6);
    expect(mannWhitney([1, 1, 2, 3, 4], [5, 5, 6, 7, 8])).toBeLessThan(0.02);
  });
});

test('adjusted values grow with the number of tests and keep their order', () => {
  const expected = [0.04, 0.04, 0.04, 0.5];
  for (const [i, p] of adjust([0.01, 0.02, 0.03, 0.5]).entries()) expect(p).toBeCloseTo(expected[i]!, 10);
  expect(adjust([0.04])).toEqual([0.04]);
});

test('the interval of a ratio holds it and is the same every time', () => {
  const [before, after] = [
    [10, 11, 9, 10.5, 9.5],
    [20, 22, 18, 21, 19],
  ];
  const interval = ratioInterval(before, after);
  expect(interval.low).toBeLessThan(2);
  expect(interval.high).toBeGreaterThan(2);
  expect(ratioInterval(before, after)).toEqual(interval);
});

function reportWith(rounds: readonly number[], more: Partial<Row> = {}): BenchReport {
  const row: Row = {
    ...{ label: 'sqlite', kind: 'adapter', durability: 'durable', ratios: {} },
    metrics: { p50: metricOf('ms', 'lower', rounds) },
    ...more,
  };
  return {
    ...{
      format: reportFormat,
      mode: 'quick',
      startedAt: '',
      seconds: 1,
      complete: true,
      warnings: [],
      stores: [],
    },
    ...{ bars: [], profiles: [], settings: { payload: 'random', rounds: rounds.length, sliceMs: 1 } },
    machine: {
      ...{
        cpu: 'x',
        cores: 2,
        memoryBytes: 1,
        platform: '',
        kernel: '',
        node: '',
        directory: '',
        fileSystem: '',
      },
      ...{ device: '', mountOptions: '', writeCache: '', loadBefore: 0, loadAfter: 0, commit: '' },
    },
    cells: [{ workload: 'append', title: 'batch 1', parameters: {}, rows: [row] }],
  };
}

describe('a comparison', () => {
  const base = [1, 1.01, 0.99, 1.02, 0.98];

  test.each([
    ['twice as slow', base.map((value) => value * 2.003), 'worse'],
    ['twice as fast', base.map((value) => value / 2.003), 'better'],
    ['within noise', [1.005, 0.985, 1.015, 0.995, 1.03], 'same'],
    ['significant but tiny', base.map((value) => value + 0.045), 'same'],
    ['of too few rounds', [5, 6], 'too few rounds'],
  ])('calls what is %s by its name', (_, after, verdict) => {
    const { changes } = compareReports(reportWith(base), reportWith(after));
    expect(changes.map((change) => change.verdict)).toEqual([verdict]);
  });

  test('looks at the ratio to the floor where there is one, so that another disk is no change', () => {
    const slower = base.map((value) => value * 3);
    const ratio = { value: 1, min: 1, max: 1 };
    const before = reportWith(base, { ratios: { 'growing p50': { ...ratio, rounds: base } } });
    const after = reportWith(slower, {
      ratios: { 'growing p50': { ...ratio, rounds: [...base].reverse() } },
    });
    expect(compareReports(before, after).changes).toMatchObject([
      { metric: 'p50 against the floor', verdict: 'same' },
    ]);
  });

  test('says what only one of the two has, and what makes them hard to compare', () => {
    const other = reportWith(base, { label: 'redis' });
    const after = { ...other, machine: { ...other.machine, node: 'v24' }, complete: false };
    const { missing, warnings } = compareReports(reportWith(base), after);
    expect(missing).toEqual(['only before: append: batch 1, sqlite']);
    expect(warnings.join('\n')).toMatch(/node was {2}and is v24[^]*stopped before its end/);
  });

  test('states its statistics, in a hundred columns', () => {
    const text = comparisonText(
      compareReports(reportWith(base), reportWith(base.map((value) => value * 2))),
      false,
    );
    expect(text).toContain('Mann-Whitney');
    expect(text).toContain('1 worse');
    expect(text.split('\n').filter((line) => line.length > 100)).toEqual([]);
  });
});
