/** Reading files of frames back, and telling a tear at the end from damage. */
import { mapIo, type FileHandle } from '@balsa/storage-kit';
import {
  decodeFrameHead,
  frameCrc,
  frameHeadBytes,
  frameMagic,
  headerBytes,
  type ChainEnd,
} from './frame-format.ts';

const windowBytes = 256 * 1024;

/** Reads through a window, so that small frames do not cost a system call each. */
class WindowReader {
  readonly #handle: FileHandle;
  readonly #path: string;
  readonly #limit: number;
  #start = 0;
  #window = new Uint8Array(0);

  constructor(handle: FileHandle, path: string, limit: number) {
    this.#handle = handle;
    this.#path = path;
    this.#limit = limit;
  }

  /** Exactly `length` bytes, valid until the next call, or undefined when there are fewer before the limit. */
  async bytes(offset: number, length: number): Promise<Uint8Array | undefined> {
    if (offset + length > this.#limit) return undefined;
    if (offset < this.#start || offset + length > this.#start + this.#window.length) {
      const size = Math.min(Math.max(length, windowBytes), this.#limit - offset);
      const buffer = new Uint8Array(size);
      const count = await mapIo('read', this.#path, () => this.#handle.read(buffer, offset));
      this.#start = offset;
      this.#window = buffer.subarray(0, count);
      if (count < length) return undefined;
    }
    return this.#window.subarray(offset - this.#start, offset - this.#start + length);
  }
}

export interface Frame {
  readonly sequence: number;
  /** Valid only during the call that it is given to. */
  readonly body: Uint8Array;
  /** Offset of the body in the file. */
  readonly offset: number;
}

export interface ScanOptions {
  readonly handle: FileHandle;
  readonly path: string;
  /** Bytes of the file that may be looked at. */
  readonly size: number;
  /** Checksum of the file's header. */
  readonly seed: number;
  /** Sequence of the last frame of the file before. */
  readonly sequence: number;
}

/** Gives every intact frame, in order, up to the first that is not. Resolves with where that is. */
export async function scanFrames(options: ScanOptions, take: (frame: Frame) => void): Promise<ChainEnd> {
  const reader = new WindowReader(options.handle, options.path, options.size);
  let end: ChainEnd = { offset: headerBytes, crc: options.seed, sequence: options.sequence };
  for (;;) {
    const frame = await readFrame(reader, end.offset, options.seed);
    if (frame === undefined || frame.previousCrc !== end.crc || frame.sequence < end.sequence) return end;
    take(frame);
    end = { offset: frame.offset + frame.body.length, crc: frame.crc, sequence: frame.sequence };
  }
}

/**
 * Whether an intact frame lies anywhere behind `from`, at whatever offset, that `matters` is true of.
 * Frames are written one at a time: behind a tear there is none.
 */
export async function findFrame(
  options: ScanOptions,
  from: number,
  matters: (frame: Frame) => boolean,
): Promise<boolean> {
  const { size, seed } = options;
  const search = new WindowReader(options.handle, options.path, size);
  const reader = new WindowReader(options.handle, options.path, size);
  const magic = Buffer.alloc(4);
  magic.writeUInt32BE(frameMagic);
  for (let at = from; at + frameHeadBytes <= size;) {
    const length = Math.min(windowBytes, size - at);
    const window = await search.bytes(at, length);
    if (window === undefined) return false;
    const found = Buffer.from(window.buffer, window.byteOffset, window.length).indexOf(magic);
    if (found < 0) {
      // The magic may lie across two windows.
      at += Math.max(1, length - 3);
      continue;
    }
    const frame = await readFrame(reader, at + found, seed);
    if (frame !== undefined && matters(frame)) return true;
    at += found + 1;
  }
  return false;
}

interface CheckedFrame extends Frame {
  readonly previousCrc: number;
  readonly crc: number;
}

async function readFrame(reader: WindowReader, at: number, seed: number): Promise<CheckedFrame | undefined> {
  const headBytes = await reader.bytes(at, frameHeadBytes);
  const head = headBytes === undefined ? undefined : decodeFrameHead(headBytes);
  if (head === undefined) return undefined;
  const whole = await reader.bytes(at, frameHeadBytes + head.length);
  if (whole === undefined) return undefined;
  const body = whole.subarray(frameHeadBytes);
  if (frameCrc(whole, body, seed) !== head.crc) return undefined;
  const { sequence, previousCrc, crc } = head;
  return { sequence, previousCrc, crc, body, offset: at + frameHeadBytes };
}
