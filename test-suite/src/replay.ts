/** Seeds: how random histories are chosen, and how a failed one is run again. */
import fc from 'fast-check';
import type { CaseContext, CaseOptions } from './case.ts';

const defaultSeed = 20_240_611;
const defaultRuns = 40;

export function numberFrom(name: string, fallback: number): number {
  const text = process.env[name];
  if (text === undefined || text === '') return fallback;
  const value = Number(text);
  if (!Number.isSafeInteger(value))
    throw new Error(`${name} must be an integer, but is ${JSON.stringify(text)}`);
  return value;
}

/**
 * How often a costly thing is tried in one case: what the environment says, else `usual`, and a third of it where a
 * server has to be started for each.
 */
export function triesOf(name: string, usual: number, { harness }: CaseContext): number {
  return numberFrom(name, harness.processes === undefined ? usual : Math.ceil(usual / 3));
}

/** The seed of a run: what was asked for, else `BALSA_SEED`, else a fixed one. */
export function seedOf(options: CaseOptions = {}): number {
  return options.seed ?? numberFrom('BALSA_SEED', defaultSeed);
}

/**
 * Checks a property over histories. The seed is fixed unless the options or `BALSA_SEED` say another; `BALSA_RUNS`
 * says how many histories (default 40). A failure is shrunk, and its message ends with the line that runs it again.
 */
export async function checkHistories<T>(
  property: fc.IAsyncProperty<T>,
  options: CaseOptions = {},
): Promise<void> {
  const numRuns = options.runs ?? numberFrom('BALSA_RUNS', defaultRuns);
  // None at all would pass whatever the store does.
  if (numRuns < 1) throw new Error(`at least one history has to be tried, not ${String(numRuns)}`);
  const path = options.path ?? process.env['BALSA_PATH'];
  const details = await fc.check(property, {
    seed: seedOf(options),
    numRuns,
    ...(path !== undefined && path !== '' && { path, endOnFailure: true }),
  });
  if (!details.failed) return;
  const shown = fc.stringify(details.counterexample);
  const replay = `BALSA_SEED=${String(details.seed)} BALSA_PATH=${details.counterexamplePath ?? ''}`;
  const cause = details.errorInstance;
  const reason = cause instanceof Error ? cause.message : String(cause);
  throw new Error(
    `after ${String(details.numRuns)} histories and ${String(details.numShrinks)} shrinks: ${reason}\n` +
      `smallest history: ${shown}\nrun it again with: ${replay}`,
    { cause },
  );
}
