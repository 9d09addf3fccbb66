/** Bodies of the frames on a snapshot connection. */
import {
  BalsaError,
  decodeMessage,
  decodeSnapshotMetadata,
  encodeMessage,
  encodeSnapshotMetadata,
  errorRegistry,
  isBalsaError,
  messageSize,
  MessageType,
  readSafeInteger,
  writeSafeInteger,
  type ErrorCode,
  type Message,
  type SnapshotSource,
} from '@balsa/raft-core';
import { malformed } from './frame.ts';
import { parseObject } from './handshake.ts';
import { describe } from './shared.ts';

export type SnapshotAnnouncement = Omit<SnapshotSource, 'chunk'>;

/** chunk count, bytes (8), checksum, length of the metadata; then the metadata; then the MsgSnap. */
const offerHeadBytes = 20;
const maxChunks = 0xffff_ffff;

export function encodeOffer(message: Message, source: SnapshotAnnouncement): Buffer {
  if (!Number.isSafeInteger(source.chunkCount) || source.chunkCount < 0 || source.chunkCount > maxChunks) {
    throw new BalsaError(
      'OUT_OF_RANGE',
      `a snapshot has 0 to ${String(maxChunks)} chunks, not ${String(source.chunkCount)}`,
    );
  }
  const metadata = encodeSnapshotMetadata(source.metadata);
  const body = Buffer.allocUnsafe(offerHeadBytes + metadata.length + messageSize(message));
  body.writeUInt32BE(source.chunkCount, 0);
  writeSafeInteger(new DataView(body.buffer, body.byteOffset), 4, source.bytes);
  body.writeUInt32BE(source.checksum, 12);
  body.writeUInt32BE(metadata.length, 16);
  body.set(metadata, offerHeadBytes);
  encodeMessage(message, body, offerHeadBytes + metadata.length);
  return body;
}

/** Throws `WIRE_MALFORMED`. */
export function decodeOffer(body: Buffer): {
  readonly message: Message;
  readonly source: SnapshotAnnouncement;
} {
  if (body.length < offerHeadBytes) throw malformed('a snapshot offer is too short');
  const metadataEnd = offerHeadBytes + body.readUInt32BE(16);
  if (metadataEnd > body.length) throw malformed('a snapshot offer is cut off');
  const bytes = readSafeInteger(new DataView(body.buffer, body.byteOffset), 4);
  if (!Number.isSafeInteger(bytes)) throw malformed('a snapshot offer has an impossible size');
  const message = decodeMessage(body.subarray(metadataEnd));
  if (message.type !== MessageType.MsgSnap)
    throw malformed('a snapshot offer holds a message of another type');
  return {
    message,
    source: {
      metadata: decodeSnapshotMetadata(body.subarray(offerHeadBytes, metadataEnd)),
      chunkCount: body.readUInt32BE(0),
      bytes,
      checksum: body.readUInt32BE(12),
    },
  };
}

/** One or two unsigned 32-bit numbers: an acknowledgement, or an acceptance with the first chunk wanted and the window. */
export function encodeNumbers(...numbers: readonly number[]): Buffer {
  const body = Buffer.allocUnsafe(4 * numbers.length);
  for (const [i, number] of numbers.entries()) body.writeUInt32BE(number, 4 * i);
  return body;
}

/** Throws `WIRE_MALFORMED`. */
export function readNumber(body: Buffer, position: number): number {
  if (body.length < 4 * position + 4) throw malformed('a snapshot frame is too short');
  return body.readUInt32BE(4 * position);
}

export function encodeFailure(error: unknown): Buffer {
  const code = isBalsaError(error) ? error.code : 'SNAPSHOT_TRANSFER_FAILED';
  return Buffer.from(JSON.stringify({ code, text: describe(error).slice(0, 4096) }));
}

/** The other side's error, as far as its code is one we know. Throws `WIRE_MALFORMED`. */
export function decodeFailure(body: Buffer): BalsaError {
  const { code, text } = parseObject(body, 'snapshot failure');
  const known =
    typeof code === 'string' && Object.hasOwn(errorRegistry, code)
      ? (code as ErrorCode)
      : 'SNAPSHOT_TRANSFER_FAILED';
  return new BalsaError(known, `the other side: ${typeof text === 'string' ? text : 'no reason given'}`);
}
