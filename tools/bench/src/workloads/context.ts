/** What every workload is given. */
import type { Env } from '@balsa/raft-core';
import type { PayloadKind } from '../measure/payload-pool.ts';
import type { Cell, Durability } from '../report/report.ts';
import type { Plan } from '../plan.ts';
import type { EngineSource } from '@balsa/engines';

/** A store that may have a number, and what is known of its durability. */
export interface Entrant {
  readonly source: EngineSource;
  readonly durability: Durability;
}

export interface WorkloadContext {
  readonly plan: Plan;
  readonly entrants: readonly Entrant[];
  readonly payload: PayloadKind;
  readonly env: Env;
  /** etcd's server, as a rival of the clusters. */
  readonly etcd?: string | undefined;
  readonly signal: AbortSignal;
  /** Told what is under way. */
  readonly say: (text: string) => void;
  /** A fresh directory on the path under test, gone when `work` settles. */
  readonly inDirectory: <T>(work: (directory: string) => Promise<T>) => Promise<T>;
}

/** A workload by its name. Gives its cells one by one, so that what is done survives a stop. */
export interface Workload {
  readonly name: string;
  readonly description: string;
  run(context: WorkloadContext): AsyncIterable<Cell>;
}
