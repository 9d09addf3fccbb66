/** What the project holds its adapters to, and whether this run shows it. */
import type { BenchReport, Bar, Cell, Row } from './report.ts';

interface Rule {
  readonly workload: string;
  /** Begins the title of the cell. */
  readonly cell: string;
  readonly label: string;
  readonly text: string;
  readonly required: number;
  /** The row of the same cell that has nothing above the bare thing. */
  readonly bare?: string;
  /** Undefined: this run cannot tell, and says nothing. */
  readonly measured: (row: Row) => number | null | undefined;
}

const growing = (row: Row): number | null => row.ratios['growing p50']?.value ?? null;
const bare = (row: Row): number | null => row.ratios['bare throughput']?.value ?? null;

function append(label: string, batch: number, required: number, against: 'growing' | 'bare'): Rule {
  const what =
    against === 'growing'
      ? 'of the speed of the floor on a growing file, by median latency'
      : 'of the throughput of its bare client';
  return {
    workload: 'append',
    cell: `batch ${batch}, 256 B, 1 group`,
    label,
    text: `${label}, batch ${batch}: at least ${required} ${what}`,
    required,
    ...(against === 'growing' && { bare: 'bare better-sqlite3' }),
    measured: against === 'growing' ? growing : bare,
  };
}

/** What the row of three processes without Raft is called. */
export const bareReplication = 'bare: files, no Raft';

/** Twice etcd 3.4's 6,000/s, as measured on another day on a machine of two CPUs. */
const clusterSets = 12_000;

const rules: readonly Rule[] = [
  append('sqlite', 1, 1, 'growing'),
  append('sqlite', 16, 1, 'growing'),
  append('sqlite', 256, 0.6, 'growing'),
  ...[1, 16, 256].map((batch) => append('redis', batch, 0.8, 'bare')),
  ...[1, 16, 256].map((batch) => append('rocksdb worker=false', batch, 0.8, 'bare')),
  {
    workload: 'cluster',
    cell: '256 clients',
    label: 'sqlite',
    text: `three processes on SQLite, 256 clients: at least ${clusterSets} SETs/s (twice etcd 3.4 on two CPUs)`,
    required: clusterSets,
    measured: (row) =>
      row.ratios['etcd throughput'] === undefined ? (row.metrics['throughput']?.value ?? null) : undefined,
  },
  {
    workload: 'cluster',
    cell: '256 clients',
    label: 'sqlite',
    text: 'three processes on SQLite, 256 clients: at least twice the throughput of etcd in the same run',
    required: 2,
    measured: (row) => row.ratios['etcd throughput']?.value,
  },
  {
    workload: 'cluster',
    cell: '1 client,',
    label: 'sqlite',
    text: 'three processes on SQLite, one client: p50 within twice two round trips and one sync (0.5 of their speed)',
    required: 0.5,
    bare: bareReplication,
    measured: (row) => row.ratios['round trips p50']?.value ?? null,
  },
];

function cellOf(cells: readonly Cell[], { workload, cell }: Rule): Cell | undefined {
  return cells.find((one) => one.workload === workload && one.title.startsWith(cell));
}

/** Those for whose store and cell the run has something to say. */
export function barsOf({ cells }: Pick<BenchReport, 'cells'>): Bar[] {
  const bars: Bar[] = [];
  for (const rule of rules) {
    const rows = cellOf(cells, rule)?.rows ?? [];
    const row = rows.find(({ label, kind }) => label === rule.label && kind === 'adapter');
    if (row === undefined) continue;
    const { text, required, label } = rule;
    const measured = rule.measured(row);
    if (measured === undefined) continue;
    const bareRow = rows.find(({ label: other, kind }) => other === rule.bare && kind === 'bare');
    bars.push({
      ...{ label, text, required, measured, met: measured === null ? null : measured >= required },
      bare: (bareRow === undefined ? undefined : rule.measured(bareRow)) ?? null,
    });
  }
  return bars;
}
