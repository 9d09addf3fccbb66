/** What many seeds came to: added up, judged and put into a page. */
import { describe, expect, test } from 'vitest';
import { fullRun, isJudged, shortfalls } from '../src/cli/bars.ts';
import type { SeedReport } from '../src/cli/messages.ts';
import { intoPage } from '../src/cli/page.ts';
import { defectLines, summaryLines, verdictLine } from '../src/cli/report.ts';
import { faultsOf } from '../src/plan.ts';
import { addReport, mergeTotals, newTotals, type Totals } from '../src/cli/totals.ts';

function report(seed: number, coverage: Record<string, number>): SeedReport {
  const part = { events: 20_000, virtualMs: 1000, cpuMs: 400, operationCount: 7, coverage };
  return { ...part, plan: { seed }, digest: '', violation: undefined } as unknown as SeedReport;
}

function run(from: number, seeds: number, coverage: Record<string, number>, code = 'aaa'): Totals {
  const totals = newTotals('snapshot', [{ from, seeds: 0, code }]);
  for (let seed = from; seed < from + seeds; seed++) addReport(totals, report(seed, coverage));
  return totals;
}

const inPartition = 'state snapshot installed during a partition';
const enough: Record<string, number> = { [inPartition]: 1 };
for (const name of faultsOf('snapshot')) enough[`fault ${name}`] = 1;

const without = (name: string): Record<string, number> =>
  Object.fromEntries(Object.entries(enough).filter(([one]) => one !== name));

describe('merging', () => {
  test('slices add up to what one run would have been', () => {
    const whole = run(1, 5, enough);
    const merged = mergeTotals([run(3, 3, enough), run(1, 2, enough)]);
    expect({ ...merged, slices: [] }).toEqual({ ...whole, slices: [] });
    expect(merged.slices.map(({ from, seeds }) => [from, seeds])).toEqual([
      [1, 2],
      [3, 3],
    ]);
    expect(summaryLines(merged)[0]).toBe('profile snapshot, seeds 1 to 5: 5 seeds, all of code aaa');
  });

  test('different code is told apart', () => {
    const merged = mergeTotals([run(1, 2, enough), run(3, 3, enough, 'bbb')]);
    expect(summaryLines(merged)[0]).toContain('2 of code aaa, 3 of code bbb');
  });

  test('a seed that would count twice, and another profile, are refused', () => {
    expect(() => mergeTotals([run(1, 3, enough), run(3, 1, enough)])).toThrow(/seed 3 is in two/);
    expect(() => mergeTotals([run(1, 3, enough), newTotals('calm', [])])).toThrow(/cannot be added/);
  });
});

describe('bars', () => {
  test('a run that saw everything often enough has no defect', () => {
    const totals = run(1, 200, enough);
    expect(isJudged(totals)).toBe(true);
    expect(shortfalls(totals)).toEqual([]);
    expect(verdictLine(totals)).toMatch(/^coverage holds: each thing at least 40 times/);
  });

  test('what happened too rarely is a defect', () => {
    const totals = run(1, 200, without('fault clog'));
    expect(defectLines(totals)).toEqual(['DEFECT fault clog: 0 times, of at least 40']);
    expect(verdictLine(totals)).toMatch(/^coverage does not hold/);
  });

  test('a snapshot must be installed during a partition in one seed of twenty', () => {
    const totals = mergeTotals([run(1, 191, without(inPartition)), run(192, 9, enough)]);
    expect(shortfalls(totals)).toEqual([
      'seeds with a snapshot installed during a partition: 9, of at least 10',
    ]);
  });

  test('too few seeds or events are not judged', () => {
    expect(isJudged(run(1, 199, enough))).toBe(false);
    const short = run(1, 300, enough);
    short.fewestEvents = fullRun.events - 1;
    expect(isJudged(short)).toBe(false);
  });
});

test('the page keeps everything but what stands between the marks', () => {
  const begin = '<!-- the run: made by `npm run simulate -- merge --page` -->';
  const end = '<!-- end of the run -->';
  const page = intoPage(`before\n${begin}\nold\n${end}\nafter\n`, run(1, 2, enough));
  expect(page.startsWith(`before\n${begin}\n`)).toBe(true);
  expect(page.endsWith(`${end}\nafter\n`)).toBe(true);
  expect(page).not.toContain('old');
  expect(page).toContain('| fault clog | 2 | 2 |');
  expect(intoPage(page, run(1, 2, enough))).toBe(page);
  expect(() => intoPage('nothing', run(1, 1, enough))).toThrow(/once each/);
});
