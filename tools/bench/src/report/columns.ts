/** Which figures of a workload are shown, in tables of the terminal, of the page and of the HTML report alike. */
import { metricText, ratioText } from './format.ts';
import type { Row } from './report.ts';

export interface Column {
  readonly heading: string;
  /** What it means, for captions. */
  readonly meaning: string;
  readonly text: (row: Row) => string;
}

function metric(name: string, heading: string, meaning: string): Column {
  return { heading, meaning, text: (row) => metricText(row.metrics[name]) };
}

function ratio(name: string, heading: string, meaning: string): Column {
  return { heading, meaning, text: (row) => ratioText(row.ratios[name]) };
}

const tails: readonly Column[] = [
  metric('p50', 'p50 ms', 'median latency of one operation'),
  metric('p99', 'p99 ms', 'latency that one operation of a hundred exceeds, over all rounds'),
  metric('max', 'max ms', 'the longest of all'),
];

const columns: Readonly<Record<string, readonly Column[]>> = {
  append: [
    metric('throughput', 'entries/s', 'durable entries a second, median of the rounds'),
    ...tails,
    ratio(
      'growing p50',
      'x grow',
      'speed by median latency against the floor on a growing file; above 1 is faster',
    ),
    ratio('preallocated p50', 'x pre', 'the same against the floor on a preallocated file'),
    ratio('bare throughput', 'x bare', "throughput against the engine's bare client"),
    metric('cpu', 'us CPU', 'CPU time of all threads and servers for one entry'),
    metric('written', 'B disk', 'bytes sent to the disk for one entry'),
    metric('loop', 'loop ms', 'the longest that a timer came late'),
  ],
};

export function columnsOf(workload: string): readonly Column[] {
  return columns[workload] ?? [];
}
