/**
 * What stands where. Every key begins with a tag; numbers are big-endian, so that keys sort as numbers do.
 *
 * | tag | then                     | holds                                              |
 * | --- | ------------------------ | -------------------------------------------------- |
 * | 1   | a name                   | the database's own records                         |
 * | 2   | group (4)                | a group: its name, hard state, conf state, log     |
 * | 3   | log (4), index (8)       | an entry                                           |
 * | 4   | ordered store (4)        | an ordered store: its name, its present generation |
 * | 5   | generation (4), 0        | how much of the log a generation contains          |
 * | 5   | generation (4), 1, key   | a pair of it                                       |
 * | 6   | number (4)               | a witness, see witnesses.ts                        |
 *
 * Groups, stores, logs and generations are numbers that the engine gives, never names: no name can
 * reach into another's range. A log or a generation that is done with is one range to delete.
 */
import { readSafeInteger, writeSafeInteger, type LogIndex } from '@balsa/raft-core';
import type { KeyRange } from './binding.ts';

const tag = { meta: 1, group: 2, log: 3, store: 4, state: 5, witness: 6 } as const;

export const formatVersion = 1;

/** The database's own records. */
export type MetaName = 'format' | 'identity' | 'sequence' | 'watermark' | 'swept' | 'manifest' | 'filler';

export function metaKey(name: MetaName): Buffer {
  return Buffer.concat([Buffer.from([tag.meta]), Buffer.from(name)]);
}

function numbered(first: number, number: number, rest = 0): Buffer {
  const key = Buffer.alloc(5 + rest);
  key[0] = first;
  key.writeUInt32BE(number, 1);
  return key;
}

export function groupKey(group: number): Buffer {
  return numbered(tag.group, group);
}

export const groupRange: KeyRange = { gte: Buffer.from([tag.group]), lt: Buffer.from([tag.group + 1]) };

export function logKey(log: number, index: LogIndex): Buffer {
  return logKeys(log)(index);
}

/** Keys of one log, one after another in the same bytes: for who copies each before the next. */
export function logKeys(log: number): (index: LogIndex) => Buffer {
  const key = numbered(tag.log, log, 8);
  const view = new DataView(key.buffer, key.byteOffset, key.length);
  return (index) => {
    writeSafeInteger(view, 5, index);
    return key;
  };
}

/** Of a key that `logKey` made. */
export function indexOf(key: Buffer): LogIndex {
  return readSafeInteger(new DataView(key.buffer, key.byteOffset, key.length), 5);
}

/** Entries from `low`, below `high`. */
export function logRange(log: number, low: LogIndex, high: LogIndex): KeyRange {
  return { gte: logKey(log, low), lt: logKey(log, high) };
}

export function storeKey(store: number): Buffer {
  return numbered(tag.store, store);
}

export const storeRange: KeyRange = { gte: Buffer.from([tag.store]), lt: Buffer.from([tag.store + 1]) };

export function summaryKey(generation: number): Buffer {
  return numbered(tag.state, generation, 1);
}

const pairOffset = 6;

export function pairKey(generation: number, key: Uint8Array): Buffer {
  const full = numbered(tag.state, generation, 1 + key.length);
  full[pairOffset - 1] = 1;
  full.set(key, pairOffset);
  return full;
}

/** The user's key within a key that `pairKey` made. */
export function userKey(key: Buffer): Uint8Array {
  return new Uint8Array(key.buffer, key.byteOffset + pairOffset, key.length - pairOffset);
}

/** The first pair of a generation, as a bound. */
export function firstPair(generation: number): Buffer {
  return pairKey(generation, new Uint8Array(0));
}

/** Witnesses `first` to `last`, both included. */
export function witnessRange(first: number, last: number): KeyRange {
  return { gte: witnessKey(first), lt: numbered(tag.witness, last + 1) };
}

export function witnessKey(witness: number): Buffer {
  return numbered(tag.witness, witness);
}

/** Logs and generations, whole: what can be deleted as one range. */
export type Space = 'log' | 'state';

/** The number of a log or a generation, of any key in it. */
export function numberOf(key: Buffer): number {
  return key.readUInt32BE(1);
}

export function wholeRange(space: Space, number: number): KeyRange {
  return { gte: numbered(tag[space], number), lt: afterNumber(space, number) };
}

export function spaceRange(space: Space): KeyRange {
  return { gte: Buffer.from([tag[space]]), lt: Buffer.from([tag[space] + 1]) };
}

/** The first key behind a log or a generation. */
export function afterNumber(space: Space, number: number): Buffer {
  return number >= 0xffff_ffff ? Buffer.from([tag[space] + 1]) : numbered(tag[space], number + 1);
}
