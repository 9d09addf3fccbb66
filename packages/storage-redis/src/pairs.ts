/** Pairs of an ordered store as the server holds them: a set of keys in order, and values with their checksums. */
import { BalsaError, compareBytes, maxKeyBytes, type RangeOptions } from '@balsa/raft-core';
import { crc32 } from '@balsa/storage-kit';
import type { Reply } from './connection.ts';
import { corrupt } from './errors.ts';

/** Of the checksum before each value. */
export const checksumBytes = 4;

export function checkKey(key: Uint8Array): void {
  if (key.length >= 1 && key.length <= maxKeyBytes) return;
  throw new BalsaError(
    'INVALID_ARGUMENT',
    `a key has 1 to ${String(maxKeyBytes)} bytes, this one ${String(key.length)}`,
  );
}

/** Bytes as one character each: such strings are ordered as the bytes are. */
export function keyText(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.length).toString('latin1');
}

/** A value as the server gives it, with the checksum that it states. */
export interface StoredValue {
  readonly value: Uint8Array;
  readonly checksum: number;
}

export class PairCodec {
  readonly #seed: number;
  readonly #what: string;

  /** `what` names the store in messages. */
  constructor(storeId: string, field: string, what: string) {
    this.#seed = crc32(Buffer.from(`${storeId}:${field}`));
    this.#what = what;
  }

  encode(key: Uint8Array, value: Uint8Array): { readonly stored: Buffer; readonly checksum: number } {
    const checksum = this.#checksum(key, value);
    const stored = Buffer.allocUnsafe(checksumBytes + value.length);
    stored.writeUInt32BE(checksum);
    stored.set(value, checksumBytes);
    return { stored, checksum };
  }

  /** A copy. `STORE_CORRUPT` unless it is what was written for that key. */
  decode(key: Uint8Array, reply: Reply | undefined): StoredValue {
    if (Buffer.isBuffer(reply) && reply.length >= checksumBytes) {
      const value = Uint8Array.from(reply.subarray(checksumBytes));
      const checksum = reply.readUInt32BE();
      if (this.#checksum(key, value) === checksum) return { value, checksum };
    }
    throw corrupt(
      `the value of key ${JSON.stringify(keyText(key.subarray(0, 64)))} of ${this.#what} is missing or does not match its checksum`,
    );
  }

  #checksum(key: Uint8Array, value: Uint8Array): number {
    const lengths = Buffer.allocUnsafe(8);
    lengths.writeUInt32BE(key.length);
    lengths.writeUInt32BE(value.length, 4);
    return crc32(value, crc32(key, crc32(lengths, this.#seed)));
  }
}

/** The bounds of a range as ZRANGEBYLEX takes them. */
export function lexBounds({ gte, gt, lt }: Pick<RangeOptions, 'gte' | 'gt' | 'lt'>): [Buffer, Buffer] {
  const bound = (sign: '[' | '(', key: Uint8Array): Buffer => Buffer.concat([Buffer.from(sign), key]);
  let low: Buffer = Buffer.from('-');
  if (gt !== undefined && (gte === undefined || compareBytes(gt, gte) >= 0)) low = bound('(', gt);
  else if (gte !== undefined) low = bound('[', gte);
  return [low, lt === undefined ? Buffer.from('+') : bound('(', lt)];
}
