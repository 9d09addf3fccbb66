/**
 * A race: all lanes of a cell in turn, slice by slice, in rounds. So that each meets the same machine in the
 * same seconds, every round begins with another lane.
 */
import type { Durability, Row, RowKind } from '../report/report.ts';
import { compareMetrics, metricsOf } from './rows.ts';
import { runSlice, type Lane, type Sample } from './slice.ts';

export interface Runner {
  readonly label: string;
  readonly kind: RowKind;
  readonly durability: Durability;
  readonly lane: Lane;
  /** Labels of runners that it is compared with, by the name of the ratio. */
  readonly against: Readonly<Record<string, string>>;
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

export async function race(runners: readonly Runner[], options: RaceOptions): Promise<Row[]> {
  const { rounds, sliceMs, signal, unit } = options;
  const samples = new Map<Runner, Sample[]>(runners.map((runner) => [runner, []]));
  const failures = new Map<Runner, string>();
  const slice = async (runner: Runner, ms: number): Promise<Sample | undefined> => {
    if (failures.has(runner)) return undefined;
    try {
      return await runSlice(runner.lane, ms, signal);
    } catch (error) {
      if (signal.aborted) throw error;
      failures.set(runner, error instanceof Error ? error.message : String(error));
      return undefined;
    }
  };
  for (const runner of runners) await slice(runner, sliceMs);
  for (let round = 0; round < rounds; round++) {
    for (let n = 0; n < runners.length; n++) {
      const runner = runners[(n + round) % runners.length];
      const sample = runner === undefined ? undefined : await slice(runner, sliceMs);
      if (runner !== undefined && sample !== undefined) samples.get(runner)?.push(sample);
    }
  }
  const rows = runners.map((runner): Row => {
    const failure = failures.get(runner);
    const { label, kind, durability } = runner;
    if (failure !== undefined) return { label, kind, durability, metrics: {}, ratios: {}, note: failure };
    return { label, kind, durability, metrics: metricsOf(samples.get(runner) ?? [], unit), ratios: {} };
  });
  return runners.map((runner, i) => withRatios(runner, rows[i] ?? emptyRow(runner), rows));
}

function emptyRow({ label, kind, durability }: Runner): Row {
  return { label, kind, durability, metrics: {}, ratios: {} };
}

function withRatios({ against }: Runner, row: Row, rows: readonly Row[]): Row {
  const ratios: Record<string, NonNullable<ReturnType<typeof compareMetrics>>> = {};
  for (const [name, label] of Object.entries(against)) {
    const other = rows.find((one) => one.label === label);
    for (const figure of compared) {
      const ours = row.metrics[figure];
      const theirs = other?.metrics[figure];
      const ratio = ours === undefined || theirs === undefined ? undefined : compareMetrics(ours, theirs);
      if (ratio !== undefined) ratios[`${name} ${figure}`] = ratio;
    }
  }
  return { ...row, ratios };
}
