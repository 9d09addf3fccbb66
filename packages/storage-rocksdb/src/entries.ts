/**
 * Entries as values: 29 bytes, then context and data.
 *
 * | bytes | field                                                             |
 * | ----- | ----------------------------------------------------------------- |
 * | 4     | CRC-32 over group, index, term, type, context and data            |
 * | 4     | chain: a mix of the chain value before and this entry's CRC       |
 * | 8     | sum of the sizes of all entries of this log up to this one        |
 * | 8     | term                                                              |
 * | 1     | type                                                              |
 * | 4     | length of the context                                             |
 *
 * The chain finds an entry that comes back from an older time when the log is opened; the sum says
 * what a part of the log weighs without reading it.
 */
import {
  EmptyBytes,
  Entry,
  EntryType,
  entrySize,
  readSafeInteger,
  writeSafeInteger,
  type LogIndex,
} from '@balsa/raft-core';
import { corrupt } from './errors.ts';
import type { Mark } from './records.ts';

const headBytes = 29;
const knownTypes: ReadonlySet<number> = new Set(Object.values(EntryType));

/** Depends on every CRC before. Not against forgery: against an entry that comes back from an older time. */
function chain(previous: number, crc: number): number {
  let mixed = Math.imul(((previous << 13) | (previous >>> 19)) ^ crc, 0x85eb_ca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0xc2b2_ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

/** The mark of an entry whose own checksum is `crc`, behind `before`. */
function markAfter(before: Mark, crc: number, size: number): Mark {
  return { chain: chain(before.chain, crc), offset: before.offset + size };
}

/** Bytes of a value that a buffer of its own is made for. */
const largeBytes = 64 * 1024;
/** Every other value is encoded here: a small write is too quick to allocate for. */
const scratch = Buffer.alloc(largeBytes);
const scratchView = viewOf(scratch);
let value = scratch;

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** Memory for a value. A view of the scratch bytes is kept: values of one length come one after another. */
function memoryOf(bytes: number): Buffer {
  if (bytes > largeBytes) return Buffer.allocUnsafe(bytes);
  if (value.length !== bytes) value = scratch.subarray(0, bytes);
  return value;
}

/** Encodes entries one after another, all encoders in the same memory: for who copies each before the next. */
export class EntryEncoder {
  #chain: number;
  #offset: number;

  /** `before` is the mark of the entry that the first one follows. */
  constructor(before: Mark) {
    this.#chain = before.chain;
    this.#offset = before.offset;
  }

  /** Of the entry that was encoded last. */
  get mark(): Mark {
    return { chain: this.#chain, offset: this.#offset };
  }

  /** `crc` is the entry's checksum. */
  encode(entry: Entry, crc: number): Buffer {
    const { context, data } = entry;
    const encoded = memoryOf(headBytes + context.length + data.length);
    const view = encoded === value ? scratchView : viewOf(encoded);
    this.#chain = chain(this.#chain, crc);
    this.#offset += entrySize(entry);
    view.setUint32(0, crc);
    view.setUint32(4, this.#chain);
    writeSafeInteger(view, 8, this.#offset);
    writeSafeInteger(view, 16, entry.term);
    view.setUint8(24, entry.type);
    view.setUint32(25, context.length);
    if (context.length > 0) encoded.set(context, headBytes);
    encoded.set(data, headBytes + context.length);
    return encoded;
  }
}

export interface DecodedEntry {
  readonly entry: Entry;
  readonly mark: Mark;
  readonly crc: number;
}

/** `STORE_CORRUPT` naming the index. The entry is a view of `value`, which is nobody else's. */
export function decodeEntry(
  index: LogIndex,
  value: Buffer,
  checksum: (entry: Entry) => number,
): DecodedEntry {
  const damaged = (): Error => corrupt(`entry ${String(index)} does not match its checksum`, { index });
  if (value.length < headBytes) throw damaged();
  const view = new DataView(value.buffer, value.byteOffset, value.length);
  const crc = view.getUint32(0);
  const mark = { chain: view.getUint32(4), offset: readSafeInteger(view, 8) };
  const term = readSafeInteger(view, 16);
  const type = view.getUint8(24);
  const dataStart = headBytes + view.getUint32(25);
  if (dataStart > value.length || !Number.isSafeInteger(term) || !isType(type)) throw damaged();
  const entry = new Entry(
    term,
    index,
    type,
    part(value, dataStart, value.length),
    part(value, headBytes, dataStart),
  );
  if (checksum(entry) !== crc) throw damaged();
  return { entry, mark, crc };
}

/** Whether an entry stands behind the one with the mark `before`. */
export function follows({ entry, mark, crc }: DecodedEntry, before: Mark): boolean {
  const expected = markAfter(before, crc, entrySize(entry));
  return mark.chain === expected.chain && mark.offset === expected.offset;
}

function isType(type: number): type is EntryType {
  return knownTypes.has(type);
}

function part(value: Buffer, from: number, to: number): Uint8Array {
  return from === to ? EmptyBytes : new Uint8Array(value.buffer, value.byteOffset + from, to - from);
}
