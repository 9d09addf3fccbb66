/** Two reports side by side: what changed beyond noise. */
import type { BenchReport, Better, Metric, Row, RowKind } from '../report/report.ts';
import { adjust, mannWhitney, ratioInterval, type Interval } from './statistics.ts';

export type Verdict = 'better' | 'worse' | 'same' | 'too few rounds';

export interface Change {
  readonly workload: string;
  readonly cell: string;
  readonly row: string;
  readonly kind: RowKind;
  readonly metric: string;
  readonly before: number;
  readonly after: number;
  /** After to before, of medians, with its 95 % interval. */
  readonly ratio: number;
  readonly interval: Interval;
  /** Adjusted for the number of figures that are compared. */
  readonly p: number;
  readonly verdict: Verdict;
}

export interface Comparison {
  readonly changes: readonly Change[];
  /** What one report has and the other has not: cells, rows. */
  readonly missing: readonly string[];
  /** What makes the two hard to compare. */
  readonly warnings: readonly string[];
}

/** A change is called one when its adjusted p is below this and it is larger than `leastChange`. */
export const level = 0.05;
export const leastChange = 0.05;

/**
 * Of these there are enough rounds to judge. Against the floor of the same rounds where there is one: the disk of
 * another day is then no change of the store.
 */
const figures = ['throughput', 'p50', 'p99', 'create', 'stream', 'install', 'open', 'compact', 'unavailable'];

interface Pair {
  readonly workload: string;
  readonly cell: string;
  readonly row: string;
  readonly kind: RowKind;
  readonly metric: string;
  readonly better: Better;
  readonly before: readonly number[];
  readonly after: readonly number[];
}

export function compareReports(before: BenchReport, after: BenchReport): Comparison {
  const pairs: Pair[] = [];
  const missing: string[] = [];
  for (const cell of before.cells) {
    const other = after.cells.find(
      ({ workload, title }) => workload === cell.workload && title === cell.title,
    );
    const name = `${cell.workload}: ${cell.title}`;
    if (other === undefined) {
      missing.push(`only before: ${name}`);
      continue;
    }
    for (const row of cell.rows) {
      const match = other.rows.find(({ label }) => label === row.label);
      if (match === undefined) missing.push(`only before: ${name}, ${row.label}`);
      else
        pairs.push(
          ...pairsOf(
            { workload: cell.workload, cell: cell.title, row: row.label, kind: row.kind },
            row,
            match,
          ),
        );
    }
  }
  for (const { workload, title } of after.cells)
    if (!before.cells.some((one) => one.workload === workload && one.title === title))
      missing.push(`only after: ${workload}: ${title}`);
  const ps = adjust(pairs.map((pair) => mannWhitney(pair.before, pair.after)));
  return {
    changes: pairs.map((pair, i) => changeOf(pair, ps[i] ?? 1)),
    missing,
    warnings: warningsOf(before, after),
  };
}

function known(rounds: readonly (number | null)[]): number[] {
  return rounds.filter((value) => value !== null);
}

function pairsOf(place: Pick<Pair, 'workload' | 'cell' | 'row' | 'kind'>, before: Row, after: Row): Pair[] {
  return figures.flatMap((figure): Pair[] => {
    const relative = `growing ${figure}`;
    const [one, other] = [before.ratios[relative], after.ratios[relative]];
    if (one !== undefined && other !== undefined) {
      const metric = `${figure} against the floor`;
      return [{ ...place, metric, better: 'higher', before: one.rounds, after: other.rounds }];
    }
    const [old, fresh]: (Metric | undefined)[] = [before.metrics[figure], after.metrics[figure]];
    if (old === undefined || fresh === undefined) return [];
    const [a, b] = [known(old.rounds), known(fresh.rounds)];
    if (a.length === 0 || b.length === 0) return [];
    return [{ ...place, metric: `${figure} (${old.unit})`, better: old.better, before: a, after: b }];
  });
}

function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (place: number): number => sorted[place] ?? Number.NaN;
  const middle = (sorted.length - 1) / 2;
  return (at(Math.floor(middle)) + at(Math.ceil(middle))) / 2;
}

/** Fewer than four rounds on each side cannot give a p below the level, however far apart they are. */
const leastRounds = 4;

function changeOf(pair: Pair, p: number): Change {
  const { workload, cell, row, kind, metric, better } = pair;
  const [before, after] = [medianOf(pair.before), medianOf(pair.after)];
  const ratio = after / before;
  const few = Math.min(pair.before.length, pair.after.length) < leastRounds;
  const changed = p < level && Math.abs(ratio - 1) > leastChange;
  const good = better === 'higher' ? ratio > 1 : ratio < 1;
  return {
    ...{ workload, cell, row, kind, metric, before, after, ratio, p },
    interval: ratioInterval(pair.before, pair.after),
    verdict: few ? 'too few rounds' : !changed ? 'same' : good ? 'better' : 'worse',
  };
}

function warningsOf(before: BenchReport, after: BenchReport): string[] {
  const warnings: string[] = [];
  for (const fact of ['cpu', 'cores', 'kernel', 'node', 'fileSystem', 'device'] as const) {
    const [old, fresh] = [before.machine[fact], after.machine[fact]];
    if (old !== fresh)
      warnings.push(`not the same machine: ${fact} was ${String(old)} and is ${String(fresh)}`);
  }
  if (before.settings.payload !== after.settings.payload)
    warnings.push(`not the same payloads: ${before.settings.payload} and ${after.settings.payload}`);
  if (before.mode !== after.mode) warnings.push(`not the same plan: ${before.mode} and ${after.mode}`);
  for (const [name, { warnings: own, complete }] of [
    ['before', before] as const,
    ['after', after] as const,
  ]) {
    warnings.push(...own.map((text) => `${name}: ${text}`));
    if (!complete) warnings.push(`${name}: the run was stopped before its end`);
  }
  return warnings;
}
