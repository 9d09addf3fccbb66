/** What every adapter says alike when something goes wrong. Their own codes they add as details. */
import { BalsaError, isBalsaError, type ErrorCode } from '@balsa/raft-core';

type Details = Readonly<Record<string, unknown>>;

/** What an error says, whatever was thrown. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** An error that had no effect: of a read, or before a write was attempted. A `BalsaError` stays what it is. */
export function refusal(
  error: unknown,
  what: string,
  code: ErrorCode = 'STORE_IO',
  details: Details = {},
): BalsaError {
  if (isBalsaError(error)) return error;
  return new BalsaError(code, `cannot ${what}: ${reasonOf(error)}`, { cause: error, details });
}

/** An error once bytes may have left: `STORE_UNKNOWN_OUTCOME`. */
export function unknownOutcome(error: unknown, what: string, details: Details = {}): BalsaError {
  if (isBalsaError(error, 'STORE_UNKNOWN_OUTCOME')) return error;
  return new BalsaError(
    'STORE_UNKNOWN_OUTCOME',
    `${what} failed and may or may not have taken effect: ${reasonOf(error)}`,
    { cause: error, details },
  );
}

/** What every call says after a write of unknown outcome. */
export function poisoned(cause: unknown): BalsaError {
  return new BalsaError(
    'STORE_POISONED',
    'an earlier write of this store had an unknown outcome; close the engine and open it again',
    { cause },
  );
}

export function corrupt(message: string, details: Details = {}, cause?: unknown): BalsaError {
  return new BalsaError('STORE_CORRUPT', message, cause === undefined ? { details } : { details, cause });
}

/** For a store that holds nothing, and whose watermark says that it did: a member that is whole may be replaced for it. */
export function hintAtEmptiness(found: number): string {
  if (found > 0) return '';
  return ' (nothing of this engine is there at all: is the directory that of another engine, or were files moved away?)';
}
