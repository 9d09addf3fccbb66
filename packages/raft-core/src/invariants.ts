/** Checks that stay on in production: a broken invariant stops the node rather than let it go on wrongly. */
import { BalsaError } from './errors.ts';

/** Throws `INVARIANT_BROKEN`, naming the rule, unless `condition` holds. `detail` is called only on failure. */
export function invariant(condition: boolean, rule: string, detail?: () => string): asserts condition {
  if (!condition) throw invariantError(rule, detail?.());
}

/**
 * The error for a broken rule, to be thrown where control flow needs a `throw`, and on hot paths: there a `detail`
 * given to `invariant` costs an allocation each time the rule holds.
 */
export function invariantError(rule: string, detail?: string): BalsaError {
  return new BalsaError('INVARIANT_BROKEN', detail === undefined ? rule : `${rule}: ${detail}`, {
    details: { rule },
  });
}

/** Refuses, with `OUT_OF_RANGE`, whatever is not a safe integer >= `min`. Returns the value. */
export function assertSafeInteger(value: number, name: string, min = 0): number {
  if (!Number.isSafeInteger(value) || value < min) {
    throw new BalsaError(
      'OUT_OF_RANGE',
      `${name} must be a safe integer >= ${String(min)}, but is ${describe(value)}`,
      {
        details: { name, value, min },
      },
    );
  }
  return value;
}

/** A text in its quotes: "1" is no number, and would not look wrong without them. */
function describe(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value) : String(value);
}
