/**
 * Frames: how bytes on a connection are cut into pieces.
 *
 * A connection begins, in each direction, with the 8 bytes of `preamble`. Then frames follow:
 *
 *     u32 length     bytes after this field
 *     u8  kind       see FrameKind
 *     u16 units      length of the group id, in UTF-16 units
 *     ... group      UTF-16LE, so that any two different strings differ on the wire
 *     ... body
 *     u32 crc        CRC-32 of everything before it, the length included
 *
 * Numbers are big-endian.
 */
import { crc32 } from 'node:zlib';
import { BalsaError } from '@balsa/raft-core';

/** Chosen so that text protocols, line-ending damage and 7-bit channels are noticed at once. */
export const preamble: Uint8Array = Uint8Array.of(0xba, 0x4c, 0x53, 0x41, 0x0d, 0x0a, 0x1a, 0x00);

export const FrameKind = {
  Hello: 1,
  Welcome: 2,
  Refusal: 3,
  Ping: 4,
  Message: 5,
  Control: 6,
  SnapshotOffer: 7,
  SnapshotAccept: 8,
  SnapshotChunk: 9,
  SnapshotAck: 10,
  SnapshotFinish: 11,
  SnapshotDone: 12,
  /** Either side gives up, with a code and a text. */
  SnapshotFail: 13,
} as const;
export type FrameKind = (typeof FrameKind)[keyof typeof FrameKind];

const highestKind = 13;
const lengthBytes = 4;
const crcBytes = 4;
/** Length, kind, group length and crc. */
export const frameOverheadBytes: number = lengthBytes + 1 + 2 + crcBytes;
/** As `Engine.group` has it. */
export const maxGroupUnits = 256;

export interface Frame {
  readonly kind: FrameKind;
  readonly group: string;
  /** Whoever keeps it keeps its whole frame alive, or the 8 KiB of Node's pool that a frame below 4 KiB shares with others. */
  readonly body: Buffer;
}

export function frameSize(group: string, bodyBytes: number): number {
  return frameOverheadBytes + 2 * group.length + bodyBytes;
}

/** Writes what comes before the body; returns the offset at which the body begins. */
export function writeFrameHead(
  target: Buffer,
  offset: number,
  kind: FrameKind,
  group: string,
  bodyBytes: number,
): number {
  target.writeUInt32BE(frameSize(group, bodyBytes) - lengthBytes, offset);
  target.writeUInt8(kind, offset + 4);
  target.writeUInt16BE(group.length, offset + 5);
  if (group.length > 0) target.write(group, offset + 7, 'utf16le');
  return offset + 7 + 2 * group.length;
}

/** Writes the checksum of the frame that began at `start` and whose body ends at `end`; returns the offset behind the frame. */
export function writeFrameTail(target: Buffer, start: number, end: number): number {
  return target.writeUInt32BE(crc32(target.subarray(start, end)), end);
}

/** One whole frame in a buffer of its own. */
export function encodeFrame(kind: FrameKind, group: string, body: Uint8Array): Buffer {
  const target = Buffer.allocUnsafe(frameSize(group, body.length));
  const at = writeFrameHead(target, 0, kind, group, body.length);
  target.set(body, at);
  writeFrameTail(target, 0, at + body.length);
  return target;
}

/** A frame as three pieces, so that a large body is not copied. */
export function frameAround(kind: FrameKind, group: string, body: readonly Uint8Array[]): Uint8Array[] {
  let bodyBytes = 0;
  for (const part of body) bodyBytes += part.length;
  const head = Buffer.allocUnsafe(frameSize(group, 0) - crcBytes);
  writeFrameHead(head, 0, kind, group, bodyBytes);
  let crc = crc32(head);
  for (const part of body) crc = crc32(part, crc);
  const tail = Buffer.allocUnsafe(crcBytes);
  tail.writeUInt32BE(crc);
  return [head, ...body, tail];
}

/** Checks and takes apart one whole frame. Throws `WIRE_MALFORMED`. */
export function decodeFrame(bytes: Buffer): Frame {
  const end = bytes.length - crcBytes;
  if (crc32(bytes.subarray(0, end)) !== bytes.readUInt32BE(end))
    throw malformed('the checksum of a frame does not match');
  const kind = bytes.readUInt8(4);
  if (kind < 1 || kind > highestKind) throw malformed(`${String(kind)} is no kind of frame`);
  const units = bytes.readUInt16BE(5);
  const start = 7 + 2 * units;
  if (units > maxGroupUnits || start > end)
    throw malformed(`a group id of ${String(units)} units does not fit its frame`);
  return {
    kind: kind as FrameKind,
    group: bytes.toString('utf16le', 7, start),
    body: bytes.subarray(start, end),
  };
}

/** Memory taken on the word of a length field alone, in bytes; beyond it the buffer grows as bytes arrive. */
const trustedBytes = 1024 * 1024;

export interface FrameParserOptions {
  /** Called for each frame, in order. May call `stop`. */
  readonly onFrame: (frame: Frame) => void;
  /** Largest frame taken, in bytes. Can be raised later through `maxFrameBytes`. */
  readonly maxFrameBytes: number;
}

/** Cuts a stream of bytes into frames, however the stream is split. After an error it takes nothing more. */
export class FrameParser {
  maxFrameBytes: number;
  readonly #onFrame: (frame: Frame) => void;
  readonly #header = Buffer.alloc(lengthBytes);
  #headerHave = 0;
  #preambleHave = 0;
  #frame: Buffer | undefined;
  #frameBytes = 0;
  #have = 0;
  #stopped = false;

  constructor(options: FrameParserOptions) {
    this.#onFrame = options.onFrame;
    this.maxFrameBytes = options.maxFrameBytes;
  }

  /** Bytes held of a frame that is not whole yet. */
  get heldBytes(): number {
    return this.#frame?.length ?? 0;
  }

  /** Takes nothing more, and lets go of what it holds. */
  stop(): void {
    this.#stopped = true;
    this.#frame = undefined;
  }

  /** Throws `WIRE_MALFORMED` or `WIRE_TOO_LARGE`; the connection is of no use then. */
  push(chunk: Buffer): void {
    let at = 0;
    try {
      while (at < chunk.length && !this.#stopped) at = this.#step(chunk, at);
    } catch (error) {
      this.stop();
      throw error;
    }
  }

  #step(chunk: Buffer, at: number): number {
    if (this.#preambleHave < preamble.length) return this.#takePreamble(chunk, at);
    if (this.#headerHave < lengthBytes) return this.#takeHeader(chunk, at);
    return this.#takeBody(chunk, at);
  }

  #takePreamble(chunk: Buffer, at: number): number {
    if (chunk[at] !== preamble[this.#preambleHave])
      throw malformed('the connection does not begin as this protocol does');
    this.#preambleHave++;
    return at + 1;
  }

  #takeHeader(chunk: Buffer, at: number): number {
    const count = Math.min(lengthBytes - this.#headerHave, chunk.length - at);
    chunk.copy(this.#header, this.#headerHave, at, at + count);
    this.#headerHave += count;
    if (this.#headerHave === lengthBytes) this.#beginFrame(lengthBytes + this.#header.readUInt32BE(0));
    return at + count;
  }

  #beginFrame(frameBytes: number): void {
    if (frameBytes < frameOverheadBytes)
      throw malformed(`a frame of ${String(frameBytes)} bytes is shorter than any frame`);
    if (frameBytes > this.maxFrameBytes) {
      throw new BalsaError(
        'WIRE_TOO_LARGE',
        `a frame of ${String(frameBytes)} bytes is announced, but at most ${String(this.maxFrameBytes)} are taken`,
        {
          details: { frameBytes, maxFrameBytes: this.maxFrameBytes },
        },
      );
    }
    this.#frameBytes = frameBytes;
    this.#frame = Buffer.allocUnsafe(Math.min(frameBytes, trustedBytes));
    this.#header.copy(this.#frame);
    this.#have = lengthBytes;
  }

  #takeBody(chunk: Buffer, at: number): number {
    let frame = this.#frame;
    if (frame === undefined) return chunk.length;
    const count = Math.min(this.#frameBytes - this.#have, chunk.length - at);
    if (this.#have + count > frame.length) {
      const grown = Buffer.allocUnsafe(
        Math.min(this.#frameBytes, Math.max(2 * frame.length, this.#have + count)),
      );
      frame.copy(grown, 0, 0, this.#have);
      this.#frame = frame = grown;
    }
    chunk.copy(frame, this.#have, at, at + count);
    this.#have += count;
    if (this.#have === this.#frameBytes) {
      this.#frame = undefined;
      this.#headerHave = 0;
      this.#onFrame(decodeFrame(frame));
    }
    return at + count;
  }
}

export function malformed(what: string): BalsaError {
  return new BalsaError('WIRE_MALFORMED', what);
}
