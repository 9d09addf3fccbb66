/** What many seeds came to. */
import type { SeedReport } from './messages.ts';

export interface Totals {
  seeds: number;
  events: number;
  virtualMs: number;
  operations: number;
  undecided: number;
  /** Seeds in which a snapshot was installed while the network was divided. */
  snapshotDuringPartition: number;
  readonly coverage: Record<string, number>;
  readonly violations: SeedReport[];
}

export function newTotals(): Totals {
  return {
    seeds: 0,
    events: 0,
    virtualMs: 0,
    operations: 0,
    undecided: 0,
    snapshotDuringPartition: 0,
    coverage: {},
    violations: [],
  };
}

export function addReport(totals: Totals, report: SeedReport): void {
  totals.seeds++;
  totals.events += report.events;
  totals.virtualMs += report.virtualMs;
  totals.operations += report.operationCount;
  for (const [name, count] of Object.entries(report.coverage)) {
    totals.coverage[name] = (totals.coverage[name] ?? 0) + count;
  }
  if (report.coverage['client history undecided'] !== undefined) totals.undecided++;
  if ((report.coverage['state snapshot installed during a partition'] ?? 0) > 0)
    totals.snapshotDuringPartition++;
  if (report.violation !== undefined) totals.violations.push(report);
}

/** A table of how often each thing happened, for people. */
export function coverageLines(totals: Totals): string[] {
  const sorted = Object.entries(totals.coverage).sort(([a], [b]) => (a < b ? -1 : 1));
  const lines = sorted.map(([name, count]) => `  ${name.padEnd(52)} ${String(count).padStart(12)}`);
  const share = totals.seeds === 0 ? 0 : (100 * totals.snapshotDuringPartition) / totals.seeds;
  lines.push(
    `  seeds with a snapshot installed during a partition: ${totals.snapshotDuringPartition} of ${totals.seeds} (${share.toFixed(1)} %)`,
  );
  return lines;
}
