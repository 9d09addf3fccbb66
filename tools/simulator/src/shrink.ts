/** Makes a failing run smaller: fewer kinds of faults, fewer nodes and clients, fewer steps, while it still fails. */
import { faultNames, type FaultName } from './plan.ts';
import { simulate, type SeedResult, type SimulateOptions } from './simulate.ts';

export interface Shrunk {
  readonly options: SimulateOptions;
  readonly result: SeedResult;
  readonly runs: number;
}

export interface ShrinkOptions {
  /** Runs that may be spent. */
  readonly maxRuns: number;
  /** Asked before every run. */
  readonly goOn: () => boolean;
}

/** `result` is of a run that broke a rule; what is given back broke the same rule. */
export async function shrink(
  result: SeedResult,
  start: SimulateOptions,
  limits: ShrinkOptions,
): Promise<Shrunk> {
  const { seed } = result.plan;
  const rule = result.violation?.rule;
  let best = {
    options: { ...start, nodes: result.plan.nodes, clients: result.plan.clients, events: result.plan.events },
    result,
  };
  let runs = 0;
  const tryIt = async (change: Partial<SimulateOptions>): Promise<boolean> => {
    if (runs >= limits.maxRuns || !limits.goOn()) return false;
    runs++;
    const options = { ...best.options, ...change };
    const found = await simulate(seed, options);
    if (found.violation?.rule !== rule) return false;
    best = { options, result: found };
    return true;
  };
  // A violation during the faults needs no more steps than it took to get there.
  if (best.result.events < best.options.events) await tryIt({ events: best.result.events });
  const without = (names: readonly FaultName[]): Partial<SimulateOptions> => {
    return { without: [...new Set([...(best.options.without ?? []), ...names])] };
  };
  await tryIt(without(faultNames));
  for (const name of result.plan.faults) {
    if (best.result.plan.faults.includes(name)) await tryIt(without([name]));
  }
  for (const nodes of [1, 2, 3]) if (nodes < best.options.nodes && (await tryIt({ nodes }))) break;
  for (const clients of [1, 2]) if (clients < best.options.clients && (await tryIt({ clients }))) break;
  for (let events = Math.floor(best.options.events / 2); events > 100; events = Math.floor(events / 2)) {
    if (!(await tryIt({ events }))) break;
  }
  return { ...best, runs };
}
