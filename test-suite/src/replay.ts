/** Seeds: how random histories are chosen, and how a failed one is run again. */
import fc from 'fast-check';

const defaultSeed = 20_240_611;
const defaultRuns = 40;

function numberFrom(name: string, fallback: number): number {
  const text = process.env[name];
  if (text === undefined || text === '') return fallback;
  const value = Number(text);
  if (!Number.isSafeInteger(value))
    throw new Error(`${name} must be an integer, but is ${JSON.stringify(text)}`);
  return value;
}

/**
 * Checks a property over histories. The seed is fixed unless `BALSA_SEED` says another; `BALSA_RUNS` says how many
 * histories (default 40). A failure is shrunk, and its message ends with the line that runs it again.
 */
export async function checkHistories<T>(property: fc.IAsyncProperty<T>): Promise<void> {
  const path = process.env['BALSA_PATH'];
  const details = await fc.check(property, {
    seed: numberFrom('BALSA_SEED', defaultSeed),
    numRuns: numberFrom('BALSA_RUNS', defaultRuns),
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
