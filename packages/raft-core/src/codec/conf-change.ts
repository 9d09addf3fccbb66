/** Membership changes as the data of log entries. */
import { BalsaError } from '../errors.ts';
import {
  ConfChangeTransition,
  ConfChangeType,
  EmptyBytes,
  EntryType,
  type ConfChange,
  type ConfChangeSingle,
  type ConfChangeV1,
  type ConfChangeV2,
  type NodeId,
} from '../types.ts';
import { malformed, Reader } from './reader.ts';
import {
  bytesFieldSize,
  bytesTag,
  checkRoom,
  checkWireId,
  delimitedSize,
  numberFieldSize,
  varintTag,
  writeBytesField,
  writeNumberField,
  writeVarint,
} from './varint.ts';

/**
 * Whose numbers ConfChangeType has: etcd's (AddLearnerNode = 3) or raft-rs's (AddLearnerNode = 2, no
 * UpdateNode). All members of a cluster, for ever, must use the same one: it decides what a log means.
 */
export type ConfChangeProfile = 'etcd' | 'raft-rs';

const toNumber: Readonly<Record<ConfChangeProfile, readonly (number | undefined)[]>> = {
  etcd: [0, 1, 2, 3],
  'raft-rs': [0, 1, undefined, 2],
};
const fromNumber: Readonly<Record<ConfChangeProfile, readonly ConfChangeType[]>> = {
  etcd: [
    ConfChangeType.AddNode,
    ConfChangeType.RemoveNode,
    ConfChangeType.UpdateNode,
    ConfChangeType.AddLearnerNode,
  ],
  'raft-rs': [ConfChangeType.AddNode, ConfChangeType.RemoveNode, ConfChangeType.AddLearnerNode],
};

const V1 = { id: varintTag(1), type: varintTag(2), nodeId: varintTag(3), context: bytesTag(4) } as const;
const Single = { type: varintTag(1), nodeId: varintTag(2) } as const;
const V2 = { transition: varintTag(1), changes: bytesTag(2), context: bytesTag(3) } as const;

function typeNumber(type: ConfChangeType, profile: ConfChangeProfile): number {
  const number = toNumber[profile][type];
  if (number === undefined) {
    throw new BalsaError(
      'INVALID_ARGUMENT',
      `conf change type ${String(type)} does not exist in profile ${profile}`,
    );
  }
  return number;
}

function readType(reader: Reader, profile: ConfChangeProfile): ConfChangeType {
  const types = fromNumber[profile];
  return types[reader.enumeration(types.length - 1, 'conf change type')] ?? ConfChangeType.AddNode;
}

/** The entry type that says how to read the data, and the data. Throws `OUT_OF_RANGE` or `INVALID_ARGUMENT` for what has no encoding. */
export function encodeConfChange(
  change: ConfChange,
  profile: ConfChangeProfile = 'etcd',
): { readonly type: EntryType; readonly data: Uint8Array } {
  return change.version === 1
    ? { type: EntryType.ConfChange, data: encodeV1(change, profile) }
    : { type: EntryType.ConfChangeV2, data: encodeV2(change, profile) };
}

/** The inverse of `encodeConfChange`; the context is a view of `data`. Throws `WIRE_MALFORMED`, and `INVALID_ARGUMENT` for a normal entry. */
export function decodeConfChange(
  type: EntryType,
  data: Uint8Array,
  profile: ConfChangeProfile = 'etcd',
): ConfChange {
  if (type === EntryType.ConfChange) return decodeV1(new Reader(data), profile);
  if (type === EntryType.ConfChangeV2) return decodeV2(new Reader(data), profile);
  throw new BalsaError('INVALID_ARGUMENT', 'a normal entry holds no membership change');
}

function encodeV1(change: ConfChangeV1, profile: ConfChangeProfile): Uint8Array {
  checkWireId(change.nodeId);
  const type = typeNumber(change.type, profile);
  const target = new Uint8Array(
    numberFieldSize(change.id) +
      numberFieldSize(type) +
      numberFieldSize(change.nodeId) +
      bytesFieldSize(change.context),
  );
  let at = writeNumberField(V1.id, change.id, target, 0);
  at = writeNumberField(V1.type, type, target, at);
  at = writeNumberField(V1.nodeId, change.nodeId, target, at);
  checkRoom(target, writeBytesField(V1.context, change.context, target, at));
  return target;
}

function decodeV1(reader: Reader, profile: ConfChangeProfile): ConfChangeV1 {
  let id = 0;
  let type: ConfChangeType = ConfChangeType.AddNode;
  let nodeId: NodeId = 0;
  let context = EmptyBytes;
  while (reader.more) {
    const tag = reader.tag();
    if (tag === V1.id) id = reader.uint();
    else if (tag === V1.type) type = readType(reader, profile);
    else if (tag === V1.nodeId) nodeId = reader.nodeId();
    else if (tag === V1.context) context = reader.bytes();
    else reader.skip(tag);
  }
  return { version: 1, id, type, nodeId, context };
}

function singleSize(single: ConfChangeSingle, profile: ConfChangeProfile): number {
  checkWireId(single.nodeId);
  return numberFieldSize(typeNumber(single.type, profile)) + numberFieldSize(single.nodeId);
}

function encodeV2(change: ConfChangeV2, profile: ConfChangeProfile): Uint8Array {
  let size = numberFieldSize(change.transition) + bytesFieldSize(change.context);
  for (const single of change.changes) size += 1 + delimitedSize(singleSize(single, profile));
  const target = new Uint8Array(size);
  let at = writeNumberField(V2.transition, change.transition, target, 0);
  for (const single of change.changes) {
    target[at] = V2.changes;
    at = writeVarint(singleSize(single, profile), target, at + 1);
    at = writeNumberField(Single.type, typeNumber(single.type, profile), target, at);
    at = writeNumberField(Single.nodeId, single.nodeId, target, at);
  }
  checkRoom(target, writeBytesField(V2.context, change.context, target, at));
  return target;
}

/** More changes than any cluster has members would only serve to fill memory. */
const maxChanges = 4096;

function decodeV2(reader: Reader, profile: ConfChangeProfile): ConfChangeV2 {
  let transition: ConfChangeTransition = ConfChangeTransition.Auto;
  const changes: ConfChangeSingle[] = [];
  let context = EmptyBytes;
  while (reader.more) {
    const tag = reader.tag();
    if (tag === V2.transition) {
      transition = reader.enumeration(
        ConfChangeTransition.Explicit,
        'conf change transition',
      ) as ConfChangeTransition;
    } else if (tag === V2.changes) {
      const outer = reader.enter();
      if (changes.length === maxChanges) malformed(`more than ${String(maxChanges)} changes`, 0);
      changes.push(decodeSingle(reader, profile));
      reader.leave(outer);
    } else if (tag === V2.context) context = reader.bytes();
    else reader.skip(tag);
  }
  return { version: 2, transition, changes, context };
}

function decodeSingle(reader: Reader, profile: ConfChangeProfile): ConfChangeSingle {
  let type: ConfChangeType = ConfChangeType.AddNode;
  let nodeId: NodeId = 0;
  while (reader.more) {
    const tag = reader.tag();
    if (tag === Single.type) type = readType(reader, profile);
    else if (tag === Single.nodeId) nodeId = reader.nodeId();
    else reader.skip(tag);
  }
  return { type, nodeId };
}
