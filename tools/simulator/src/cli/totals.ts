/** What many seeds came to, in one run or in several that are added up. */
import type { ProfileName } from '../plan.ts';
import type { CoverageCounts } from '../world/coverage.ts';
import type { SeedReport } from './messages.ts';

/** Seeds that ran one after another, in one run. */
export interface Slice {
  readonly from: number;
  seeds: number;
  /** Digest of the code that ran: see `codeDigest`. */
  readonly code: string;
}

export interface Totals {
  readonly profile: ProfileName;
  readonly slices: Slice[];
  seeds: number;
  events: number;
  /** Of the seed with the fewest. */
  fewestEvents: number;
  virtualMs: number;
  /** Processor time of the seeds, without that of starting up. */
  cpuMs: number;
  operations: number;
  readonly coverage: Record<string, number>;
  /** In how many seeds each thing happened. */
  readonly seedsWith: Record<string, number>;
  readonly violations: SeedReport[];
}

export function newTotals(profile: ProfileName, slices: Slice[]): Totals {
  return {
    profile,
    slices,
    seeds: 0,
    events: 0,
    fewestEvents: Number.MAX_SAFE_INTEGER,
    virtualMs: 0,
    cpuMs: 0,
    operations: 0,
    coverage: {},
    seedsWith: {},
    violations: [],
  };
}

function addCounts(to: Record<string, number>, counts: CoverageCounts): void {
  for (const [name, count] of Object.entries(counts)) to[name] = (to[name] ?? 0) + count;
}

export function addReport(totals: Totals, report: SeedReport): void {
  totals.seeds++;
  const slice = totals.slices.at(-1);
  if (slice !== undefined) slice.seeds++;
  totals.events += report.events;
  totals.fewestEvents = Math.min(totals.fewestEvents, report.events);
  totals.virtualMs += report.virtualMs;
  totals.cpuMs += report.cpuMs;
  totals.operations += report.operationCount;
  addCounts(totals.coverage, report.coverage);
  addCounts(totals.seedsWith, Object.fromEntries(Object.keys(report.coverage).map((name) => [name, 1])));
  if (report.violation !== undefined) totals.violations.push(report);
}

/** Adds up runs of one profile. Throws `RangeError` where a seed would count twice. */
export function mergeTotals(all: readonly Totals[]): Totals {
  const [first] = all;
  if (first === undefined) throw new RangeError('there is nothing to merge');
  const merged = newTotals(first.profile, []);
  for (const one of all) {
    if (one.profile !== first.profile)
      throw new RangeError(`profile ${one.profile} cannot be added to ${first.profile}`);
    merged.slices.push(...one.slices);
    merged.seeds += one.seeds;
    merged.events += one.events;
    merged.fewestEvents = Math.min(merged.fewestEvents, one.fewestEvents);
    merged.virtualMs += one.virtualMs;
    merged.cpuMs += one.cpuMs;
    merged.operations += one.operations;
    addCounts(merged.coverage, one.coverage);
    addCounts(merged.seedsWith, one.seedsWith);
    merged.violations.push(...one.violations);
  }
  merged.slices.sort((a, b) => a.from - b.from);
  for (const [i, slice] of merged.slices.entries()) {
    const before = merged.slices[i - 1];
    if (before !== undefined && before.from + before.seeds > slice.from)
      throw new RangeError(`seed ${slice.from} is in two of the files`);
  }
  return merged;
}
