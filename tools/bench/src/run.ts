/** A whole run: the machine, the entrants, the workloads, the report. */
import { mkdtemp, rm } from 'node:fs/promises';
import { loadavg } from 'node:os';
import path from 'node:path';
import type { EngineSource } from '@balsa/engines';
import type { PayloadKind } from './measure/payload-pool.ts';
import type { Plan } from './plan.ts';
import { admit } from './admission.ts';
import { createBenchEnv } from './real-env.ts';
import { describeMachine, machineWarnings } from './report/machine.ts';
import { barsOf } from './report/bars.ts';
import {
  reportFormat,
  type Bar,
  type BenchReport,
  type Cell,
  type Profile,
  type StoreReport,
} from './report/report.ts';
import type { Entrant, Workload, WorkloadContext } from './workloads/context.ts';
import { profileMissed } from './workloads/profiles.ts';

export interface BenchOptions {
  readonly sources: readonly EngineSource[];
  readonly workloads: readonly Workload[];
  readonly plan: Plan;
  readonly payload: PayloadKind;
  /** Is there. Everything is written below a directory of this run's own in it, which is removed at the end. */
  readonly directory: string;
  /** Path or name of etcd's server: the clusters are measured beside one of its own. */
  readonly etcd?: string | undefined;
  readonly signal: AbortSignal;
  readonly say: (text: string) => void;
}

export async function runBench(options: BenchOptions): Promise<BenchReport> {
  const { plan, payload, signal, say, sources, etcd } = options;
  const startedAt = new Date();
  const begin = performance.now();
  const machine = describeMachine(options.directory);
  const home = await mkdtemp(path.join(options.directory, 'balsa-bench-'));
  const cells: Cell[] = [];
  const stores: StoreReport[] = [];
  let bars: Bar[] = [];
  let profiles: Profile[] = [];
  let complete = false;
  try {
    const env = createBenchEnv();
    const entrants: Entrant[] = [];
    const inDirectory = inside(home);
    const context: WorkloadContext = { plan, entrants, payload, env, etcd, signal, say, inDirectory };
    for (const source of sources) {
      const { store, entrant } = await admit(source, context);
      stores.push(store);
      if (entrant !== undefined) entrants.push(entrant);
    }
    for (const workload of options.workloads)
      for await (const cell of workload.run(context)) cells.push(cell);
    bars = barsOf({ cells });
    profiles = await profileMissed(context, bars);
    complete = true;
  } catch (error) {
    // What was measured until then is worth keeping; the report says that it is not all.
    if (!signal.aborted) throw error;
  } finally {
    await rm(home, { recursive: true, force: true });
  }
  return {
    format: reportFormat,
    mode: plan.mode,
    startedAt: startedAt.toISOString(),
    seconds: (performance.now() - begin) / 1000,
    complete,
    machine: { ...machine, loadAfter: loadavg()[0] ?? 0 },
    settings: { payload, rounds: plan.rounds, sliceMs: plan.sliceMs },
    warnings: machineWarnings(machine),
    stores,
    cells,
    bars,
    profiles,
  };
}

function inside(home: string): WorkloadContext['inDirectory'] {
  return async (work) => {
    const directory = await mkdtemp(path.join(home, 'cell-'));
    try {
      return await work(directory);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  };
}
