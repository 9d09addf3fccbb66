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

const growing = ratio(
  'growing p50',
  'x grow',
  'speed by median latency against the floor on a growing file; above 1 is faster',
);
const preallocated = ratio('preallocated p50', 'x pre', 'the same against the floor on a preallocated file');
const costs: readonly Column[] = [
  metric('cpu', 'us CPU', 'CPU time of all threads and servers for one entry'),
  metric('written', 'B disk', 'bytes sent to the disk for one entry'),
  metric('loop', 'loop ms', 'the longest that a timer came late'),
];

const columns: Readonly<Record<string, readonly Column[]>> = {
  append: [
    metric('throughput', 'entries/s', 'durable entries a second, median of the rounds'),
    ...tails,
    growing,
    preallocated,
    ratio('bare throughput', 'x bare', "throughput against the engine's bare client"),
    ...costs,
  ],
  open: [
    metric('throughput', 'entries/s', 'durable entries a second; below the rate of arrival: overloaded'),
    metric('p50', 'p50 ms', 'median latency of an entry, from when it was due'),
    metric('p99', 'p99 ms', 'latency that one entry of a hundred exceeds'),
    metric('p999', 'p99.9 ms', 'one of a thousand'),
    metric('max', 'max ms', 'the longest of all'),
    growing,
    preallocated,
    ...costs,
  ],
  read: [
    metric('throughput', 'entries/s', 'entries read a second, median of the rounds'),
    ...tails,
    ratio('read p50', 'x pread', 'speed by median latency against reading the same bytes out of a file'),
    metric('cpu', 'us CPU', 'CPU time of all threads and servers for one entry'),
    metric('loop', 'loop ms', 'the longest that a timer came late'),
  ],
  snapshot: [
    metric('create', 'create', 'MiB/s, written and durable'),
    ratio('file create', 'x file', 'against writing a file, syncing and renaming it'),
    metric('stream', 'read', 'MiB/s, read chunk by chunk, each verified'),
    ratio('file stream', 'x file', 'against reading the file'),
    metric('install', 'install', 'MiB/s, received, durable, and made the base of a log'),
    ratio('file install', 'x file', 'against writing a file, syncing and renaming it'),
    metric('heap', 'heap MiB', 'growth of heap and buffers at its highest'),
    metric('alone', 'p99 alone', 'p99 of appends of another group before, in ms'),
    metric('beside', 'beside', 'p99 of the same appends meanwhile, in ms'),
    metric('loop', 'loop ms', 'the longest that a timer came late'),
  ],
  compaction: [
    ...tails,
    growing,
    metric('compact', 'compact ms', 'from compactTo to the end of maintenance, beside writes'),
    metric('compactCpu', 'CPU ms', 'CPU time meanwhile, that of the writes beside it included'),
    metric('space', 'x space', 'bytes on the disk at the end for one that is live'),
    metric('amplification', 'x written', 'bytes sent to the disk for one byte of entries'),
    metric('drift', 'drift', 'median latency of the last third of the cycles to that of the first'),
    metric('open', 'open ms', 'opening it anew at the end'),
  ],
  cluster: [
    metric('throughput', 'SETs/s', 'accepted a second, median of the rounds'),
    ...tails,
    ratio(
      'round trips p50',
      'x floor',
      'speed by median latency against two round trips over loopback and one sync; above 1 is faster',
    ),
    ratio(
      'bare p50',
      'x bare',
      'the same against three processes that write, sync and answer, without Raft or a store',
    ),
    ratio('etcd throughput', 'x etcd', 'throughput against three etcd processes measured in the same way'),
    metric('cpu', 'us CPU', 'CPU time of the three nodes and their servers for one SET'),
    metric('written', 'B disk', 'bytes sent to the disk by all of them for one SET'),
  ],
  failover: [
    metric('unavailable', 'median ms', 'from the kill until a SET sent afterwards was accepted'),
    metric('worst', 'worst ms', 'the longest of them'),
  ],
  reopen: [
    metric('open', 'open ms', 'engine and group, median'),
    metric('throughput', 'entries/s', 'entries in the log for each second of it'),
    ratio('read open', 'x read', 'against reading the same bytes out of a file'),
  ],
};

export function columnsOf(workload: string): readonly Column[] {
  return columns[workload] ?? [];
}
