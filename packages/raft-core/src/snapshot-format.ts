/**
 * The portable snapshot of an ordered store: the same bytes for the same state on every engine, so that a
 * follower on one can be fed by a leader on another. `docs/snapshot-format.md` is its page.
 *
 * Pure: no clock, no input or output of its own. Memory is bounded by a few chunks and the largest pair.
 */
import { compareBytes } from './bytes.ts';
import { crc32, readSafeInteger, writeSafeInteger, type Crc32 } from './checksum.ts';
import {
  maxKeyBytes,
  type KeyValue,
  type OrderedStore,
  type OrderedView,
} from './contracts/ordered-store.ts';
import { maxChunkBytes } from './contracts/storage.ts';
import { BalsaError } from './errors.ts';
import { assertSafeInteger } from './invariants.ts';
import type { LogIndex } from './types.ts';

/** The version written; the decoder reads this one only. */
export const snapshotFormatVersion = 1;
/** Default length of a chunk, its header included, in bytes. */
export const defaultSnapshotChunkBytes: number = 256 * 1024;
/** Largest value that a snapshot carries, in bytes. */
export const maxSnapshotValueBytes: number = 2 ** 30;

/** Chunk number and running CRC-32, four bytes each. */
const chunkHeaderBytes = 8;
const minChunkBytes = 64;
const magic = Uint8Array.of(0x62, 0x61, 0x6c, 0x73, 0x61, 0x0d, 0x0a, 0x00); // "balsa", CR, LF, NUL
const streamHeaderBytes = 8 + 4 + 8;
const trailerBytes = 1 + 8 + 4;
const tagPair = 1;
const tagEnd = 0;
/** Tag and two lengths of at most five bytes each. */
const maxPairHeadBytes = 11;
const pagePairs = 512;

export interface EncodeSnapshotOptions {
  /** Length of every chunk but the last, in bytes: 64 to `maxChunkBytes`. Default 256 KiB. */
  readonly chunkBytes?: number;
  /** A faster CRC-32, such as `zlib.crc32`. */
  readonly crc?: Crc32;
}

export interface DecodeSnapshotOptions {
  /** A faster CRC-32, such as `zlib.crc32`. */
  readonly crc?: Crc32;
}

/** What a decoder gives: one header, pages of pairs in key order, one trailer. */
export type OrderedSnapshotPart =
  | { readonly kind: 'header'; readonly version: number; readonly appliedIndex: LogIndex }
  | { readonly kind: 'pairs'; readonly pairs: readonly KeyValue[] }
  | { readonly kind: 'trailer'; readonly count: number; readonly digest: number };

/**
 * The view as chunks; the next one is made when it is asked for. The view stays the caller's to release.
 * Rejects with `STORE_CORRUPT` when the view does not hold as many pairs as it said.
 */
export async function* encodeOrderedSnapshot(
  view: OrderedView,
  options: EncodeSnapshotOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  const chunkBytes = options.chunkBytes ?? defaultSnapshotChunkBytes;
  if (!Number.isSafeInteger(chunkBytes) || chunkBytes < minChunkBytes || chunkBytes > maxChunkBytes) {
    throw new BalsaError(
      'INVALID_ARGUMENT',
      `chunkBytes must lie within [${String(minChunkBytes)}, ${String(maxChunkBytes)}], but is ${String(chunkBytes)}`,
    );
  }
  const cutter = new ChunkCutter(chunkBytes, options.crc ?? crc32);
  yield* cutter.push(streamHeader(view.appliedIndex));
  let count = 0;
  let after: Uint8Array | undefined;
  for (;;) {
    const page = await view.range({
      limit: pagePairs,
      maxBytes: chunkBytes,
      ...(after !== undefined && { gt: after }),
    });
    for (const { key, value } of page) {
      yield* cutter.push(pairHead(key.length, value.length));
      yield* cutter.push(key);
      yield* cutter.push(value);
      count++;
    }
    after = page.at(-1)?.key;
    if (after === undefined) break;
  }
  if (count !== view.count) {
    throw new BalsaError(
      'STORE_CORRUPT',
      `the view says ${String(view.count)} pairs, but holds ${String(count)}`,
    );
  }
  yield* cutter.push(trailerHead(count));
  const digest = new Uint8Array(4);
  new DataView(digest.buffer).setUint32(0, cutter.digest());
  yield* cutter.push(digest);
  yield* cutter.end();
}

/**
 * Reads what `encodeOrderedSnapshot` wrote, whatever the chunk length. Every chunk is verified, and its place,
 * before any pair of it is given; the whole counts only once the trailer has come. Rejects with
 * `STORE_SNAPSHOT_INVALID` for anything damaged, missing, repeated, out of order or left over, and with
 * `STORE_FORMAT_VERSION` for another version.
 */
export async function* decodeOrderedSnapshot(
  chunks: AsyncIterable<Uint8Array>,
  options: DecodeSnapshotOptions = {},
): AsyncGenerator<OrderedSnapshotPart, void, undefined> {
  const crc = options.crc ?? crc32;
  const parser = new SnapshotParser(crc);
  let number = 0;
  let running = 0;
  for await (const chunk of chunks) {
    running = checkChunk(chunk, number, running, crc);
    yield* parser.feed(chunk.subarray(chunkHeaderBytes), number);
    number++;
  }
  if (!parser.done) throw invalid(`the stream ends after ${String(number)} chunks without a trailer`);
}

/**
 * Replaces the contents of `store` by the snapshot, atomically and durably; on any failure the present
 * contents stay. With `appliedIndex` the snapshot has to be at that index (`STORE_SNAPSHOT_INVALID`).
 */
export async function restoreOrderedSnapshot(
  store: OrderedStore,
  chunks: AsyncIterable<Uint8Array>,
  appliedIndex?: LogIndex,
  options: DecodeSnapshotOptions = {},
): Promise<{ readonly appliedIndex: LogIndex; readonly count: number }> {
  const restore = await store.beginRestore();
  try {
    let index = 0;
    let count = 0;
    for await (const part of decodeOrderedSnapshot(chunks, options)) {
      if (part.kind === 'pairs') await restore.put(part.pairs);
      else if (part.kind === 'trailer') count = part.count;
      else index = part.appliedIndex;
      if (appliedIndex !== undefined && index !== appliedIndex) {
        throw invalid(`it is at index ${String(index)}, wanted is ${String(appliedIndex)}`);
      }
    }
    await restore.commit(index);
    return { appliedIndex: index, count };
  } catch (error) {
    await restore.abort();
    throw error;
  }
}

/** Cuts a byte stream into chunks of one length, each with its number and the running CRC. */
class ChunkCutter {
  readonly #chunkBytes: number;
  readonly #crc: Crc32;
  #chunk: Uint8Array;
  #used = chunkHeaderBytes;
  #number = 0;
  #running = 0;

  constructor(chunkBytes: number, crc: Crc32) {
    this.#chunkBytes = chunkBytes;
    this.#crc = crc;
    this.#chunk = new Uint8Array(chunkBytes);
  }

  *push(bytes: Uint8Array): Generator<Uint8Array, void, undefined> {
    let offset = 0;
    while (offset < bytes.length) {
      if (this.#used === this.#chunkBytes) yield this.#cut();
      const part = bytes.subarray(offset, offset + this.#chunkBytes - this.#used);
      this.#chunk.set(part, this.#used);
      this.#used += part.length;
      offset += part.length;
    }
  }

  /** CRC-32 of everything pushed so far. */
  digest(): number {
    return this.#crc(this.#chunk.subarray(chunkHeaderBytes, this.#used), this.#running);
  }

  *end(): Generator<Uint8Array, void, undefined> {
    yield this.#cut();
  }

  #cut(): Uint8Array {
    this.#running = this.digest();
    const chunk = this.#chunk.subarray(0, this.#used);
    const view = new DataView(chunk.buffer, chunk.byteOffset);
    view.setUint32(0, this.#number++);
    view.setUint32(4, this.#running);
    this.#chunk = new Uint8Array(this.#chunkBytes);
    this.#used = chunkHeaderBytes;
    return chunk;
  }
}

/** Verifies one chunk in its place; the running CRC after it. */
function checkChunk(chunk: Uint8Array, number: number, running: number, crc: Crc32): number {
  if (chunk.length <= chunkHeaderBytes) {
    throw invalid(`chunk ${String(number)} has only ${String(chunk.length)} bytes`);
  }
  const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.length);
  const found = view.getUint32(0);
  if (found !== number) throw invalid(`chunk ${String(found)} stands where ${String(number)} belongs`);
  const expected = crc(chunk.subarray(chunkHeaderBytes), running);
  if (view.getUint32(4) !== expected) throw invalid(`chunk ${String(number)} does not match its checksum`);
  return expected;
}

/** Bytes that have come and are not yet used, without joining them before they are needed. */
class ByteQueue {
  #parts: Uint8Array[] = [];
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#parts.push(bytes);
    this.#length += bytes.length;
  }

  /** A copy of the first `count` bytes, or of all when there are fewer. */
  peek(count: number): Uint8Array {
    const wanted = new Uint8Array(Math.min(count, this.#length));
    let filled = 0;
    for (const part of this.#parts) {
      if (filled === wanted.length) break;
      const piece = part.subarray(0, wanted.length - filled);
      wanted.set(piece, filled);
      filled += piece.length;
    }
    return wanted;
  }

  take(count: number): Uint8Array {
    const taken = this.peek(count);
    let left = taken.length;
    this.#length -= left;
    let whole = 0;
    for (let part = this.#parts[0]; part !== undefined && part.length <= left; part = this.#parts[whole]) {
      left -= part.length;
      whole++;
    }
    this.#parts.splice(0, whole);
    const first = this.#parts[0];
    if (first !== undefined) this.#parts[0] = first.subarray(left);
    return taken;
  }
}

class SnapshotParser {
  readonly #queue = new ByteQueue();
  readonly #crc: Crc32;
  #state: 'header' | 'pairs' | 'done' = 'header';
  #count = 0;
  /** CRC-32 of what was taken from the queue. */
  #running = 0;
  #lastKey: Uint8Array | undefined;
  /** Lengths of the pair under way, once its head is read. */
  #pair: { readonly keyBytes: number; readonly valueBytes: number } | undefined;

  constructor(crc: Crc32) {
    this.#crc = crc;
  }

  get done(): boolean {
    return this.#state === 'done';
  }

  *feed(body: Uint8Array, number: number): Generator<OrderedSnapshotPart, void, undefined> {
    if (this.#state === 'done') throw invalid(`chunk ${String(number)} comes after the trailer`);
    this.#queue.push(body);
    if (this.#state === 'header') {
      if (this.#queue.length < streamHeaderBytes) return;
      yield this.#header();
    }
    const pairs: KeyValue[] = [];
    for (let pair = this.#next(); pair !== undefined; pair = this.#next()) pairs.push(pair);
    if (pairs.length > 0) yield { kind: 'pairs', pairs };
    if (this.#queue.peek(1)[0] === tagEnd && this.#pair === undefined && this.#queue.length >= trailerBytes) {
      yield this.#trailer();
    }
  }

  #take(count: number): Uint8Array {
    const bytes = this.#queue.take(count);
    this.#running = this.#crc(bytes, this.#running);
    return bytes;
  }

  #header(): OrderedSnapshotPart {
    const bytes = this.#take(streamHeaderBytes);
    if (!magic.every((byte, i) => bytes[i] === byte)) throw invalid('it does not begin with the magic bytes');
    const view = new DataView(bytes.buffer);
    const version = view.getUint32(8);
    if (version !== snapshotFormatVersion) {
      throw new BalsaError(
        'STORE_FORMAT_VERSION',
        `the snapshot has version ${String(version)}, this code reads ${String(snapshotFormatVersion)}`,
      );
    }
    const appliedIndex = readSafeInteger(view, 12);
    if (!Number.isSafeInteger(appliedIndex)) throw invalid('its applied index is not a safe integer');
    this.#state = 'pairs';
    return { kind: 'header', version, appliedIndex };
  }

  /** The next pair that has come whole. */
  #next(): KeyValue | undefined {
    this.#pair ??= this.#pairHead();
    const lengths = this.#pair;
    if (lengths === undefined || this.#queue.length < lengths.keyBytes + lengths.valueBytes) return undefined;
    const key = this.#take(lengths.keyBytes);
    const value = this.#take(lengths.valueBytes);
    this.#pair = undefined;
    if (this.#lastKey !== undefined && compareBytes(this.#lastKey, key) >= 0) {
      throw invalid(`pair ${String(this.#count)} is not above the one before it`);
    }
    this.#lastKey = key;
    this.#count++;
    return { key, value };
  }

  #pairHead(): { keyBytes: number; valueBytes: number } | undefined {
    const head = this.#queue.peek(maxPairHeadBytes);
    const tag = head[0];
    if (tag === undefined || tag === tagEnd) return undefined;
    if (tag !== tagPair) throw invalid(`pair ${String(this.#count)} begins with byte ${String(tag)}`);
    const key = readVarint(head, 1);
    const value = key === undefined ? undefined : readVarint(head, key.end);
    if (key === undefined || value === undefined) return undefined;
    if (key.value < 1 || key.value > maxKeyBytes || value.value > maxSnapshotValueBytes) {
      throw invalid(
        `pair ${String(this.#count)} has impossible lengths ${String(key.value)}, ${String(value.value)}`,
      );
    }
    this.#take(value.end);
    return { keyBytes: key.value, valueBytes: value.value };
  }

  #trailer(): OrderedSnapshotPart {
    const bytes = this.#take(trailerBytes - 4);
    const expected = this.#running;
    const count = readSafeInteger(new DataView(bytes.buffer), 1);
    if (count !== this.#count) {
      throw invalid(`it announces ${String(count)} pairs, but holds ${String(this.#count)}`);
    }
    const digest = new DataView(this.#take(4).buffer).getUint32(0);
    if (digest !== expected) throw invalid('the digest of the trailer does not match');
    if (this.#queue.length > 0) throw invalid(`${String(this.#queue.length)} bytes follow the trailer`);
    this.#state = 'done';
    return { kind: 'trailer', count, digest };
  }
}

function streamHeader(appliedIndex: LogIndex): Uint8Array {
  const bytes = new Uint8Array(streamHeaderBytes);
  bytes.set(magic);
  const view = new DataView(bytes.buffer);
  view.setUint32(8, snapshotFormatVersion);
  writeSafeInteger(view, 12, assertSafeInteger(appliedIndex, 'applied index'));
  return bytes;
}

function trailerHead(count: number): Uint8Array {
  const bytes = new Uint8Array(trailerBytes - 4);
  bytes[0] = tagEnd;
  writeSafeInteger(new DataView(bytes.buffer), 1, count);
  return bytes;
}

function pairHead(keyBytes: number, valueBytes: number): Uint8Array {
  if (valueBytes > maxSnapshotValueBytes) {
    throw new BalsaError(
      'INVALID_ARGUMENT',
      `a value in a snapshot has at most ${String(maxSnapshotValueBytes)} bytes, this one ${String(valueBytes)}`,
    );
  }
  const head = [tagPair];
  for (let length of [keyBytes, valueBytes]) {
    for (; length >= 0x80; length >>>= 7) head.push((length & 0x7f) | 0x80);
    head.push(length);
  }
  return Uint8Array.from(head);
}

/** An unsigned LEB128 number of at most five bytes; undefined when more bytes are needed. */
function readVarint(bytes: Uint8Array, start: number): { value: number; end: number } | undefined {
  let value = 0;
  for (let i = 0; i < 5; i++) {
    const byte = bytes[start + i];
    if (byte === undefined) return undefined;
    value += (byte & 0x7f) * 2 ** (7 * i);
    if (byte >= 0x80) continue;
    // One number has one form only: the same state gives the same bytes.
    if (byte === 0 && i > 0) throw invalid('a length is written with more bytes than it needs');
    return { value, end: start + i + 1 };
  }
  throw invalid('a length has more than five bytes');
}

function invalid(problem: string): BalsaError {
  return new BalsaError('STORE_SNAPSHOT_INVALID', `this ordered snapshot is not valid: ${problem}`);
}
