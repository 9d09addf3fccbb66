/**
 * Messages between members as protobuf. The contract is `proto/balsa-raft.proto`; fields 1 to 12 are
 * those of etcd and raft-rs. `vote` and `responses` belong to a member and its own storage threads and
 * are never written.
 */
import { Message, MessageType } from '../message.ts';
import { EmptyBytes, type Entry } from '../types.ts';
import { encodeEntry, entryEncodedSize, readEntry } from './entry.ts';
import { malformed, Reader } from './reader.ts';
import { readSnapshot, snapshotSize, writeSnapshot } from './snapshot.ts';
import {
  bytesFieldSize,
  bytesTag,
  checkRoom,
  checkWireId,
  delimitedSize,
  int64Size,
  numberFieldSize,
  varintTag,
  writeBytesField,
  writeInt64,
  writeNumberField,
  writeVarint,
} from './varint.ts';

const Tag = {
  type: varintTag(1),
  to: varintTag(2),
  from: varintTag(3),
  term: varintTag(4),
  logTerm: varintTag(5),
  index: varintTag(6),
  entries: bytesTag(7),
  commit: varintTag(8),
  snapshot: bytesTag(9),
  reject: varintTag(10),
  rejectHint: varintTag(11),
  context: bytesTag(12),
  requestSnapshot: varintTag(13),
  commitTerm: varintTag(15),
  /** Two bytes: the first field number that does not fit in one. */
  priority: varintTag(16),
} as const;
const priorityTagBytes = 2;

/**
 * The most entries that one message is read with. The smallest entry takes two bytes on the wire and some
 * eighty in memory, so the bytes present alone would not bound the memory well.
 */
export const maxDecodedEntries: number = 1 << 20;

/**
 * Bytes that `encodeMessage` writes. Throws `OUT_OF_RANGE` for a number that is no safe integer >= 0 (for
 * `priority`: no safe integer), and for a message to or from a local thread.
 */
export function messageSize(message: Message): number {
  checkWireId(message.to);
  checkWireId(message.from);
  let size =
    numberFieldSize(message.type) +
    numberFieldSize(message.to) +
    numberFieldSize(message.from) +
    numberFieldSize(message.term) +
    numberFieldSize(message.logTerm) +
    numberFieldSize(message.index) +
    numberFieldSize(message.commit) +
    (message.reject ? 2 : 0) +
    numberFieldSize(message.rejectHint) +
    bytesFieldSize(message.context) +
    numberFieldSize(message.requestSnapshot) +
    numberFieldSize(message.commitTerm);
  const entries = message.entries;
  for (let i = 0; i < entries.length; i++) {
    const entry = entries[i];
    if (entry !== undefined) size += 1 + delimitedSize(entryEncodedSize(entry));
  }
  if (message.snapshot !== undefined) size += 1 + delimitedSize(snapshotSize(message.snapshot));
  if (message.priority !== 0) size += priorityTagBytes + int64Size(message.priority);
  return size;
}

/**
 * Writes `message` at `offset`; returns the offset behind it. Call `messageSize` first: it checks the
 * numbers and says the room needed. Throws `INVALID_ARGUMENT` when the room is too small; `target` then
 * holds a part of the message.
 */
export function encodeMessage(message: Message, target: Uint8Array, offset: number): number {
  let at = writeNumberField(Tag.type, message.type, target, offset);
  at = writeNumberField(Tag.to, message.to, target, at);
  at = writeNumberField(Tag.from, message.from, target, at);
  at = writeNumberField(Tag.term, message.term, target, at);
  at = writeNumberField(Tag.logTerm, message.logTerm, target, at);
  at = writeNumberField(Tag.index, message.index, target, at);
  const entries = message.entries;
  for (let i = 0; i < entries.length; i++) {
    const entry = entries[i];
    if (entry === undefined) continue;
    target[at] = Tag.entries;
    at = writeVarint(entryEncodedSize(entry), target, at + 1);
    at = encodeEntry(entry, target, at);
  }
  at = writeNumberField(Tag.commit, message.commit, target, at);
  if (message.snapshot !== undefined) {
    target[at] = Tag.snapshot;
    at = writeVarint(snapshotSize(message.snapshot), target, at + 1);
    at = writeSnapshot(message.snapshot, target, at);
  }
  at = writeNumberField(Tag.reject, message.reject ? 1 : 0, target, at);
  at = writeNumberField(Tag.rejectHint, message.rejectHint, target, at);
  at = writeBytesField(Tag.context, message.context, target, at);
  at = writeNumberField(Tag.requestSnapshot, message.requestSnapshot, target, at);
  at = writeNumberField(Tag.commitTerm, message.commitTerm, target, at);
  if (message.priority !== 0)
    at = writeInt64(message.priority, target, writeVarint(Tag.priority, target, at));
  checkRoom(target, at);
  return at;
}

/**
 * Reads the message that fills `bytes`, or `[start, end)` of it, which spares a view. Its payloads (entry data and
 * contexts, message context, snapshot data) are views of `bytes`, those of entries from when they are first read on:
 * they keep its whole buffer alive, and whoever reuses that buffer must copy them first. Such an entry is a
 * `ReceivedEntry`. Unknown fields are skipped. Throws `WIRE_MALFORMED` for anything that is not such a message,
 * for numbers above the safe integers, for ids of local threads and for more than `maxDecodedEntries`.
 */
export function decodeMessage(bytes: Uint8Array, start = 0, end: number = bytes.length): Message {
  reader.reset(bytes, start, end);
  const message = new Message(MessageType.MsgHup);
  readHead(reader, message);
  let entries: Entry[] | undefined;
  while (reader.more) {
    const tag = reader.tag();
    if (tag === Tag.entries) {
      const outer = reader.enter();
      const entry = readEntry(reader);
      reader.leave(outer);
      // Most messages have one, and `push` takes room for seventeen.
      if (entries === undefined) entries = [entry];
      else if (entries.length === maxDecodedEntries)
        malformed(`more than ${String(maxDecodedEntries)} entries`, 0);
      else entries.push(entry);
    } else readField(reader, tag, message);
  }
  if (entries !== undefined) message.entries = entries;
  reader.reset(EmptyBytes, 0, 0);
  return message;
}

/** One for all messages: reading one never leads to reading another. Between messages it holds no bytes. */
const reader = new Reader(EmptyBytes);

/** The numbers that messages begin with, where they are short and come in order. `readField` reads whatever remains. */
function readHead(reader: Reader, message: Message): void {
  const start = reader.position;
  const type = reader.shortField(Tag.type);
  if (type > MessageType.MsgForgetLeader) malformed(`unknown message type ${String(type)}`, start + 1);
  message.type = Math.max(0, type) as MessageType;
  message.to = Math.max(0, reader.shortField(Tag.to));
  message.from = Math.max(0, reader.shortField(Tag.from));
  message.term = Math.max(0, reader.shortField(Tag.term));
  message.logTerm = Math.max(0, reader.shortField(Tag.logTerm));
  message.index = Math.max(0, reader.shortField(Tag.index));
}

function readField(reader: Reader, tag: number, message: Message): void {
  switch (tag) {
    case Tag.type:
      message.type = reader.enumeration(MessageType.MsgForgetLeader, 'message type') as MessageType;
      return;
    case Tag.to:
      message.to = reader.nodeId();
      return;
    case Tag.from:
      message.from = reader.nodeId();
      return;
    case Tag.term:
      message.term = reader.uint();
      return;
    case Tag.logTerm:
      message.logTerm = reader.uint();
      return;
    case Tag.index:
      message.index = reader.uint();
      return;
    case Tag.commit:
      message.commit = reader.uint();
      return;
    case Tag.reject:
      message.reject = reader.bool();
      return;
    case Tag.rejectHint:
      message.rejectHint = reader.uint();
      return;
    case Tag.context:
      message.context = reader.bytes();
      return;
    default:
      readRareField(reader, tag, message);
  }
}

function readRareField(reader: Reader, tag: number, message: Message): void {
  if (tag === Tag.snapshot) {
    const outer = reader.enter();
    message.snapshot = readSnapshot(reader);
    reader.leave(outer);
  } else if (tag === Tag.requestSnapshot) message.requestSnapshot = reader.uint();
  else if (tag === Tag.commitTerm) message.commitTerm = reader.uint();
  else if (tag === Tag.priority) message.priority = reader.int();
  else reader.skip(tag);
}
