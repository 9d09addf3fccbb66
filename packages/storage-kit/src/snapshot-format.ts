/**
 * One snapshot as one file.
 *
 *   header   magic, version, length, JSON (group, id, ordinal, origin, metadata), CRC-32
 *   frames   length, CRC-32, chunk; one after another
 *   index    the offset of every 64th frame, 8 bytes each
 *   trailer  chunk count, bytes, checksum over all chunks, offset and CRC-32 of the index, CRC-32 of the header
 *
 * The CRC of a frame begins from the header's CRC and the frame's number, so that a chunk of another
 * snapshot, or at another place, does not pass.
 */
import { crc32 } from './crc.ts';
import {
  BalsaError,
  readSafeInteger,
  writeSafeInteger,
  type SnapshotId,
  type SnapshotMetadata,
} from '@balsa/raft-core';

const headerMagic = 0x42_53_4e_31; // "BSN1"
const trailerMagic = 0x42_53_45_31; // "BSE1"
const formatVersion = 1;

/** Magic, version and length of the JSON. */
export const headerPrefixBytes = 12;
/** Length and CRC-32. */
export const frameHeadBytes = 8;
export const trailerBytes = 52;
/** Every so many frames have their offset in the index. */
export const indexStride = 64;
/** Larger than any header can be: a group id and a membership of thousands fit. */
const maxHeaderBytes = 4 * 1024 * 1024;

export interface SnapshotHeader {
  readonly group: string;
  readonly id: SnapshotId;
  /** Grows with every snapshot of a group: tells which of two at the same index is the later one. */
  readonly ordinal: number;
  readonly origin: 'created' | 'received';
  readonly metadata: SnapshotMetadata;
}

export interface SnapshotTrailer {
  readonly chunkCount: number;
  readonly bytes: number;
  readonly checksum: number;
  readonly indexOffset: number;
  readonly indexCrc: number;
  readonly headerCrc: number;
}

export function snapshotCorrupt(path: string, what: string, cause?: unknown): BalsaError {
  return new BalsaError('STORE_CORRUPT', `snapshot file ${path}: ${what}`, { cause, details: { path } });
}

export interface EncodedHeader {
  readonly bytes: Uint8Array;
  readonly crc: number;
}

export function encodeHeader(header: SnapshotHeader): EncodedHeader {
  // JSON.stringify escapes lone surrogates, so any group id survives the way through UTF-8.
  const body = new TextEncoder().encode(JSON.stringify(header));
  const bytes = new Uint8Array(headerPrefixBytes + body.length + 4);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, headerMagic);
  view.setUint32(4, formatVersion);
  view.setUint32(8, body.length);
  bytes.set(body, headerPrefixBytes);
  const crc = crc32(bytes.subarray(0, bytes.length - 4));
  view.setUint32(bytes.length - 4, crc);
  return { bytes, crc };
}

/** Whole length of the header, from its first 12 bytes. */
export function headerLength(prefix: Uint8Array, path: string): number {
  const view = new DataView(prefix.buffer, prefix.byteOffset, prefix.length);
  if (prefix.length < headerPrefixBytes || view.getUint32(0) !== headerMagic) {
    throw snapshotCorrupt(path, 'does not begin as a snapshot does');
  }
  const body = view.getUint32(8);
  if (body > maxHeaderBytes) throw snapshotCorrupt(path, `header length ${String(body)} is out of range`);
  return headerPrefixBytes + body + 4;
}

export function decodeHeader(bytes: Uint8Array, path: string): { header: SnapshotHeader; crc: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const crc = crc32(bytes.subarray(0, bytes.length - 4));
  if (view.getUint32(bytes.length - 4) !== crc) throw snapshotCorrupt(path, 'header checksum does not match');
  const version = view.getUint32(4);
  if (version !== formatVersion) {
    throw new BalsaError(
      'STORE_FORMAT_VERSION',
      `snapshot file ${path} has format ${String(version)}, this version reads ${String(formatVersion)}`,
      { details: { path, version } },
    );
  }
  const text = new TextDecoder().decode(bytes.subarray(headerPrefixBytes, bytes.length - 4));
  return { header: JSON.parse(text) as SnapshotHeader, crc };
}

export function frameHead(length: number, crc: number): Uint8Array {
  const bytes = new Uint8Array(frameHeadBytes);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, length);
  view.setUint32(4, crc);
  return bytes;
}

export function frameCrc(headerCrc: number, n: number, chunk: Uint8Array): number {
  const place = new Uint8Array(12);
  const view = new DataView(place.buffer);
  writeSafeInteger(view, 0, n);
  view.setUint32(8, chunk.length);
  return crc32(chunk, crc32(place, headerCrc));
}

export function encodeIndex(offsets: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(offsets.length * 8);
  const view = new DataView(bytes.buffer);
  for (const [i, offset] of offsets.entries()) writeSafeInteger(view, i * 8, offset);
  return bytes;
}

export function decodeIndex(bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const offsets: number[] = [];
  for (let i = 0; i + 8 <= bytes.length; i += 8) offsets.push(readSafeInteger(view, i));
  return offsets;
}

export function encodeTrailer(trailer: SnapshotTrailer): Uint8Array {
  const bytes = new Uint8Array(trailerBytes);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, trailerMagic);
  writeSafeInteger(view, 4, trailer.chunkCount);
  writeSafeInteger(view, 12, trailer.bytes);
  view.setUint32(20, trailer.checksum);
  writeSafeInteger(view, 24, trailer.indexOffset);
  view.setUint32(32, trailer.indexCrc);
  view.setUint32(36, trailer.headerCrc);
  view.setUint32(trailerBytes - 4, crc32(bytes.subarray(0, trailerBytes - 4)));
  return bytes;
}

export function decodeTrailer(bytes: Uint8Array, path: string): SnapshotTrailer {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const intact =
    bytes.length === trailerBytes &&
    view.getUint32(0) === trailerMagic &&
    view.getUint32(trailerBytes - 4) === crc32(bytes.subarray(0, trailerBytes - 4));
  if (!intact) throw snapshotCorrupt(path, 'trailer is missing or damaged');
  return {
    chunkCount: readSafeInteger(view, 4),
    bytes: readSafeInteger(view, 12),
    checksum: view.getUint32(20),
    indexOffset: readSafeInteger(view, 24),
    indexCrc: view.getUint32(32),
    headerCrc: view.getUint32(36),
  };
}
