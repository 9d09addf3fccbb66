/**
 * Payloads across threads: many byte strings in one fresh buffer, which is transferred and not copied again.
 *
 * A Node Buffer is mostly a view of a pool: posting it as it is would clone the whole pool, and transferring
 * it would take the pool away from everybody else. What arrives are views of the one transferred buffer,
 * which nobody writes to any more.
 */
import {
  EmptyBytes,
  Entry,
  type EntryType,
  type KeyValue,
  type OrderedBatch,
  type WriteBatch,
} from '@balsa/raft-core';

export interface Packed {
  readonly count: number;
  readonly buffer: ArrayBuffer;
}

/** As {@link WriteBatch}, with the entries packed. */
export type PackedBatch = Omit<WriteBatch, 'entries'> & { readonly entries?: Packed };

const absent = 0xffff_ffff;
/** Three numbers as doubles, so that also a wrong one arrives as what it was, and two lengths. */
const entryHeadBytes = 32;

function numberOf(value: unknown): number {
  return typeof value === 'number' ? value : Number.NaN;
}

function view(buffer: ArrayBuffer, offset: number, length: number): Uint8Array {
  return length === 0 ? EmptyBytes : new Uint8Array(buffer, offset, length);
}

export function packEntries(entries: readonly Entry[]): Packed {
  const count = entries.length;
  let total = count * entryHeadBytes;
  for (const { data, context } of entries) total += data.length + context.length;
  const buffer = new ArrayBuffer(total);
  const numbers = new Float64Array(buffer, 0, count * 3);
  const lengths = new Uint32Array(buffer, count * 24, count * 2);
  const bytes = new Uint8Array(buffer);
  let [offset, i] = [count * entryHeadBytes, 0];
  for (const { index, term, type, data, context } of entries) {
    numbers[i * 3] = numberOf(index);
    numbers[i * 3 + 1] = numberOf(term);
    numbers[i * 3 + 2] = numberOf(type);
    lengths[i * 2] = data.length;
    lengths[i * 2 + 1] = context.length;
    if (data.length > 0) bytes.set(data, offset);
    offset += data.length;
    if (context.length > 0) bytes.set(context, offset);
    offset += context.length;
    i++;
  }
  return { count, buffer };
}

export function unpackEntries({ count, buffer }: Packed): Entry[] {
  const numbers = new Float64Array(buffer, 0, count * 3);
  const lengths = new Uint32Array(buffer, count * 24, count * 2);
  const entries: Entry[] = [];
  let offset = count * entryHeadBytes;
  for (let i = 0; i < count; i++) {
    const [dataLength = 0, contextLength = 0] = [lengths[i * 2], lengths[i * 2 + 1]];
    const data = view(buffer, offset, dataLength);
    const context = view(buffer, offset + dataLength, contextLength);
    offset += dataLength + contextLength;
    const [index = Number.NaN, term = Number.NaN, type] = [
      numbers[i * 3],
      numbers[i * 3 + 1],
      numbers[i * 3 + 2],
    ];
    entries.push(new Entry(term, index, type as EntryType, data, context));
  }
  return entries;
}

export function packList(list: readonly (Uint8Array | undefined)[]): Packed {
  const count = list.length;
  let total = count * 4;
  for (const one of list) total += one?.length ?? 0;
  const buffer = new ArrayBuffer(total);
  const lengths = new Uint32Array(buffer, 0, count);
  const bytes = new Uint8Array(buffer);
  let offset = count * 4;
  for (const [i, one] of list.entries()) {
    lengths[i] = one?.length ?? absent;
    if (one === undefined || one.length === 0) continue;
    bytes.set(one, offset);
    offset += one.length;
  }
  return { count, buffer };
}

export function unpackList({ count, buffer }: Packed): (Uint8Array | undefined)[] {
  const lengths = new Uint32Array(buffer, 0, count);
  const list: (Uint8Array | undefined)[] = [];
  let offset = count * 4;
  for (const length of lengths) {
    list.push(length === absent ? undefined : view(buffer, offset, length));
    if (length !== absent) offset += length;
  }
  return list;
}

export function packPairs(pairs: readonly KeyValue[]): Packed {
  return packList(pairs.flatMap(({ key, value }) => [key, value]));
}

export function unpackPairs(packed: Packed): KeyValue[] {
  const list = unpackList(packed);
  const pairs: KeyValue[] = [];
  for (let i = 0; i + 1 < list.length; i += 2) {
    pairs.push({ key: list[i] ?? EmptyBytes, value: list[i + 1] ?? EmptyBytes });
  }
  return pairs;
}

export function packChanges(changes: OrderedBatch['changes']): Packed {
  return packList(changes.flat());
}

export function unpackChanges(packed: Packed): OrderedBatch['changes'] {
  const list = unpackList(packed);
  const changes: [Uint8Array, Uint8Array | undefined][] = [];
  for (let i = 0; i + 1 < list.length; i += 2) changes.push([list[i] ?? EmptyBytes, list[i + 1]]);
  return changes;
}

export function packBatch(batch: WriteBatch): PackedBatch {
  const { entries, ...rest } = batch;
  return entries === undefined ? rest : { ...rest, entries: packEntries(entries) };
}

export function unpackBatch(packed: PackedBatch): WriteBatch {
  const { entries, ...rest } = packed;
  return entries === undefined ? rest : { ...rest, entries: unpackEntries(entries) };
}
