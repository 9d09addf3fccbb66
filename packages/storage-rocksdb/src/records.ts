/** Small records as text with a checksum, which covers the key too: one at a wrong place does not pass. */
import type { ConfState, LogIndex, NodeId, SnapshotId, Term } from '@balsa/raft-core';
import { crc32 } from '@balsa/storage-kit';
import { corrupt } from './errors.ts';

export const crcBytes = 4;

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

/** As a list: a group writes its record with every batch, and names of fields would be most of it. */
type PackedGroup = [
  number,
  string,
  number,
  [Term, NodeId, LogIndex],
  LogIndex,
  [NodeId[], NodeId[], NodeId[], NodeId[], boolean],
  [LogIndex, Term, number, number],
  [LogIndex, number, number],
  [LogIndex, number],
  SnapshotId | null,
];

/** Of a group's record, behind a checksum that held. */
export function unpackGroup(packed: unknown): GroupRecord {
  const [id, name, log, hard, confIndex, conf, boundary, last, cleared, pending] = packed as PackedGroup;
  return {
    id,
    name,
    log,
    term: hard[0],
    vote: hard[1],
    commit: hard[2],
    confIndex,
    conf: {
      voters: conf[0],
      votersOutgoing: conf[1],
      learners: conf[2],
      learnersNext: conf[3],
      autoLeave: conf[4],
    },
    boundaryIndex: boundary[0],
    boundaryTerm: boundary[1],
    boundary: { chain: boundary[2], offset: boundary[3] },
    lastIndex: last[0],
    last: { chain: last[1], offset: last[2] },
    clearedIndex: cleared[0],
    clearedOffset: cleared[1],
    pending,
  };
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
