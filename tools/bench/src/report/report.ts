/** What a run found, as it stands in the JSON file (schema/bench-report.schema.json). */
import type { Machine } from './machine.ts';

export const reportFormat = 'balsa-bench/1';

export type Better = 'higher' | 'lower' | 'neither';

export interface Metric {
  readonly unit: string;
  readonly better: Better;
  /** Median of the rounds; of tails, what all rounds together give. Null when it could not be measured. */
  readonly value: number | null;
  /** One value of each round, in order. */
  readonly rounds: readonly (number | null)[];
}

/** Above 1: better than what it is compared with, round by round. */
export interface Ratio {
  readonly value: number;
  readonly min: number;
  readonly max: number;
  readonly rounds: readonly number[];
}

/** `rival`: somebody else's whole cluster. */
export type RowKind = 'floor' | 'bare' | 'rival' | 'adapter';

/**
 * - `durable`: seen from outside to sync what it acknowledges.
 * - `relaxed`: says that it does not.
 * - `volatile`: keeps nothing beyond the process.
 * - `unproved`: could not be watched here.
 */
export type Durability = 'durable' | 'relaxed' | 'volatile' | 'unproved';

export interface Row {
  readonly label: string;
  readonly kind: RowKind;
  readonly durability: Durability;
  readonly metrics: Readonly<Record<string, Metric>>;
  /** By what it is compared with and the figure: `growing throughput`, `bare p50`. */
  readonly ratios: Readonly<Record<string, Ratio>>;
  /** Why there are no figures, or what must be known to read them. */
  readonly note?: string;
}

export interface Cell {
  readonly workload: string;
  /** Names the cell within its workload; the same in every report. */
  readonly title: string;
  readonly parameters: Readonly<Record<string, number | string>>;
  readonly rows: readonly Row[];
}

export interface Probe {
  /** Writes that were acknowledged. */
  readonly acknowledged: number;
  /** How many of them were synced before that. */
  readonly covered: number;
  /** Syncs that were seen meanwhile. */
  readonly syncs: number;
}

export interface StoreReport {
  readonly label: string;
  /** Of the engine, when it opened. */
  readonly engine: string | null;
  readonly engineVersion: string | null;
  /** `refused`: gets no number. `unavailable`: cannot be opened here. */
  readonly status: Durability | 'refused' | 'unavailable';
  /** Why, in one sentence; empty when there is nothing to say. */
  readonly reason: string;
  readonly probe: Probe | null;
}

export interface Bar {
  readonly label: string;
  readonly text: string;
  readonly required: number;
  readonly measured: number | null;
  readonly met: boolean | null;
  /** What the bare thing beneath reached in the same run: an engine or three processes without Raft. Null: not measured. */
  readonly bare: number | null;
}

export interface Figure {
  /** With its unit. */
  readonly name: string;
  readonly value: number;
}

/** Where the time of a row went that missed its bar. */
export interface Profile {
  readonly label: string;
  readonly cell: string;
  /** Of the same time, for a process of a cluster. */
  readonly figures?: readonly Figure[];
  /** Functions, or the parts of a process of a cluster. Shares of the time, from 0 to 1, largest first. */
  readonly functions: readonly { readonly name: string; readonly share: number }[];
}

export interface BenchReport {
  readonly format: typeof reportFormat;
  readonly mode: 'quick' | 'standard' | 'full';
  readonly startedAt: string;
  readonly seconds: number;
  /** False when it was stopped. */
  readonly complete: boolean;
  readonly machine: Machine;
  readonly settings: {
    readonly payload: string;
    readonly rounds: number;
    readonly sliceMs: number;
  };
  readonly warnings: readonly string[];
  readonly stores: readonly StoreReport[];
  readonly cells: readonly Cell[];
  readonly bars: readonly Bar[];
  readonly profiles: readonly Profile[];
}
