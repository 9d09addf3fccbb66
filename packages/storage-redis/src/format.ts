/**
 * The records of a group's log, as they lie in its segments.
 *
 *   segment  a state record, then others, one after another
 *   record   length of the body, CRC-32, body; the CRC of each goes on from that of the record before it
 *   body     kind, sequence, and what the kind has
 *
 * A state record holds all but the entries, so that the segments before it can go. It begins a chain of
 * its own and says where the chain before it ended.
 */
import {
  BalsaError,
  Entry,
  entryOverheadBytes,
  readSafeInteger,
  writeSafeInteger,
  type EntryType,
  type HardState,
  type IndexedConfState,
  type LogIndex,
  type OutlineData,
  type SnapshotId,
  type StoredSnapshot,
  type TermRun,
} from '@balsa/raft-core';
import { crc32, type WritePlan } from '@balsa/storage-kit';
import { corrupt } from './errors.ts';

const Kind = { State: 1, Write: 2, Compact: 3, Snapshot: 4, Move: 5 } as const;

/** What an installed snapshot does to the log. */
export type InstallEffect = 'none' | 'keeps-suffix' | 'clears';
const installEffects: readonly InstallEffect[] = ['none', 'keeps-suffix', 'clears'];

export const recordHeadBytes = 8;
/** Kind and sequence. */
const bodyHeadBytes = 9;
const entryHeadBytes = 29;
/** Hard state, boundary, effect of an installation, lengths of the two texts, number of entries. */
const writeFixedBytes = 5 * 8 + 1 + 3 * 4;

/** A snapshot in any state of its life. */
export interface KnownSnapshot {
  readonly id: SnapshotId;
  readonly ordinal: number;
  /** `begun`: not whole yet; `stored`: it counts; `doomed`: to be removed. */
  readonly status: 'begun' | 'stored' | 'doomed';
  /** Chunks that there are; while it is begun, not known. */
  readonly chunkCount: number;
  readonly stored?: StoredSnapshot;
}

/** A snapshot that changed, or that is gone. */
export type SnapshotChange = KnownSnapshot | { readonly id: SnapshotId; readonly status: 'gone' };

/** Everything about a group but its entries. */
export interface GroupState {
  readonly group: string;
  readonly hardState: HardState;
  readonly confState: IndexedConfState;
  readonly pendingRestore?: SnapshotId;
  readonly outline: OutlineData;
  readonly snapshots: readonly KnownSnapshot[];
  /** Of the record before, and where the segment before ended. */
  readonly chain: number;
  readonly previousBytes: number;
}

/** An entry as it lies in a record, with its place from the beginning of the record. */
export interface StoredHead {
  readonly index: LogIndex;
  readonly term: number;
  readonly type: EntryType;
  readonly offset: number;
  readonly length: number;
}

export type LogRecord = { readonly sequence: number } & (
  | { readonly kind: 'state'; readonly state: GroupState }
  | {
      readonly kind: 'write';
      readonly hardState: HardState;
      /** Undefined when it stays as it was. */
      readonly confState: IndexedConfState | undefined;
      readonly pendingRestore: SnapshotId | undefined;
      readonly install: InstallEffect;
      readonly boundary: TermRun;
      readonly heads: readonly StoredHead[];
    }
  | { readonly kind: 'compact'; readonly boundary: TermRun }
  | { readonly kind: 'snapshot'; readonly change: SnapshotChange }
  | { readonly kind: 'move'; readonly heads: readonly StoredHead[] }
);

/** Bytes of an entry in a record. */
export function encodedEntryBytes(entry: Entry): number {
  return entryHeadBytes + entry.context.length + entry.data.length;
}

/** `entrySize` of an entry of so many encoded bytes. */
export function sizeOfEncoded(length: number): number {
  return length - entryHeadBytes + entryOverheadBytes;
}

// --- writing

/** Where a record is to lie. */
export type Allocate = (bytes: number) => Buffer;
const anywhere: Allocate = (bytes) => Buffer.allocUnsafe(bytes);

function newRecord(
  kind: number,
  sequence: number,
  bytes: number,
  allocate = anywhere,
): { record: Buffer; view: DataView } {
  const record = allocate(recordHeadBytes + bodyHeadBytes + bytes);
  const view = new DataView(record.buffer, record.byteOffset, record.length);
  view.setUint32(0, record.length - recordHeadBytes);
  view.setUint8(recordHeadBytes, kind);
  writeSafeInteger(view, recordHeadBytes + 1, sequence);
  return { record, view };
}

const bodyAt = recordHeadBytes + bodyHeadBytes;

/** Closes a record; gives the checksum from which the next one goes on. */
export function sealRecord(record: Buffer, chain: number): number {
  const value = recordChecksum(record, chain);
  record.writeUInt32BE(value, 4);
  return value;
}

/** Covers length and body. */
export function recordChecksum(record: Uint8Array, chain: number): number {
  return crc32(record.subarray(recordHeadBytes), crc32(record.subarray(0, 4), chain));
}

function jsonRecord(kind: number, sequence: number, value: unknown): Buffer {
  // JSON.stringify escapes lone surrogates, so any group id survives the way through UTF-8.
  const body = Buffer.from(JSON.stringify(value));
  const { record } = newRecord(kind, sequence, body.length);
  body.copy(record, bodyAt);
  return record;
}

export function encodeState(sequence: number, state: GroupState): Buffer {
  return jsonRecord(Kind.State, sequence, state);
}

export function encodeSnapshotChange(sequence: number, change: SnapshotChange): Buffer {
  return jsonRecord(Kind.Snapshot, sequence, change);
}

export function encodeCompact(sequence: number, boundary: TermRun): Buffer {
  const { record, view } = newRecord(Kind.Compact, sequence, 16);
  writeSafeInteger(view, bodyAt, boundary.index);
  writeSafeInteger(view, bodyAt + 8, boundary.term);
  return record;
}

/** Also says where, from its beginning, the first entry lies. */
export interface EncodedWrite {
  readonly record: Buffer;
  readonly firstEntry: number;
}

export function encodeWrite(
  sequence: number,
  plan: WritePlan,
  confChanged: boolean,
  checksum: (entry: Entry) => number,
  allocate: Allocate,
): EncodedWrite {
  const conf = confChanged ? Buffer.from(JSON.stringify(plan.confState)) : Buffer.alloc(0);
  const pending = Buffer.from(plan.pendingRestore ?? '');
  let bytes = writeFixedBytes + conf.length + pending.length;
  for (const entry of plan.entries) bytes += encodedEntryBytes(entry);
  const { record, view } = newRecord(Kind.Write, sequence, bytes, allocate);
  let at = bodyAt;
  const { hardState, boundary, install } = plan;
  for (const number of [hardState.term, hardState.vote, hardState.commit, boundary.index, boundary.term]) {
    writeSafeInteger(view, at, number);
    at += 8;
  }
  view.setUint8(at, install === undefined ? 0 : install.keepsSuffix ? 1 : 2);
  at += 1;
  for (const text of [conf, pending]) {
    view.setUint32(at, text.length);
    text.copy(record, at + 4);
    at += 4 + text.length;
  }
  const firstEntry = at + 4;
  addEntries(record, view, at, plan.entries, checksum);
  return { record, firstEntry };
}

export function encodeMove(
  sequence: number,
  entries: readonly Entry[],
  checksum: (entry: Entry) => number,
): EncodedWrite {
  let bytes = 4;
  for (const entry of entries) bytes += encodedEntryBytes(entry);
  const { record, view } = newRecord(Kind.Move, sequence, bytes);
  addEntries(record, view, bodyAt, entries, checksum);
  return { record, firstEntry: bodyAt + 4 };
}

function addEntries(
  record: Buffer,
  view: DataView,
  offset: number,
  entries: readonly Entry[],
  checksum: (entry: Entry) => number,
): void {
  view.setUint32(offset, entries.length);
  let at = offset + 4;
  for (const entry of entries) {
    const { context, data } = entry;
    view.setUint32(at, checksum(entry));
    writeSafeInteger(view, at + 4, entry.index);
    writeSafeInteger(view, at + 12, entry.term);
    view.setUint8(at + 20, entry.type);
    view.setUint32(at + 21, context.length);
    view.setUint32(at + 25, data.length);
    at += entryHeadBytes;
    record.set(context, at);
    record.set(data, at + context.length);
    at += context.length + data.length;
  }
}

// --- reading

/** Reads fields one after another; `STORE_CORRUPT` where the bytes end too early. */
class Parser {
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  readonly #what: string;
  at: number;

  constructor(bytes: Uint8Array, what: string, at = 0) {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#what = what;
    this.at = at;
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4));
  }

  int(): number {
    const value = readSafeInteger(this.#view, this.#take(8));
    if (!Number.isSafeInteger(value)) throw corrupt(`${this.#what} holds a number beyond the safe integers`);
    return value;
  }

  raw(count: number): Uint8Array {
    const at = this.#take(count);
    return this.bytes.subarray(at, at + count);
  }

  text(): string {
    return new TextDecoder().decode(this.raw(this.u32()));
  }

  rest(): string {
    return new TextDecoder().decode(this.raw(this.bytes.length - this.at));
  }

  #take(count: number): number {
    const at = this.at;
    if (at + count > this.bytes.length) throw corrupt(`${this.#what} ends too early`);
    this.at = at + count;
    return at;
  }
}

/** Of a record whose checksum has been found right. */
export function parseRecord(record: Uint8Array): LogRecord {
  const parser = new Parser(record, 'a record of the log', recordHeadBytes);
  const kind = parser.u8();
  const sequence = parser.int();
  switch (kind) {
    case Kind.State:
      return { kind: 'state', sequence, state: JSON.parse(parser.rest()) as GroupState };
    case Kind.Snapshot:
      return { kind: 'snapshot', sequence, change: JSON.parse(parser.rest()) as SnapshotChange };
    case Kind.Compact:
      return { kind: 'compact', sequence, boundary: { index: parser.int(), term: parser.int() } };
    case Kind.Move:
      return { kind: 'move', sequence, heads: parseHeads(parser) };
    case Kind.Write:
      return parseWrite(parser, sequence);
    default:
      throw new BalsaError(
        'STORE_FORMAT_VERSION',
        `a record of the log is of the unknown kind ${String(kind)}`,
      );
  }
}

function parseWrite(parser: Parser, sequence: number): LogRecord {
  const hardState = { term: parser.int(), vote: parser.int(), commit: parser.int() };
  const boundary = { index: parser.int(), term: parser.int() };
  const install = installEffects[parser.u8()] ?? 'none';
  const [conf, pending] = [parser.text(), parser.text()];
  return {
    kind: 'write',
    sequence,
    hardState,
    confState: conf === '' ? undefined : (JSON.parse(conf) as IndexedConfState),
    pendingRestore: pending === '' ? undefined : pending,
    install,
    boundary,
    heads: parseHeads(parser),
  };
}

function parseHeads(parser: Parser): StoredHead[] {
  const heads: StoredHead[] = [];
  const count = parser.u32();
  for (let i = 0; i < count; i++) {
    const offset = parser.at;
    parser.u32();
    const [index, term, type] = [parser.int(), parser.int(), parser.u8()];
    parser.raw(parser.u32() + parser.u32());
    heads.push({ index, term, type: type as EntryType, offset, length: parser.at - offset });
  }
  return heads;
}

/** The entry at a place, its payload copied. `STORE_CORRUPT` naming the index unless it is the one that was written there. */
export function decodeEntry(
  bytes: Uint8Array,
  index: LogIndex,
  group: string,
  checksum: (entry: Entry) => number,
): Entry {
  if (bytes.length >= entryHeadBytes) {
    const parser = new Parser(bytes, 'an entry');
    const crc = parser.u32();
    const found = readSafeInteger(new DataView(bytes.buffer, bytes.byteOffset), 4);
    parser.raw(8);
    const term = readSafeInteger(new DataView(bytes.buffer, bytes.byteOffset), 12);
    parser.raw(8);
    const type = parser.u8() as EntryType;
    const [contextLength, dataLength] = [parser.u32(), parser.u32()];
    if (entryHeadBytes + contextLength + dataLength === bytes.length) {
      const context = parser.raw(contextLength).slice();
      const entry = new Entry(term, found, type, parser.raw(dataLength).slice(), context);
      if (found === index && Number.isSafeInteger(term) && checksum(entry) === crc) return entry;
    }
  }
  throw damagedEntry(index, group);
}

export function damagedEntry(index: LogIndex, group: string): BalsaError {
  return corrupt(`entry ${String(index)} of group ${JSON.stringify(group)} does not match its checksum`, {
    index,
    group,
  });
}
