/**
 * What a file of frames looks like.
 *
 * A header says which file of its chain this is, and where, and with which checksum, the file before it
 * ends. Frames follow, each with the checksum of the one before, so that nothing can be missing from the
 * middle, and nothing that was written behind the stated end of a file is ever read.
 */
import { readSafeInteger, writeSafeInteger } from '@balsa/raft-core';
import { crc32 } from '@balsa/storage-kit';

export const formatVersion = 1;
export const headerBytes = 48;
export const frameHeadBytes = 24;

const headerMagic = 0x42_46_4c_47; // "BFLG"
/** Begins every frame, so that a later one can be found behind a damaged one. */
export const frameMagic = 0xf7_a5_42_46;

/** A place in a chain of files, and what has been written up to there. */
export interface ChainEnd {
  /** Bytes of the file up to here. */
  readonly offset: number;
  /** Checksum of the last frame (of the header when there is none). */
  readonly crc: number;
  /** Sequence of the last frame. */
  readonly sequence: number;
}

export interface FileHeader {
  /** Sixteen hexadecimal digits of the store: a file of another store does not pass. */
  readonly identity: string;
  /** 0 for the log; for the contents of an ordered store the number of their generation. */
  readonly chain: number;
  /** From 1, without gaps, along the chain. */
  readonly number: number;
  /** Where the file before this one ends, whatever bytes it has behind that. Zeros for the first of a chain. */
  readonly previous: ChainEnd;
}

export type DecodedHeader =
  { readonly header: FileHeader; readonly crc: number } | { readonly version: number } | undefined;

export function encodeHeader(header: FileHeader): { readonly bytes: Uint8Array; readonly crc: number } {
  const bytes = new Uint8Array(headerBytes);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, headerMagic);
  view.setUint32(4, formatVersion);
  view.setUint32(8, Number.parseInt(header.identity.slice(0, 8), 16));
  view.setUint32(12, Number.parseInt(header.identity.slice(8), 16));
  view.setUint32(16, header.number);
  writeSafeInteger(view, 20, header.previous.offset);
  writeSafeInteger(view, 28, header.previous.sequence);
  view.setUint32(36, header.previous.crc);
  view.setUint32(40, header.chain);
  const crc = crc32(bytes.subarray(0, headerBytes - 4));
  view.setUint32(headerBytes - 4, crc);
  return { bytes, crc };
}

/** Undefined when the bytes are no intact header; only a version when it is one of another format. */
export function decodeHeader(bytes: Uint8Array): DecodedHeader {
  if (bytes.length < headerBytes) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, headerBytes);
  const crc = crc32(bytes.subarray(0, headerBytes - 4));
  if (view.getUint32(0) !== headerMagic || view.getUint32(headerBytes - 4) !== crc) return undefined;
  const version = view.getUint32(4);
  if (version !== formatVersion) return { version };
  const hex = (offset: number): string => view.getUint32(offset).toString(16).padStart(8, '0');
  const previous = {
    offset: readSafeInteger(view, 20),
    sequence: readSafeInteger(view, 28),
    crc: view.getUint32(36),
  };
  const [number, chain] = [view.getUint32(16), view.getUint32(40)];
  return { header: { identity: hex(8) + hex(12), chain, number, previous }, crc };
}

export interface FrameHead {
  readonly length: number;
  readonly sequence: number;
  readonly previousCrc: number;
  readonly crc: number;
}

/** `seed` is the checksum of the file's header: a frame copied from another file does not pass. */
export function frameCrc(head: Uint8Array, body: Uint8Array, seed: number): number {
  return crc32(body, crc32(head.subarray(0, frameHeadBytes - 4), seed));
}

export function encodeFrameHead(
  body: Uint8Array,
  sequence: number,
  previousCrc: number,
  seed: number,
): { readonly bytes: Uint8Array; readonly crc: number } {
  const bytes = new Uint8Array(frameHeadBytes);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, frameMagic);
  view.setUint32(4, body.length);
  writeSafeInteger(view, 8, sequence);
  view.setUint32(16, previousCrc);
  const crc = frameCrc(bytes, body, seed);
  view.setUint32(20, crc);
  return { bytes, crc };
}

/** Undefined unless the bytes begin like a frame. Nothing is checked yet but that. */
export function decodeFrameHead(bytes: Uint8Array): FrameHead | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, frameHeadBytes);
  if (view.getUint32(0) !== frameMagic) return undefined;
  return {
    length: view.getUint32(4),
    sequence: readSafeInteger(view, 8),
    previousCrc: view.getUint32(16),
    crc: view.getUint32(20),
  };
}
