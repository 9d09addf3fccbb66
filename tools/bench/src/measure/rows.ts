/** From the samples of the rounds to the figures of a row. */
import type { Better, Metric, Ratio } from '../report/report.ts';
import { spreadOf } from '../stats.ts';
import { Latencies } from './latencies.ts';
import type { Sample } from './slice.ts';

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

/** A metric of one value each round; its value is their median. */
export function metricOf(unit: string, better: Better, rounds: readonly number[]): Metric {
  const known = rounds.filter((value) => Number.isFinite(value));
  return {
    unit,
    better,
    value: known.length === 0 ? null : finite(spreadOf(known).median),
    rounds: rounds.map(finite),
  };
}

/** The same, with a value of its own: what all rounds together give. */
export function pooledMetric(unit: string, better: Better, rounds: readonly number[], value: number): Metric {
  return { ...metricOf(unit, better, rounds), value: finite(value) };
}

export function ratioOf(rounds: readonly number[]): Ratio | undefined {
  const known = rounds.filter((value) => Number.isFinite(value));
  if (known.length === 0) return undefined;
  const { median, min, max } = spreadOf(known);
  return { value: median, min, max, rounds: known };
}

/** Ours to theirs, round by round, so that above 1 is better. */
export function compareMetrics(ours: Metric, theirs: Metric): Ratio | undefined {
  if (ours.better === 'neither') return undefined;
  const ratios = ours.rounds.map((value, i) => {
    const other = theirs.rounds[i] ?? Number.NaN;
    if (value === null) return Number.NaN;
    return ours.better === 'higher' ? value / other : other / value;
  });
  return ratioOf(ratios);
}

/** The figures of closed-loop slices. `unit` names what is counted: entry, read. */
export function metricsOf(samples: readonly Sample[], unit: string): Record<string, Metric> {
  const all = new Latencies();
  for (const { latencies } of samples) all.add(latencies);
  const each = (value: (sample: Sample) => number): number[] => samples.map(value);
  const percentile = (percent: number): number[] => each(({ latencies }) => latencies.percentile(percent));
  const total = (value: (sample: Sample) => number): number =>
    samples.reduce((sum, one) => sum + value(one), 0);
  const units = total((sample) => sample.units);
  return {
    throughput: metricOf(
      `${unit}/s`,
      'higher',
      each((sample) => (sample.units * 1000) / sample.elapsedMs),
    ),
    p50: metricOf('ms', 'lower', percentile(50)),
    p99: pooledMetric('ms', 'lower', percentile(99), all.percentile(99)),
    p999: pooledMetric('ms', 'lower', percentile(99.9), all.percentile(99.9)),
    max: pooledMetric(
      'ms',
      'lower',
      each(({ latencies }) => latencies.max),
      all.max,
    ),
    cpu: pooledMetric(
      `us/${unit}`,
      'lower',
      each((sample) => (sample.cpuMs * 1000) / sample.units),
      (total((sample) => sample.cpuMs) * 1000) / units,
    ),
    written: pooledMetric(
      `bytes/${unit}`,
      'lower',
      each((sample) => sample.writtenBytes / sample.units),
      total((sample) => sample.writtenBytes) / units,
    ),
    loop: pooledMetric(
      'ms',
      'lower',
      each((sample) => sample.loopMaxMs),
      Math.max(...each((sample) => sample.loopMaxMs)),
    ),
  };
}
