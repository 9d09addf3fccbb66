/**
 * Runs: the entries of one write, together in one row of a log's table.
 *
 * A row of the engine costs as much as copying kilobytes does, and a page that is touched costs twice its size in
 * write-ahead log and sync; so entries that come together lie together, and what changes with every append (the
 * write sequence and the commit index) lies beside them instead of in the group's row.
 *
 * The head of a run, big-endian: the index of its last entry, the write sequence and the commit index that it was
 * written with, 8 bytes each; then 20 bytes an entry: type (1), term (7), length of context (4) and of data (4),
 * checksum (4). The body: context and data of each entry, one behind the other. The checksums cover the body, and
 * the chain of heads covers them.
 */
import {
  EmptyBytes,
  Entry,
  EntryType,
  readSafeInteger,
  writeSafeInteger,
  type EntryHead,
  type LogIndex,
  type Term,
} from '@balsa/raft-core';
import { crc32 } from '@balsa/storage-kit';
import { corrupt } from './errors.ts';

/**
 * What one run holds at most; a single entry may have more bytes. To read one entry is to read its run, and a run is
 * deleted when all of it is compacted.
 */
export const runBounds: { readonly entries: number; readonly bytes: number } = {
  entries: 1024,
  bytes: 128 * 1024,
};

/** What is known of a group when a run is written. */
export interface Stamp {
  readonly sequence: number;
  readonly commit: LogIndex;
}

export interface EncodedRun {
  readonly head: Uint8Array;
  /** Null when no entry has a payload. */
  readonly body: Uint8Array | null;
}

const prefixBytes = 24;
const entryBytes = 20;
const knownTypes: ReadonlySet<number> = new Set(Object.values(EntryType));

/** The chain value of a run: two runs that follow one another are found to, and in no other order. */
export function chain(previous: number, head: Uint8Array): number {
  return crc32(head, previous);
}

/** How many of the entries from `from` on go into one run. */
export function runLength(entries: readonly Entry[], from: number): number {
  let bytes = 0;
  let to = from;
  for (; to < entries.length && to - from < runBounds.entries; to++) {
    const entry = entries[to];
    bytes += (entry?.context.length ?? 0) + (entry?.data.length ?? 0);
    if (bytes > runBounds.bytes && to > from) break;
  }
  return to - from;
}

// The driver copies what it is given, so that the next run may use the same memory.
const headMemory = new Uint8Array(prefixBytes + entryBytes * runBounds.entries);
const headView = new DataView(headMemory.buffer);
const bodyMemory = new Uint8Array(runBounds.bytes);

/** `entries[from]` to `entries[to - 1]` as `runLength` has measured them. The result holds until the next call. */
export function encodeRun(
  entries: readonly Entry[],
  from: number,
  to: number,
  { sequence, commit }: Stamp,
  checksum: (entry: Entry) => number,
): EncodedRun {
  writeSafeInteger(headView, 0, entries[to - 1]?.index ?? 0);
  writeSafeInteger(headView, 8, sequence);
  writeSafeInteger(headView, 16, commit);
  let at = prefixBytes;
  let bytes = 0;
  for (let i = from; i < to; i++) {
    const entry = entries[i];
    if (entry === undefined) continue;
    const { term, type, context, data } = entry;
    headView.setUint32(at, type * 0x100_0000 + Math.floor(term / 0x1_0000_0000));
    headView.setUint32(at + 4, term >>> 0);
    headView.setUint32(at + 8, context.length);
    headView.setUint32(at + 12, data.length);
    headView.setUint32(at + 16, checksum(entry));
    at += entryBytes;
    bytes += context.length + data.length;
  }
  return { head: headMemory.subarray(0, at), body: bodyOf(entries, from, to, bytes) };
}

function bodyOf(entries: readonly Entry[], from: number, to: number, bytes: number): Uint8Array | null {
  if (bytes === 0) return null;
  const only = entries[from];
  if (to - from === 1 && only?.context.length === 0) return only.data;
  const body = bytes <= bodyMemory.length ? bodyMemory.subarray(0, bytes) : new Uint8Array(bytes);
  let at = 0;
  for (let i = from; i < to; i++) {
    const entry = entries[i];
    if (entry === undefined) continue;
    if (entry.context.length > 0) body.set(entry.context, at);
    at += entry.context.length;
    body.set(entry.data, at);
    at += entry.data.length;
  }
  return body;
}

/** The head of a stored run. Its numbers are to be trusted when its chain value is what it should be. */
export class RunHead {
  /** Index of its first entry. */
  readonly first: LogIndex;
  /** Index of its last entry, under which it is stored. */
  readonly last: LogIndex;
  readonly sequence: number;
  readonly commit: LogIndex;
  readonly bytes: Uint8Array;
  readonly #view: DataView;

  /** `STORE_CORRUPT` when `bytes` can be no head of a run that is stored under `last`. */
  constructor(bytes: Uint8Array, last: LogIndex) {
    const count = (bytes.length - prefixBytes) / entryBytes;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    if (!Number.isInteger(count) || count < 1 || readSafeInteger(view, 0) !== last) throw damaged(last);
    this.bytes = bytes;
    this.#view = view;
    this.last = last;
    this.first = last - count + 1;
    this.sequence = readSafeInteger(view, 8);
    this.commit = readSafeInteger(view, 16);
    const safe = Number.isSafeInteger(this.sequence) && Number.isSafeInteger(this.commit);
    if (!safe || this.first < 1) throw damaged(last);
  }

  /** What `Outline.append` looks at, of the entries from `from` on. */
  entryHeads(from: LogIndex): EntryHead[] {
    const heads: EntryHead[] = [];
    for (let index = Math.max(from, this.first); index <= this.last; index++) {
      heads.push({ index, term: this.#term(index), type: this.#type(index) });
    }
    return heads;
  }

  /** The first part of the run, up to `last`, as a run of its own: its head, and how many bytes of the body are its. */
  upTo(last: LogIndex): { readonly head: Uint8Array; readonly bodyBytes: number } {
    const count = last - this.first + 1;
    const head = this.bytes.slice(0, prefixBytes + entryBytes * count);
    writeSafeInteger(new DataView(head.buffer), 0, last);
    let bodyBytes = 0;
    for (let index = this.first; index <= last; index++) bodyBytes += this.#size(index);
    return { head, bodyBytes };
  }

  /**
   * Entries in `[low, high)`, which lie in the run, each verified, until `take` refuses one. `take` is given the bytes
   * of context and data. `STORE_CORRUPT`, naming the index, for one that is not what was written.
   */
  entries(
    body: Uint8Array,
    low: LogIndex,
    high: LogIndex,
    checksum: (entry: Entry) => number,
    take: (entry: Entry) => boolean,
  ): void {
    let at = 0;
    for (let index = this.first; index < low; index++) at += this.#size(index);
    // A view keeps the whole run in memory: where little of it is wanted, that is copied.
    const few = (high - low) * 2 < this.last - this.first + 1;
    for (let index = low; index < high; index++) {
      const offset = this.#offset(index);
      const contextEnd = at + this.#view.getUint32(offset + 8);
      const end = contextEnd + this.#view.getUint32(offset + 12);
      if (end > body.length) throw damagedEntry(index);
      const context = part(body, at, contextEnd, few);
      const data = part(body, contextEnd, end, few);
      const type = this.#type(index);
      const entry = new Entry(this.#term(index), index, type, data, context);
      const intact =
        Number.isSafeInteger(entry.term) &&
        knownTypes.has(type) &&
        checksum(entry) === this.#view.getUint32(offset + 16);
      if (!intact) throw damagedEntry(index);
      if (!take(entry)) return;
      at = end;
    }
  }

  #offset(index: LogIndex): number {
    return prefixBytes + entryBytes * (index - this.first);
  }

  #type(index: LogIndex): EntryType {
    return this.#view.getUint8(this.#offset(index)) as EntryType;
  }

  #term(index: LogIndex): Term {
    const offset = this.#offset(index);
    return (this.#view.getUint32(offset) & 0xff_ffff) * 0x1_0000_0000 + this.#view.getUint32(offset + 4);
  }

  /** Bytes in the body. */
  #size(index: LogIndex): number {
    const offset = this.#offset(index);
    return this.#view.getUint32(offset + 8) + this.#view.getUint32(offset + 12);
  }
}

function part(body: Uint8Array, from: number, to: number, copied: boolean): Uint8Array {
  if (from === to) return EmptyBytes;
  return copied ? body.slice(from, to) : body.subarray(from, to);
}

function damaged(last: LogIndex): Error {
  return corrupt(`the head of the entries up to ${String(last)} is damaged`, { index: last });
}

function damagedEntry(index: LogIndex): Error {
  return corrupt(`entry ${String(index)} does not match its checksum`, { index });
}
