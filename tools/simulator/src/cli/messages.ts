/** What the program and the processes that run seeds for it say to each other. */
import type { SeedResult, SimulateOptions } from '../simulate.ts';

export interface SeedOrder {
  readonly seed: number;
  readonly options: Omit<SimulateOptions, 'tracer' | 'onLine'>;
}

/** A result without what is long: who wants it runs the seed again. */
export type SeedReport = Omit<SeedResult, 'operations' | 'trace'> & { readonly operationCount: number };

export function reportOf(result: SeedResult): SeedReport {
  const { operations, trace, ...rest } = result;
  return { ...rest, operationCount: operations.length + 0 * trace.length };
}
