/** What a server and its connection say, as registered codes. */
import { BalsaError, isBalsaError } from '@balsa/raft-core';

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** An error that had no effect. */
export function refused(error: unknown, what: string): BalsaError {
  if (isBalsaError(error)) return error;
  return new BalsaError('STORE_IO', `cannot ${what}: ${reasonOf(error)}`, { cause: error });
}

/** An error once bytes may have left. */
export function unknownOutcome(error: unknown, what: string): BalsaError {
  if (isBalsaError(error, 'STORE_UNKNOWN_OUTCOME')) return error;
  return new BalsaError(
    'STORE_UNKNOWN_OUTCOME',
    `${what} was cut off and may or may not have taken effect: ${reasonOf(error)}`,
    { cause: error },
  );
}

export function poisoned(cause: unknown): BalsaError {
  return new BalsaError(
    'STORE_POISONED',
    'an earlier write of this store had an unknown outcome; close the engine and open it again',
    { cause },
  );
}

export function corrupt(message: string, details: Readonly<Record<string, unknown>> = {}): BalsaError {
  return new BalsaError('STORE_CORRUPT', message, { details });
}

export function fenced(what: string): BalsaError {
  return new BalsaError('STORE_FENCED', `${what}: another engine has taken over this prefix of the server`);
}

export function closedError(what: string): BalsaError {
  return new BalsaError('STORE_CLOSED', `${what} is closed`);
}
