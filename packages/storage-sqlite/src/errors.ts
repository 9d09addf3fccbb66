/** What SQLite and the operating system say, as registered codes. */
import { type BalsaError, type ErrorCode } from '@balsa/raft-core';
import * as kit from '@balsa/storage-kit';

export { corrupt, poisoned } from '@balsa/storage-kit';

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
  return kit.refusal(error, what, codeOf(error), { sqlite: sqliteCode(error) });
}

/** An error once bytes may have left. */
export function unknownOutcome(error: unknown, what: string): BalsaError {
  return kit.unknownOutcome(error, what, { sqlite: sqliteCode(error) });
}
