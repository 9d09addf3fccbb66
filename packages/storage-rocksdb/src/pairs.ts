/** Pairs of one generation of an ordered store, each behind the checksum of its key and value. */
import {
  BalsaError,
  EmptyBytes,
  assertSafeInteger,
  compareBytes,
  maxKeyBytes,
  type Env,
  type KeyValue,
  type RangeOptions,
} from '@balsa/raft-core';
import { crc32, yieldTo } from '@balsa/storage-kit';
import type { KeyRange, RocksIterator } from './binding.ts';
import { corrupt } from './errors.ts';
import { afterNumber, firstPair, pairKey, summaryKey, userKey } from './keys.ts';
import { unseal, type Summary } from './records.ts';

const crcBytes = 4;
const firstRows = 32;
const sliceRows = 1024;
/** Bytes that one synchronous read of a range takes. */
export const rangeSliceBytes: number = 1024 * 1024;
/** The same of a view, whose iterator may read on behind the range that is asked for. */
export const viewSliceBytes: number = 256 * 1024;

export function checkKey(key: Uint8Array): void {
  if (key.length >= 1 && key.length <= maxKeyBytes) return;
  throw new BalsaError(
    'INVALID_ARGUMENT',
    `a key has 1 to ${String(maxKeyBytes)} bytes, this one ${String(key.length)}`,
  );
}

function pairCrc(key: Uint8Array, value: Uint8Array): number {
  return crc32(value, crc32(key, key.length));
}

export function encodeValue(key: Uint8Array, value: Uint8Array): Buffer {
  const stored = Buffer.allocUnsafe(crcBytes + value.length);
  stored.writeUInt32BE(pairCrc(key, value));
  stored.set(value, crcBytes);
  return stored;
}

/** `STORE_CORRUPT` naming the key. A view of `stored`, which is nobody else's. */
export function decodeValue(key: Uint8Array, stored: Buffer): Uint8Array {
  const value =
    stored.length <= crcBytes
      ? EmptyBytes
      : new Uint8Array(stored.buffer, stored.byteOffset + crcBytes, stored.length - crcBytes);
  if (stored.length < crcBytes || stored.readUInt32BE() !== pairCrc(key, value)) {
    const hex = Buffer.from(key.subarray(0, 64)).toString('hex');
    throw corrupt(`the value of key ${hex} does not match its checksum`, { key: hex });
  }
  return value;
}

/** The summary of a generation, of an iterator that has just been made. `STORE_CORRUPT` when there is none. */
export function readSummary(rows: RocksIterator, generation: number): Summary {
  const key = summaryKey(generation);
  const [row] = rows.next(1);
  if (row === undefined || compareBytes(row.key, key) !== 0) {
    throw corrupt(`generation ${String(generation)} of an ordered store lacks its applied index`, {
      generation,
    });
  }
  return unseal(key, row.value, `the applied index of generation ${String(generation)}`) as Summary;
}

/** Where a range of user keys lies. Empty when `gte` is not below `lt`. */
export function boundsOf(generation: number, { gte, gt, lt }: RangeOptions): KeyRange {
  let from = gte === undefined ? firstPair(generation) : pairKey(generation, gte);
  if (gt !== undefined) {
    // The first key behind `gt` is `gt` with a zero byte after it.
    const after = pairKey(generation, Buffer.concat([gt, Buffer.of(0)]));
    if (compareBytes(after, from) > 0) from = after;
  }
  return { gte: from, lt: lt === undefined ? afterNumber('state', generation) : pairKey(generation, lt) };
}

/** Walks from where the iterator is sought to; the event loop has its turn after each slice. */
export async function readPairs(
  rows: RocksIterator,
  generation: number,
  options: RangeOptions,
  turn: { readonly env: Env; readonly check: () => void },
): Promise<KeyValue[]> {
  const { limit, maxBytes = Infinity } = options;
  assertSafeInteger(limit, 'limit');
  const { gte, lt } = boundsOf(generation, options);
  const pairs: KeyValue[] = [];
  let bytes = 0;
  if (limit === 0 || compareBytes(gte, lt) >= 0) return pairs;
  rows.seek(gte);
  for (let first = true; ; first = false) {
    const slice = rows.next(Math.min(first ? firstRows : sliceRows, limit - pairs.length));
    if (slice.length === 0) return pairs;
    for (const row of slice) {
      if (compareBytes(row.key, lt) >= 0) return pairs;
      const key = userKey(row.key);
      const value = decodeValue(key, row.value);
      bytes += key.length + value.length;
      if (bytes > maxBytes && pairs.length > 0) return pairs;
      pairs.push({ key, value });
      if (pairs.length >= limit) return pairs;
    }
    if (!first) {
      await yieldTo(turn.env);
      turn.check();
    }
  }
}
