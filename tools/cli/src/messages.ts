/** What a failure says to the person at the terminal: one message, what was wrong and what to do, no stack. */
import { CommandFailure } from '@balsa/cluster';
import { EngineChoiceError } from '@balsa/engines';
import { isBalsaError, type ErrorCode } from '@balsa/raft-core';

export { CommandFailure };

/** Failures that a second try cannot mend: a node that ends with one is not started again. */
const lasting: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'INVALID_CONFIG',
  'STORE_CORRUPT',
  'STORE_ACKNOWLEDGED_WRITE_LOST',
  'STORE_IDENTITY_MISMATCH',
  'STORE_NOT_BOOTSTRAPPED',
  'STORE_ALREADY_BOOTSTRAPPED',
  'STORE_FORMAT_VERSION',
  'STORE_UNSAFE_SETTING',
  'STATE_AHEAD_OF_LOG',
  'STATE_MACHINE_FAILED',
  'UNKNOWN_COMMAND_VERSION',
  'INVARIANT_BROKEN',
]);

export function isLasting(code: string | undefined): boolean {
  return code !== undefined && lasting.has(code as ErrorCode);
}

/** One message of one paragraph for any error, with its causes and, for ours, the code and the remedy. */
export function explain(error: unknown): string {
  if (error instanceof CommandFailure || error instanceof EngineChoiceError) return error.message;
  if (isBalsaError(error)) {
    return `${withCauses(error)} (${error.code})\n  What to do: ${error.remedy}`;
  }
  return error instanceof Error ? withCauses(error) : String(error);
}

/** What it says and what its causes say. */
export function withCauses(error: Error): string {
  const parts = [error.message];
  let cause = error.cause;
  // Four levels say enough; a longer chain repeats itself.
  for (let depth = 0; depth < 4 && cause instanceof Error; depth++) {
    if (!parts.some((part) => part.includes((cause as Error).message))) parts.push(cause.message);
    cause = cause.cause;
  }
  return parts.join(': ');
}

/** The code of an error of ours, or of one already told. */
export function codeOf(error: unknown): ErrorCode | undefined {
  return isBalsaError(error) || error instanceof CommandFailure ? error.code : undefined;
}
