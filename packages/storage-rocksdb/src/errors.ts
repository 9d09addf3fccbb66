/** What RocksDB and the operating system say, as registered codes. */
import { BalsaError, isBalsaError, type ErrorCode } from '@balsa/raft-core';

/** The binding's own code (`LEVEL_CORRUPTION`, ...) of an error, or of what caused it. */
function rocksCode(error: unknown): string | undefined {
  for (let e: unknown = error; typeof e === 'object' && e !== null; e = 'cause' in e ? e.cause : undefined) {
    if ('code' in e && typeof e.code === 'string' && e.code.startsWith('LEVEL_')) return e.code;
  }
  return undefined;
}

function codeOf(error: unknown): ErrorCode {
  const text = error instanceof Error ? error.message : '';
  switch (rocksCode(error)) {
    case 'LEVEL_CORRUPTION':
      return 'STORE_CORRUPT';
    case 'LEVEL_LOCKED':
      return 'STORE_LOCKED';
    case 'LEVEL_IO_ERROR':
      // A table that the database says it has, and that is not there.
      return text.includes('No such file') ? 'STORE_CORRUPT' : 'STORE_IO';
    default:
      // "Invalid argument: ... does not exist", "Not implemented: ...": its files do not fit together.
      return /^(Invalid argument|Not implemented|Corruption)/.test(text) ? 'STORE_CORRUPT' : 'STORE_IO';
  }
}

/** An error that had no effect: of a read, or before a write was attempted. */
export function refused(error: unknown, what: string): BalsaError {
  if (isBalsaError(error)) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new BalsaError(codeOf(error), `cannot ${what}: ${reason}`, {
    cause: error,
    details: { rocksdb: rocksCode(error) },
  });
}

/** An error once bytes may have left. */
export function unknownOutcome(error: unknown, what: string): BalsaError {
  if (isBalsaError(error, 'STORE_UNKNOWN_OUTCOME')) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new BalsaError(
    'STORE_UNKNOWN_OUTCOME',
    `${what} failed and may or may not have taken effect: ${reason}`,
    { cause: error, details: { rocksdb: rocksCode(error) } },
  );
}

export function poisoned(cause: unknown): BalsaError {
  return new BalsaError(
    'STORE_POISONED',
    'an earlier write of this database had an unknown outcome; close the engine and open it again',
    { cause },
  );
}

export function corrupt(
  message: string,
  details: Readonly<Record<string, unknown>> = {},
  cause?: unknown,
): BalsaError {
  return new BalsaError('STORE_CORRUPT', message, { details, cause });
}
