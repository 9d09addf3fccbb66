/** Small records as text with a checksum, which covers the key too: one at a wrong place does not pass. */
import type { ConfState, LogIndex, NodeId, SnapshotId, Term } from '@balsa/raft-core';
import { crc32 } from '@balsa/storage-kit';
import { corrupt } from './errors.ts';

const crcBytes = 4;

export function seal(key: Uint8Array, record: unknown): Buffer {
  const text = JSON.stringify(record);
  const bytes = Buffer.allocUnsafe(crcBytes + Buffer.byteLength(text));
  bytes.write(text, crcBytes);
  bytes.writeUInt32BE(crc32(bytes.subarray(crcBytes), crc32(key)));
  return bytes;
}

/** `STORE_CORRUPT` when it is not what `seal` made for this key. The caller knows the shape. */
export function unseal(key: Uint8Array, bytes: Buffer, what: string): unknown {
  const intact =
    bytes.length >= crcBytes && bytes.readUInt32BE() === crc32(bytes.subarray(crcBytes), crc32(key));
  if (!intact)
    throw corrupt(`${what} does not match its checksum`, { key: Buffer.from(key).toString('hex') });
  return JSON.parse(bytes.toString('utf8', crcBytes));
}

/** A place in a log: the chain value of the entry there, and how many bytes the log had up to it. */
export interface Mark {
  readonly chain: number;
  /** Sum of `entrySize` from the beginning of the log. */
  readonly offset: number;
}

export const startOfLog: Mark = { chain: 0, offset: 0 };

/** All of a group but its entries. */
export interface GroupRecord {
  readonly id: number;
  readonly name: string;
  /** Where the entries are. Another after a snapshot replaced the log. */
  readonly log: number;
  readonly term: Term;
  readonly vote: NodeId;
  readonly commit: LogIndex;
  readonly confIndex: LogIndex;
  readonly conf: ConfState;
  readonly boundaryIndex: LogIndex;
  readonly boundaryTerm: Term;
  readonly boundary: Mark;
  readonly lastIndex: LogIndex;
  readonly last: Mark;
  /** Entries up to here are deleted, not only out of use. At most the boundary. */
  readonly clearedIndex: LogIndex;
  readonly clearedOffset: number;
  readonly pending: SnapshotId | null;
}

export interface StoreRecord {
  readonly id: number;
  readonly name: string;
  readonly generation: number;
}

/** How much of the log a generation contains. */
export interface Summary {
  readonly appliedIndex: LogIndex;
  readonly count: number;
  /** Sum of the lengths of keys and values. */
  readonly bytes: number;
}
