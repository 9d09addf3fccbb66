import { crc32 } from 'node:zlib';

/**
 * Where a key of a user lies in the ordered store: one byte for the name space, four bytes of hash, the key.
 *
 * The hash makes SCAN cursors stateless, as Redis has them: a cursor is the number of the next bucket to
 * visit, means the same on every node and after every restart, and a key that is there during a whole
 * scan is met exactly once, whatever is written beside it. (The price: keys are not stored in their own
 * order. Redis has no command that would show it.) The prefix also makes the empty key possible.
 */
const nameSpace = 0x01;
const prefixBytes = 5;

/** Number of buckets; a cursor is below it. */
export const bucketCount: number = 2 ** 32;

export function storeKey(key: Uint8Array): Uint8Array {
  const stored = Buffer.allocUnsafe(prefixBytes + key.length);
  stored[0] = nameSpace;
  stored.writeUInt32BE(crc32(key), 1);
  stored.set(key, prefixBytes);
  return stored;
}

/** Inclusive lower bound of the keys in `bucket`; past the last bucket, the end of the name space. */
export function bucketStart(bucket: number): Uint8Array {
  if (bucket >= bucketCount) return Uint8Array.of(nameSpace + 1);
  const bound = Buffer.alloc(prefixBytes);
  bound[0] = nameSpace;
  bound.writeUInt32BE(bucket, 1);
  return bound;
}

export function bucketOf(stored: Uint8Array): number {
  return Buffer.from(stored.buffer, stored.byteOffset, stored.length).readUInt32BE(1);
}

export function userKey(stored: Uint8Array): Uint8Array {
  return stored.subarray(prefixBytes);
}
