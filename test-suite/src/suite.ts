/** The cases, and how they are handed to a test runner. */
import { runCase, type ConformanceCase } from './case.ts';
import { appendCases } from './cases/append.ts';
import { atomicityCases } from './cases/atomicity.ts';
import { callersCases } from './cases/callers.ts';
import { capabilityCases } from './cases/capabilities.ts';
import { closeCases } from './cases/close.ts';
import { compactionCases } from './cases/compaction.ts';
import { concurrencyCases } from './cases/concurrency.ts';
import { crashInProcessCases } from './cases/crash-in-process.ts';
import { cycleCases } from './cases/cycles.ts';
import { groupCases } from './cases/groups.ts';
import { installCases } from './cases/install.ts';
import { largeEntryCases } from './cases/large-entries.ts';
import { modelCases } from './cases/model.ts';
import { openAndIdentityCases } from './cases/open-and-identity.ts';
import { orderedEdgeCases } from './cases/ordered-edges.ts';
import { orderedModelCases } from './cases/ordered-model.ts';
import { orderedStoreCases } from './cases/ordered-store.ts';
import { promiseCases } from './cases/promises.ts';
import { readCases } from './cases/read.ts';
import { reopenCases } from './cases/reopen.ts';
import { snapshotCases } from './cases/snapshots.ts';
import { snapshotWriterCases } from './cases/snapshot-writers.ts';
import { confStateCases, hardStateCases } from './cases/state.ts';
import { powerCases } from './power/cases.ts';
import { corruptionCases } from './corruption/cases.ts';
import { crashCases } from './crash/cases.ts';
import { faultCases } from './faults/cases.ts';
import { connectionCases } from './faults/connection.ts';
import { missingNeed, type Runner, type Target } from './target.ts';

/** Every case of the log side: groups, their logs, states and snapshots. */
export const storageCases: readonly ConformanceCase[] = [
  ...openAndIdentityCases,
  ...capabilityCases,
  ...appendCases,
  ...readCases,
  ...hardStateCases,
  ...confStateCases,
  ...atomicityCases,
  ...callersCases,
  ...promiseCases,
  ...compactionCases,
  ...snapshotCases,
  ...snapshotWriterCases,
  ...installCases,
  ...groupCases,
  ...closeCases,
  ...reopenCases,
  ...crashInProcessCases,
  ...concurrencyCases,
  ...largeEntryCases,
  ...powerCases,
  ...corruptionCases,
  ...crashCases,
  ...faultCases,
  ...connectionCases,
  ...cycleCases,
  ...modelCases,
];

/** Every case of the ordered key-value store. */
export const orderedCases: readonly ConformanceCase[] = [
  ...orderedStoreCases,
  ...orderedEdgeCases,
  ...orderedModelCases,
].map((one): ConformanceCase => ({ ...one, needs: [...(one.needs ?? []), 'ordered-store'] }));

/** Registers one test per case of the log side, named `id: title`. */
export function storageConformance(runner: Runner, target: Target): void {
  register(runner, target, 'storage', storageCases);
}

/** Registers one test per case of the ordered store, named `id: title`. */
export function orderedStoreConformance(runner: Runner, target: Target): void {
  register(runner, target, 'ordered store', orderedCases);
}

/** Bound on one case, in milliseconds. Not a measure of speed: a disk shared with others may take long over a sync. */
const caseTimeoutMs = 300_000;

function register(runner: Runner, target: Target, what: string, cases: readonly ConformanceCase[]): void {
  const { describe, test } = runner;
  describe(`${target.name} ${what}`, () => {
    for (const one of cases) {
      const reason = one.long === true ? 'only when asked for' : missingNeed(target, one.needs);
      if (reason === undefined) {
        test(`${one.id}: ${one.title}`, () => runRegistered(one, target), caseTimeoutMs);
      } else {
        // A runner without skip is told by the name: nothing is left out in silence.
        const skip = test.skip ?? test;
        skip(`${one.id}: not applicable: ${reason}`, () => Promise.resolve());
      }
    }
  });
}

/** A case that finds out only when it runs that it does not apply says so in a warning: runners differ in how to skip then. */
async function runRegistered(one: ConformanceCase, target: Target): Promise<void> {
  const outcome = await runCase(one, target);
  if (outcome.status === 'passed') return;
  process.emitWarning(`${one.id} is not applicable to ${target.name}: ${outcome.reason}`, 'BalsaConformance');
}
