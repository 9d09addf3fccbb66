/** What RocksDB and the operating system say, as registered codes. */
import { type BalsaError, type ErrorCode } from '@balsa/raft-core';
import * as kit from '@balsa/storage-kit';

export { corrupt } from '@balsa/storage-kit';

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
  return kit.refusal(error, what, codeOf(error), { rocksdb: rocksCode(error) });
}

/** An error once bytes may have left. */
export function unknownOutcome(error: unknown, what: string): BalsaError {
  return kit.unknownOutcome(error, what, { rocksdb: rocksCode(error) });
}
