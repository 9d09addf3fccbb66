/** One seed, from beginning to end. */
import { checkHistory, kvModel, type Operation } from '@balsa/checker';
import { isBalsaError, type Tracer } from '@balsa/raft-core';
import { Nemesis } from './faults/nemesis.ts';
import { Violation, type Rule } from './judge/violation.ts';
import { makePlan, type Plan, type PlanOptions } from './plan.ts';
import { Admin } from './work/admin.ts';
import { Clients } from './work/clients.ts';
import { Cluster } from './world/cluster.ts';
import type { CoverageCounts } from './world/coverage.ts';
import { provesAlive, servesWithoutOthers } from './work/liveness.ts';

export interface SimulateOptions extends PlanOptions {
  /** Is given what every core does: see `TraceEvent`. Slows the run down. */
  readonly tracer?: Tracer;
  /** Is given every line of the trace, not the last ones only. */
  readonly onLine?: (line: string) => void;
}

export interface SeedResult {
  readonly plan: Plan;
  readonly events: number;
  readonly virtualMs: number;
  /** Equal when, and only when, the same happened. */
  readonly digest: string;
  readonly coverage: CoverageCounts;
  readonly operations: readonly Operation[];
  readonly violation:
    { readonly rule: Rule; readonly message: string; readonly details: readonly string[] } | undefined;
  /** The last events, for people. */
  readonly trace: readonly string[];
}

/** Runs one seed. Resolves, also when a rule was broken: `violation` says which. */
export async function simulate(seed: number, options: SimulateOptions): Promise<SeedResult> {
  const plan = makePlan(seed, options);
  const cluster = new Cluster(plan, options.tracer);
  cluster.trace.onLine = options.onLine;
  let violation: Violation | undefined;
  const onRejection = (error: unknown): void => {
    cluster.judge.complain(
      'I16 Robustness',
      `a promise was rejected and nobody looked: ${String(error)}`,
      stackOf(error),
    );
  };
  process.on('unhandledRejection', onRejection);
  try {
    await run(cluster);
  } catch (error) {
    if (error instanceof Violation) violation = error;
    else
      violation = new Violation('I16 Robustness', `the simulation broke: ${String(error)}`, stackOf(error));
  } finally {
    process.off('unhandledRejection', onRejection);
  }
  return {
    plan,
    events: cluster.clock.events,
    virtualMs: cluster.clock.now,
    digest: cluster.trace.digest,
    coverage: cluster.coverage.toJSON(),
    operations: cluster.history.operations(),
    violation: violation && { rule: violation.rule, message: violation.message, details: violation.details },
    trace: cluster.trace.lines(),
  };
}

/** Safety under faults, then progress once all is well again, then the judgement on what clients saw. */
async function run(cluster: Cluster): Promise<void> {
  const clients = new Clients(cluster);
  const nemesis = new Nemesis(cluster);
  new Admin(cluster).begin();
  await cluster.clock.run(() => false, cluster.plan.events);
  clients.open = false;
  const core = nemesis.healCore();
  if (core !== undefined) await servesWithoutOthers(cluster, core);
  nemesis.heal();
  await provesAlive(cluster);
  const { recoveredInFlight, recoveredRestore } = cluster.judge.counts;
  cluster.coverage.count('state', 'store recovers a write under way', recoveredInFlight);
  cluster.coverage.count('state', 'store recovers a restore under way', recoveredRestore);
  const verdict = checkHistory(cluster.history.operations(), kvModel, { budget: 100_000 });
  cluster.coverage.count('client', `history ${verdict.verdict}`);
  if (verdict.verdict === 'violation') {
    throw new Violation(
      'I13 Linearizability',
      `the history of ${verdict.key} has no explanation`,
      verdict.explanation,
    );
  }
}

function stackOf(error: unknown): string[] {
  const lines = error instanceof Error ? (error.stack ?? error.message).split('\n') : [String(error)];
  if (isBalsaError(error)) lines.push(error.code);
  return lines.slice(0, 20);
}
