/** Entries as protobuf. The encoded size is not `entrySize`, which paging counts by. */
import { plainEntry, receivedEntry } from '../received-entry.ts';
import { Entry, EmptyBytes, EntryType } from '../types.ts';
import { Reader } from './reader.ts';
import {
  bytesFieldSize,
  bytesTag,
  checkRoom,
  numberFieldSize,
  varintTag,
  writeBytesField,
  writeNumberField,
} from './varint.ts';

const Tag = {
  type: varintTag(1),
  term: varintTag(2),
  index: varintTag(3),
  data: bytesTag(4),
  context: bytesTag(6),
} as const;

/** Bytes that `encodeEntry` writes. Throws `OUT_OF_RANGE` for a term or index that is no safe integer >= 0. */
export function entryEncodedSize(entry: Entry): number {
  return (
    numberFieldSize(entry.type) +
    numberFieldSize(entry.term) +
    numberFieldSize(entry.index) +
    bytesFieldSize(entry.data) +
    bytesFieldSize(entry.context)
  );
}

/** Writes `entry` at `offset`; returns the offset behind it. Call `entryEncodedSize` first: it checks the numbers and says the room needed. */
export function encodeEntry(entry: Entry, target: Uint8Array, offset: number): number {
  let at = writeNumberField(Tag.type, entry.type, target, offset);
  at = writeNumberField(Tag.term, entry.term, target, at);
  at = writeNumberField(Tag.index, entry.index, target, at);
  at = writeBytesField(Tag.data, entry.data, target, at);
  at = writeBytesField(Tag.context, entry.context, target, at);
  checkRoom(target, at);
  return at;
}

/** Reads one entry that fills `bytes`; its payloads are views of `bytes`. Throws `WIRE_MALFORMED`. */
export function decodeEntry(bytes: Uint8Array): Entry {
  return plainEntry(readEntry(new Reader(bytes)));
}

/** Reads an entry up to the end of the reader's present message. Its payload stays where it is until it is read. */
export function readEntry(reader: Reader): Entry {
  let type: EntryType = EntryType.Normal;
  let term = Math.max(0, reader.shortField(Tag.term));
  let index = Math.max(0, reader.shortField(Tag.index));
  let dataEnd = 0;
  let dataLength = 0;
  let context = EmptyBytes;
  while (reader.more) {
    const tag = reader.tag();
    if (tag === Tag.data) {
      dataLength = reader.passBytes();
      dataEnd = reader.position;
    } else if (tag === Tag.type) type = reader.enumeration(EntryType.ConfChangeV2, 'entry type') as EntryType;
    else if (tag === Tag.term) term = reader.uint();
    else if (tag === Tag.index) index = reader.uint();
    else if (tag === Tag.context) context = reader.bytes();
    else reader.skip(tag);
  }
  if (dataLength === 0) return new Entry(term, index, type, EmptyBytes, context);
  const start = dataEnd - dataLength;
  if (context.length === 0) return receivedEntry(term, index, type, reader.source, start, dataLength);
  return new Entry(term, index, type, reader.view(start, dataLength), context);
}
