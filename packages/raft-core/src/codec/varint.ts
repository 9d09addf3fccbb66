/**
 * Writing protobuf primitives. Sizes and writes are pairs: every encoder first sums sizes, then writes
 * once into a buffer that fits, so that nothing is allocated in between. Numbers above 32 bits are split
 * into two halves by arithmetic; BigInt would cost an allocation for each.
 */
import { LocalApplyThread } from '../message.ts';
import { BalsaError } from '../errors.ts';
import type { NodeId } from '../types.ts';

export const WireType = { Varint: 0, Fixed64: 1, Bytes: 2, Fixed32: 5 } as const;

const TwoTo32 = 0x1_0000_0000;

/** The tag of a varint field. */
export const varintTag = (field: number): number => field << 3;
/** The tag of a length-delimited field. */
export const bytesTag = (field: number): number => (field << 3) | WireType.Bytes;

function outOfRange(value: number, what: string): never {
  throw new BalsaError('OUT_OF_RANGE', `cannot encode ${String(value)}: ${what}`, { details: { value } });
}

/** Bytes of an unsigned varint. Throws `OUT_OF_RANGE` unless `value` is a safe integer >= 0. */
export function varintSize(value: number): number {
  const low = value >>> 0;
  if (low === value) {
    if (low < 0x80) return 1;
    if (low < 0x4000) return 2;
    if (low < 0x20_0000) return 3;
    return low < 0x1000_0000 ? 4 : 5;
  }
  if (!Number.isSafeInteger(value) || value < 0) outOfRange(value, 'it is not a safe integer >= 0');
  if (value < 2 ** 35) return 5;
  if (value < 2 ** 42) return 6;
  return value < 2 ** 49 ? 7 : 8;
}

/** Writes an unsigned varint whose size was taken before; returns the offset behind it. */
export function writeVarint(value: number, target: Uint8Array, offset: number): number {
  let at = offset;
  let low = value >>> 0;
  if (low !== value) {
    let high = (value - low) / TwoTo32;
    while (high > 0) {
      target[at++] = (low & 0x7f) | 0x80;
      low = ((low >>> 7) | (high << 25)) >>> 0;
      high >>>= 7;
    }
  }
  while (low > 0x7f) {
    target[at++] = (low & 0x7f) | 0x80;
    low >>>= 7;
  }
  target[at++] = low;
  return at;
}

/** Bytes of a field with a number; 0 when it is 0, which is left out. The tag takes one byte. */
export function numberFieldSize(value: number): number {
  return value === 0 ? 0 : 1 + varintSize(value);
}

export function writeNumberField(tag: number, value: number, target: Uint8Array, offset: number): number {
  if (value === 0) return offset;
  target[offset] = tag;
  return writeVarint(value, target, offset + 1);
}

/** Bytes of an int64 varint: ten when negative. Throws `OUT_OF_RANGE` unless `value` is a safe integer. */
export function int64Size(value: number): number {
  if (value >= 0) return varintSize(value);
  if (!Number.isSafeInteger(value)) outOfRange(value, 'it is not a safe integer');
  return 10;
}

/** Writes an int64 as a varint of its two's complement. */
export function writeInt64(value: number, target: Uint8Array, offset: number): number {
  if (value >= 0) return writeVarint(value, target, offset);
  let low = value >>> 0;
  let high = Math.floor(value / TwoTo32) >>> 0;
  let at = offset;
  for (let i = 0; i < 9; i++) {
    target[at++] = (low & 0x7f) | 0x80;
    low = ((low >>> 7) | (high << 25)) >>> 0;
    high >>>= 7;
  }
  target[at++] = low;
  return at;
}

/** Bytes of a length-delimited body with its length, but without its tag. */
export function delimitedSize(length: number): number {
  return varintSize(length) + length;
}

/** Bytes of a field with a payload; 0 when it is empty, which is left out. The tag takes one byte. */
export function bytesFieldSize(value: Uint8Array): number {
  return value.length === 0 ? 0 : 1 + delimitedSize(value.length);
}

/** The longest payload that is copied by a loop: a call into the engine costs more below this. */
const copyByHand = 24;

export function writeBytesField(tag: number, value: Uint8Array, target: Uint8Array, offset: number): number {
  const length = value.length;
  if (length === 0) return offset;
  target[offset] = tag;
  const at = writeVarint(length, target, offset + 1);
  checkRoom(target, at + length);
  if (length <= copyByHand) for (let i = 0; i < length; i++) target[at + i] = value[i] ?? 0;
  else target.set(value, at);
  return at + length;
}

/** Throws `INVALID_ARGUMENT` when an encoder ran past its target: the caller has not asked for the size. */
export function checkRoom(target: Uint8Array, end: number): void {
  if (end > target.length) {
    throw new BalsaError(
      'INVALID_ARGUMENT',
      `target has ${String(target.length)} bytes, but ${String(end)} are needed`,
    );
  }
}

/** The ids of the storage threads never leave a process: a peer that used them could fake a durable write. */
export function checkWireId(id: NodeId): void {
  if (id >= LocalApplyThread) outOfRange(id, 'it is the id of a local thread, which is never on the wire');
}
