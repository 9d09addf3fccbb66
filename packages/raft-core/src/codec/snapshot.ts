/** Conf states and snapshots as protobuf. */
import { sortedIds } from '../quorum/majority.ts';
import {
  EmptyBytes,
  EmptyConfState,
  type ConfState,
  type NodeId,
  type Snapshot,
  type SnapshotMetadata,
} from '../types.ts';
import { Reader } from './reader.ts';
import {
  bytesFieldSize,
  bytesTag,
  checkRoom,
  checkWireId,
  delimitedSize,
  numberFieldSize,
  varintSize,
  varintTag,
  writeBytesField,
  writeNumberField,
  writeVarint,
} from './varint.ts';

const ConfStateField = { voters: 1, learners: 2, votersOutgoing: 3, learnersNext: 4, autoLeave: 5 } as const;
const MetadataTag = { confState: bytesTag(1), index: varintTag(2), term: varintTag(3) } as const;
const SnapshotTag = { data: bytesTag(1), metadata: bytesTag(2) } as const;

function idsBodySize(ids: readonly NodeId[]): number {
  let size = 0;
  for (const id of ids) {
    checkWireId(id);
    size += varintSize(id);
  }
  return size;
}

function idsFieldSize(ids: readonly NodeId[]): number {
  return ids.length === 0 ? 0 : 1 + delimitedSize(idsBodySize(ids));
}

function writeIds(field: number, ids: readonly NodeId[], target: Uint8Array, offset: number): number {
  if (ids.length === 0) return offset;
  target[offset] = bytesTag(field);
  let at = writeVarint(idsBodySize(ids), target, offset + 1);
  for (const id of ids) at = writeVarint(id, target, at);
  return at;
}

function confStateSize(confState: ConfState): number {
  return (
    idsFieldSize(confState.voters) +
    idsFieldSize(confState.learners) +
    idsFieldSize(confState.votersOutgoing) +
    idsFieldSize(confState.learnersNext) +
    (confState.autoLeave ? 2 : 0)
  );
}

function writeConfState(confState: ConfState, target: Uint8Array, offset: number): number {
  let at = writeIds(ConfStateField.voters, confState.voters, target, offset);
  at = writeIds(ConfStateField.learners, confState.learners, target, at);
  at = writeIds(ConfStateField.votersOutgoing, confState.votersOutgoing, target, at);
  at = writeIds(ConfStateField.learnersNext, confState.learnersNext, target, at);
  return writeNumberField(varintTag(ConfStateField.autoLeave), confState.autoLeave ? 1 : 0, target, at);
}

/** Ids come packed from raft-rs and from here, one by one from etcd. */
function readIds(reader: Reader, packed: boolean, ids: NodeId[]): void {
  if (!packed) {
    ids.push(reader.nodeId());
    return;
  }
  const outer = reader.enter();
  while (reader.more) ids.push(reader.nodeId());
  reader.leave(outer);
}

/** raft-rs sends its sets in the order of a hash map. */
function ordered(ids: readonly NodeId[]): readonly NodeId[] {
  for (let i = 1; i < ids.length; i++) if ((ids[i - 1] ?? 0) >= (ids[i] ?? 0)) return sortedIds(ids);
  return ids;
}

function readConfState(reader: Reader): ConfState {
  const lists: readonly [NodeId[], NodeId[], NodeId[], NodeId[]] = [[], [], [], []];
  let autoLeave = false;
  while (reader.more) {
    const tag = reader.tag();
    const list = lists[(tag >>> 3) - 1];
    if (tag === varintTag(ConfStateField.autoLeave)) autoLeave = reader.bool();
    else if (list !== undefined && (tag & 7) === 0) readIds(reader, false, list);
    else if (list !== undefined && (tag & 7) === 2) readIds(reader, true, list);
    else reader.skip(tag);
  }
  const [voters, learners, votersOutgoing, learnersNext] = lists;
  return {
    voters: ordered(voters),
    votersOutgoing: ordered(votersOutgoing),
    learners: ordered(learners),
    learnersNext: ordered(learnersNext),
    autoLeave,
  };
}

function metadataSize(metadata: SnapshotMetadata): number {
  return (
    1 +
    delimitedSize(confStateSize(metadata.confState)) +
    numberFieldSize(metadata.index) +
    numberFieldSize(metadata.term)
  );
}

function writeMetadata(metadata: SnapshotMetadata, target: Uint8Array, offset: number): number {
  target[offset] = MetadataTag.confState;
  let at = writeVarint(confStateSize(metadata.confState), target, offset + 1);
  at = writeConfState(metadata.confState, target, at);
  at = writeNumberField(MetadataTag.index, metadata.index, target, at);
  return writeNumberField(MetadataTag.term, metadata.term, target, at);
}

function readMetadata(reader: Reader): SnapshotMetadata {
  let confState = EmptyConfState;
  let index = 0;
  let term = 0;
  while (reader.more) {
    const tag = reader.tag();
    if (tag === MetadataTag.confState) {
      const outer = reader.enter();
      confState = readConfState(reader);
      reader.leave(outer);
    } else if (tag === MetadataTag.index) index = reader.uint();
    else if (tag === MetadataTag.term) term = reader.uint();
    else reader.skip(tag);
  }
  return { index, term, confState };
}

/** Bytes of a snapshot inside a message, without tag and length. */
export function snapshotSize(snapshot: Snapshot): number {
  return bytesFieldSize(snapshot.data) + 1 + delimitedSize(metadataSize(snapshot.metadata));
}

export function writeSnapshot(snapshot: Snapshot, target: Uint8Array, offset: number): number {
  let at = writeBytesField(SnapshotTag.data, snapshot.data, target, offset);
  target[at] = SnapshotTag.metadata;
  at = writeVarint(metadataSize(snapshot.metadata), target, at + 1);
  return writeMetadata(snapshot.metadata, target, at);
}

/** Reads a snapshot up to the end of the reader's present message. */
export function readSnapshot(reader: Reader): Snapshot {
  let data = EmptyBytes;
  let metadata: SnapshotMetadata = { index: 0, term: 0, confState: EmptyConfState };
  while (reader.more) {
    const tag = reader.tag();
    if (tag === SnapshotTag.data) data = reader.bytes();
    else if (tag === SnapshotTag.metadata) {
      const outer = reader.enter();
      metadata = readMetadata(reader);
      reader.leave(outer);
    } else reader.skip(tag);
  }
  return { data, metadata };
}

/** Throws `OUT_OF_RANGE` for an id that is no safe integer >= 0 or belongs to a local thread. */
export function encodeConfState(confState: ConfState): Uint8Array {
  const target = new Uint8Array(confStateSize(confState));
  checkRoom(target, writeConfState(confState, target, 0));
  return target;
}

/** The lists come out ascending and without duplicates, however they went in. Throws `WIRE_MALFORMED`. */
export function decodeConfState(bytes: Uint8Array): ConfState {
  return readConfState(new Reader(bytes));
}

/** Throws `OUT_OF_RANGE` as `encodeConfState` does. */
export function encodeSnapshotMetadata(metadata: SnapshotMetadata): Uint8Array {
  const target = new Uint8Array(metadataSize(metadata));
  checkRoom(target, writeMetadata(metadata, target, 0));
  return target;
}

/** Throws `WIRE_MALFORMED`. */
export function decodeSnapshotMetadata(bytes: Uint8Array): SnapshotMetadata {
  return readMetadata(new Reader(bytes));
}
