/**
 * A race: all lanes of a cell in turn, slice by slice, in rounds. So that each meets the same machine in the
 * same seconds, every round begins with another lane.
 */
import type { Durability, Ratio, Row, RowKind } from '../report/report.ts';
import { compareMetrics, metricsOf } from './rows.ts';
import { runSlice, type Lane, type Sample } from './slice.ts';

/** Who runs, and with whom it is compared. */
export interface Contestant {
  readonly label: string;
  readonly kind: RowKind;
  readonly durability: Durability;
  /** Labels of contestants that it is compared with, by the name of the ratio. */
  readonly against: Readonly<Record<string, string>>;
}

export interface Runner extends Contestant {
  readonly lane: Lane;
}

export interface RaceOptions {
  readonly rounds: number;
  readonly sliceMs: number;
  readonly signal: AbortSignal;
  /** What is counted: entry, read. */
  readonly unit: string;
}

/** Figures of which ratios are given. */
const compared = ['throughput', 'p50', 'p99'] as const;

/** Closed loops. */
export function race(
  runners: readonly Runner[],
  { rounds, sliceMs, signal, unit }: RaceOptions,
): Promise<Row[]> {
  return raceWith(runners, rounds, unit, ({ lane }) => runSlice(lane, sliceMs, signal), signal);
}

/** A round to warm up, then those that count. One that fails is out, and its row says why. */
export async function raceWith<R extends Contestant>(
  runners: readonly R[],
  rounds: number,
  unit: string,
  run: (runner: R) => Promise<Sample>,
  signal: AbortSignal,
): Promise<Row[]> {
  const samples = new Map<R, Sample[]>(runners.map((runner) => [runner, []]));
  const failures = new Map<R, string>();
  const slice = async (runner: R, keep: boolean): Promise<void> => {
    if (failures.has(runner)) return;
    try {
      const sample = await run(runner);
      if (keep) samples.get(runner)?.push(sample);
    } catch (error) {
      signal.throwIfAborted();
      failures.set(runner, error instanceof Error ? error.message : String(error));
    }
  };
  for (let round = -1; round < rounds; round++) {
    for (let n = 0; n < runners.length; n++) {
      const runner = runners[(n + round + 1) % runners.length];
      if (runner !== undefined) await slice(runner, round >= 0);
    }
  }
  const rows = new Map<string, Row>();
  for (const runner of runners) {
    const { label, kind, durability } = runner;
    const note = failures.get(runner);
    rows.set(label, {
      ...{ label, kind, durability },
      metrics: note === undefined ? metricsOf(samples.get(runner) ?? [], unit) : {},
      ratios: {},
      ...(note !== undefined && { note }),
    });
  }
  return runners.flatMap((runner) => {
    const row = rows.get(runner.label);
    return row === undefined ? [] : [{ ...row, ratios: ratiosOf(runner, row, rows) }];
  });
}

function ratiosOf({ against }: Contestant, row: Row, rows: ReadonlyMap<string, Row>): Record<string, Ratio> {
  const ratios: Record<string, Ratio> = {};
  for (const [name, label] of Object.entries(against)) {
    const other = rows.get(label);
    for (const figure of compared) {
      const ours = row.metrics[figure];
      const theirs = other?.metrics[figure];
      const ratio = ours === undefined || theirs === undefined ? undefined : compareMetrics(ours, theirs);
      if (ratio !== undefined) ratios[`${name} ${figure}`] = ratio;
    }
  }
  return ratios;
}
