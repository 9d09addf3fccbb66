/** The records of the log: what a frame of a segment holds. */
import {
  BalsaError,
  Entry,
  entrySize,
  entryOverheadBytes,
  type ConfState,
  type EntryType,
  type HardState,
  type IndexedConfState,
  type LogIndex,
  type OutlineData,
  type SnapshotId,
  type TermRun,
} from '@balsa/raft-core';
import type { WritePlan } from '@balsa/storage-kit';
import type { Builder } from './bytes.ts';
import { Parser } from './bytes.ts';
import { corrupt } from './errors.ts';

export const segmentPattern: RegExp = /^log-([0-9]{10})\.seg$/;
export const ownerFile = 'owner';
export const watermarkFile = 'watermark';
export const snapshotFolder = 'snapshots';

export function segmentName(number: number): string {
  return `log-${String(number).padStart(10, '0')}.seg`;
}

const Kind = { Write: 1, Compact: 2, Destroy: 3, Meta: 4, State: 5, Move: 6 } as const;

/** What an installed snapshot does to the log. */
export type InstallEffect = 'none' | 'keeps-suffix' | 'clears';
const installEffects: readonly InstallEffect[] = ['none', 'keeps-suffix', 'clears'];

/** Everything about a group but its entries. */
export interface GroupState {
  readonly hardState: HardState;
  readonly confState: IndexedConfState;
  readonly pendingRestore: SnapshotId | undefined;
  readonly outline: OutlineData;
}

/** An entry as it lies in a record. */
export interface StoredHead {
  readonly index: LogIndex;
  readonly term: number;
  readonly type: EntryType;
  /** Of the encoded entry, from the beginning of the body. */
  readonly offset: number;
  readonly length: number;
}

export type LogRecord =
  | {
      readonly kind: 'write';
      readonly group: string;
      readonly hardState: HardState;
      /** Undefined when it stays as it was. */
      readonly confState: IndexedConfState | undefined;
      readonly pendingRestore: SnapshotId | undefined;
      readonly install: InstallEffect;
      readonly boundary: TermRun;
      readonly heads: readonly StoredHead[];
    }
  | { readonly kind: 'compact'; readonly group: string; readonly boundary: TermRun }
  | { readonly kind: 'destroy'; readonly group: string }
  | { readonly kind: 'meta'; readonly key: string; readonly value: string }
  | { readonly kind: 'state'; readonly group: string; readonly state: GroupState }
  | { readonly kind: 'move'; readonly group: string; readonly heads: readonly StoredHead[] };

// --- entries

const entryHeadBytes = 29;

/** Bytes of an entry in a record. */
export function encodedEntryBytes(entry: Entry): number {
  return entrySize(entry) - entryOverheadBytes + entryHeadBytes;
}

/** `entrySize` of an entry of so many encoded bytes. */
export function sizeOfEncoded(length: number): number {
  return length - entryHeadBytes + entryOverheadBytes;
}

function addEntries(body: Builder, entries: readonly Entry[], checksum: (entry: Entry) => number): void {
  body.u32(entries.length);
  for (const entry of entries) {
    body.u32(checksum(entry));
    body.int(entry.index);
    body.int(entry.term);
    body.u8(entry.type);
    body.u32(entry.context.length);
    body.u32(entry.data.length);
    body.raw(entry.context);
    body.raw(entry.data);
  }
}

/** Payloads are views of `bytes`. */
function parseEntry(parser: Parser): { readonly entry: Entry; readonly crc: number } {
  const crc = parser.u32();
  const [index, term, type] = [parser.int(), parser.int(), parser.u8()];
  const [contextLength, dataLength] = [parser.u32(), parser.u32()];
  const context = parser.raw(contextLength);
  const data = parser.raw(dataLength);
  return { entry: new Entry(term, index, type as EntryType, data, context), crc };
}

/** The entry at a location, its payload copied. `STORE_CORRUPT` naming the index unless it is the one that was written there. */
export function decodeEntry(
  bytes: Uint8Array,
  index: LogIndex,
  group: string,
  checksum: (entry: Entry) => number,
): Entry {
  try {
    const { entry, crc } = parseEntry(new Parser(bytes, 'an entry'));
    if (entry.index === index && checksum(entry) === crc) {
      return new Entry(entry.term, index, entry.type, entry.data.slice(), entry.context.slice());
    }
  } catch (error) {
    if (!(error instanceof BalsaError)) throw error;
    throw damagedEntry(index, group, error);
  }
  throw damagedEntry(index, group);
}

export function damagedEntry(index: LogIndex, group: string, cause?: unknown): BalsaError {
  return new BalsaError(
    'STORE_CORRUPT',
    `entry ${String(index)} of group ${JSON.stringify(group)} does not match its checksum`,
    { details: { index, group }, cause },
  );
}

function parseHeads(parser: Parser): StoredHead[] {
  const heads: StoredHead[] = [];
  const count = parser.u32();
  for (let i = 0; i < count; i++) {
    const offset = parser.at;
    const { entry } = parseEntry(parser);
    heads.push({
      index: entry.index,
      term: entry.term,
      type: entry.type,
      offset,
      length: parser.at - offset,
    });
  }
  return heads;
}

// --- records

function addHardState(body: Builder, { term, vote, commit }: HardState): void {
  body.int(term);
  body.int(vote);
  body.int(commit);
}

/** Adds a record; returns where, from the beginning of the body, the first entry lies. */
export function addWrite(
  body: Builder,
  group: string,
  plan: WritePlan,
  confChanged: boolean,
  checksum: (entry: Entry) => number,
): number {
  body.u8(Kind.Write);
  body.text(group);
  addHardState(body, plan.hardState);
  body.text(confChanged ? JSON.stringify(plan.confState) : '');
  body.text(plan.pendingRestore ?? '');
  body.u8(plan.install === undefined ? 0 : plan.install.keepsSuffix ? 1 : 2);
  body.int(plan.boundary.index);
  body.int(plan.boundary.term);
  const first = body.length + 4;
  addEntries(body, plan.entries, checksum);
  return first;
}

export function addCompact(body: Builder, group: string, boundary: TermRun): void {
  body.u8(Kind.Compact);
  body.text(group);
  body.int(boundary.index);
  body.int(boundary.term);
}

export function addDestroy(body: Builder, group: string): void {
  body.u8(Kind.Destroy);
  body.text(group);
}

/** An empty value removes the key. */
export function addMeta(body: Builder, key: string, value: string): void {
  body.u8(Kind.Meta);
  body.text(key);
  body.text(value);
}

export function addState(body: Builder, group: string, state: GroupState): void {
  body.u8(Kind.State);
  body.text(group);
  body.text(JSON.stringify(state));
}

/** Entries again, so that the segment that holds them can go; returns where the first one lies. */
export function addMove(
  body: Builder,
  group: string,
  entries: readonly Entry[],
  checksum: (entry: Entry) => number,
): number {
  body.u8(Kind.Move);
  body.text(group);
  const first = body.length + 4;
  addEntries(body, entries, checksum);
  return first;
}

export function parseRecords(body: Uint8Array): LogRecord[] {
  const parser = new Parser(body, 'a record of the log');
  const records: LogRecord[] = [];
  while (!parser.done) records.push(parseRecord(parser));
  return records;
}

function parseRecord(parser: Parser): LogRecord {
  const kind = parser.u8();
  switch (kind) {
    case Kind.Write:
      return parseWrite(parser);
    case Kind.Compact:
      return { kind: 'compact', group: parser.text(), boundary: { index: parser.int(), term: parser.int() } };
    case Kind.Destroy:
      return { kind: 'destroy', group: parser.text() };
    case Kind.Meta:
      return { kind: 'meta', key: parser.text(), value: parser.text() };
    case Kind.State:
      return { kind: 'state', group: parser.text(), state: parseState(parser.text()) };
    case Kind.Move:
      return { kind: 'move', group: parser.text(), heads: parseHeads(parser) };
    default:
      throw corrupt(`the log holds a record of the unknown kind ${String(kind)}`);
  }
}

function parseWrite(parser: Parser): LogRecord {
  const group = parser.text();
  const hardState = { term: parser.int(), vote: parser.int(), commit: parser.int() };
  const conf = parser.text();
  const pending = parser.text();
  const install = installEffects[parser.u8()] ?? 'none';
  const boundary = { index: parser.int(), term: parser.int() };
  const heads = parseHeads(parser);
  const confState = conf === '' ? undefined : parseConf(conf);
  const pendingRestore = pending === '' ? undefined : pending;
  return { kind: 'write', group, hardState, confState, pendingRestore, install, boundary, heads };
}

/** The frame's checksum was right: what it holds is what was once written. */
function parseConf(text: string): IndexedConfState {
  const { index, state } = JSON.parse(text) as { index: number; state: ConfState };
  return { index, state };
}

function parseState(text: string): GroupState {
  const state = JSON.parse(text) as GroupState;
  return { ...state, pendingRestore: state.pendingRestore };
}
