/** What SQLite and the operating system say, as registered codes. */
import { BalsaError, isBalsaError, type ErrorCode } from '@balsa/raft-core';

/** SQLite's own code (`SQLITE_FULL`, ...) of an error, or of what caused it. */
export function sqliteCode(error: unknown): string | undefined {
  for (let e: unknown = error; typeof e === 'object' && e !== null; e = 'cause' in e ? e.cause : undefined) {
    if ('code' in e && typeof e.code === 'string' && e.code.startsWith('SQLITE_')) return e.code;
  }
  return undefined;
}

function codeOf(error: unknown): ErrorCode {
  const code = sqliteCode(error);
  if (code === undefined) return 'STORE_IO';
  // Every statement here is right for the tables that the store has made: what SQLite cannot make sense of is
  // a schema or a header that is not what it was.
  if (code === 'SQLITE_ERROR') return 'STORE_CORRUPT';
  if (code.startsWith('SQLITE_CORRUPT') || code.startsWith('SQLITE_NOTADB')) return 'STORE_CORRUPT';
  if (code.startsWith('SQLITE_BUSY') || code.startsWith('SQLITE_LOCKED')) return 'STORE_LOCKED';
  return 'STORE_IO';
}

/** An error that had no effect: before a commit was attempted, or of a read. */
export function refused(error: unknown, what: string): BalsaError {
  if (isBalsaError(error)) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new BalsaError(codeOf(error), `cannot ${what}: ${reason}`, {
    cause: error,
    details: { sqlite: sqliteCode(error) },
  });
}

/** An error once bytes may have left. */
export function unknownOutcome(error: unknown, what: string): BalsaError {
  if (isBalsaError(error, 'STORE_UNKNOWN_OUTCOME')) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new BalsaError(
    'STORE_UNKNOWN_OUTCOME',
    `${what} failed and may or may not have taken effect: ${reason}`,
    {
      cause: error,
      details: { sqlite: sqliteCode(error) },
    },
  );
}

export function poisoned(cause: unknown): BalsaError {
  return new BalsaError(
    'STORE_POISONED',
    'an earlier write of this database had an unknown outcome; close the engine and open it again',
    { cause },
  );
}

export function corrupt(message: string, details: Readonly<Record<string, unknown>> = {}): BalsaError {
  return new BalsaError('STORE_CORRUPT', message, { details });
}
