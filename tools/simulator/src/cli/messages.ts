/** What the program and the processes that run seeds for it say to each other. */
import { simulate, type SeedResult, type SimulateOptions } from '../simulate.ts';

export interface SeedOrder {
  readonly seed: number;
  readonly options: Omit<SimulateOptions, 'tracer' | 'onLine'>;
}

/** A result without what is long: who wants it runs the seed again. */
export type SeedReport = Omit<SeedResult, 'operations' | 'trace'> & {
  readonly operationCount: number;
  /** Processor time that the seed took, on all threads of its process. */
  readonly cpuMs: number;
};

export function reportOf(result: SeedResult, cpuMs: number): SeedReport {
  const { operations, trace: _, ...rest } = result;
  return { ...rest, operationCount: operations.length, cpuMs };
}

export async function runSeed({ seed, options }: SeedOrder): Promise<SeedReport> {
  const before = process.cpuUsage();
  const result = await simulate(seed, options);
  const { user, system } = process.cpuUsage(before);
  return reportOf(result, (user + system) / 1000);
}
