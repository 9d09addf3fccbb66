/** Reads one stored snapshot, each chunk verified. Memory: one chunk, and 8 bytes per 64 chunks. */
import { crc32 } from './crc.ts';
import { BalsaError, maxChunkBytes, type SnapshotReader, type StoredSnapshot } from '@balsa/raft-core';
import { mapIo } from './durable.ts';
import type { FileHandle, FileSystem } from './file-system.ts';
import {
  decodeHeader,
  decodeIndex,
  decodeTrailer,
  frameCrc,
  frameHeadBytes,
  headerLength,
  headerPrefixBytes,
  indexStride,
  snapshotCorrupt,
  trailerBytes,
  type SnapshotHeader,
  type SnapshotTrailer,
} from './snapshot-format.ts';

/** What the two ends of a snapshot file say, with the chunks between them not looked at yet. */
export interface SnapshotEnds {
  readonly header: SnapshotHeader;
  readonly trailer: SnapshotTrailer;
  readonly stored: StoredSnapshot;
  /** Offset of the first frame. */
  readonly bodyOffset: number;
}

async function readExactly(
  handle: FileHandle,
  length: number,
  position: number,
  path: string,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  const got = await mapIo('read', path, () => handle.read(bytes, position));
  if (got !== length)
    throw snapshotCorrupt(path, `ends at byte ${String(position + got)}, in the middle of its data`);
  return bytes;
}

/** Reads and verifies header and trailer. `STORE_CORRUPT` when they are not those of a whole snapshot. */
export async function readEnds(handle: FileHandle, path: string): Promise<SnapshotEnds> {
  const size = await mapIo('look at', path, () => handle.size());
  const length = headerLength(await readExactly(handle, headerPrefixBytes, 0, path), path);
  if (length + trailerBytes > size) throw snapshotCorrupt(path, `is only ${String(size)} bytes long`);
  const { header, crc } = decodeHeader(await readExactly(handle, length, 0, path), path);
  const trailer = decodeTrailer(await readExactly(handle, trailerBytes, size - trailerBytes, path), path);
  const frames = trailer.bytes + trailer.chunkCount * frameHeadBytes;
  const indexBytes = Math.ceil(trailer.chunkCount / indexStride) * 8;
  const fits =
    trailer.indexOffset === length + frames && trailer.indexOffset + indexBytes + trailerBytes === size;
  if (trailer.headerCrc !== crc || !fits)
    throw snapshotCorrupt(path, 'header and trailer are not of one snapshot');
  const stored: StoredSnapshot = {
    id: header.id,
    metadata: header.metadata,
    origin: header.origin,
    chunkCount: trailer.chunkCount,
    bytes: trailer.bytes,
    checksum: trailer.checksum,
  };
  return { header, trailer, stored, bodyOffset: length };
}

export class FileSnapshotReader implements SnapshotReader {
  readonly snapshot: StoredSnapshot;
  readonly #handle: FileHandle;
  readonly #path: string;
  readonly #ends: SnapshotEnds;
  readonly #index: readonly number[];
  /** The frame after the one read last, so that reading in order never searches. */
  #next: { readonly n: number; readonly offset: number };
  readonly #ended: () => void;
  #closed = false;
  #inUse = 0;

  private constructor(
    handle: FileHandle,
    path: string,
    ends: SnapshotEnds,
    index: readonly number[],
    ended: () => void,
  ) {
    this.#ended = ended;
    this.snapshot = ends.stored;
    this.#handle = handle;
    this.#path = path;
    this.#ends = ends;
    this.#index = index;
    this.#next = { n: 0, offset: ends.bodyOffset };
  }

  /** `ended` is called when the reader is closed. */
  static async open(fs: FileSystem, path: string, ended: () => void): Promise<FileSnapshotReader> {
    const handle = await mapIo('open', path, () => fs.open(path, 'read'));
    try {
      const ends = await readEnds(handle, path);
      const { chunkCount, indexOffset, indexCrc } = ends.trailer;
      const bytes = await readExactly(handle, Math.ceil(chunkCount / indexStride) * 8, indexOffset, path);
      if (crc32(bytes) !== indexCrc) throw snapshotCorrupt(path, 'index checksum does not match');
      return new FileSnapshotReader(handle, path, ends, decodeIndex(bytes), ended);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  async chunk(n: number): Promise<Uint8Array> {
    if (this.#closed)
      throw new BalsaError('STORE_CLOSED', `the reader of snapshot ${this.snapshot.id} is closed`);
    if (!Number.isSafeInteger(n) || n < 0 || n >= this.snapshot.chunkCount) {
      throw new BalsaError(
        'OUT_OF_RANGE',
        `chunk ${String(n)} of snapshot ${this.snapshot.id}, which has ${String(this.snapshot.chunkCount)}`,
        { details: { n, chunkCount: this.snapshot.chunkCount } },
      );
    }
    this.#inUse++;
    try {
      const offset = await this.#offset(n);
      const { length, crc } = await this.#head(n, offset);
      const chunk = await readExactly(this.#handle, length, offset + frameHeadBytes, this.#path);
      if (frameCrc(this.#ends.trailer.headerCrc, n, chunk) !== crc) throw this.#damaged(n);
      this.#next = { n: n + 1, offset: offset + frameHeadBytes + length };
      return chunk;
    } finally {
      this.#inUse--;
      await this.#closeWhenUnused();
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#ended();
    await this.#closeWhenUnused();
  }

  async #closeWhenUnused(): Promise<void> {
    if (this.#closed && this.#inUse === 0) await this.#handle.close();
  }

  async #offset(n: number): Promise<number> {
    if (this.#next.n === n) return this.#next.offset;
    let at = n - (n % indexStride);
    let offset = this.#index[at / indexStride] ?? 0;
    for (; at < n; at++) offset += frameHeadBytes + (await this.#head(at, offset)).length;
    return offset;
  }

  async #head(n: number, offset: number): Promise<{ length: number; crc: number }> {
    const bytes = await readExactly(this.#handle, frameHeadBytes, offset, this.#path);
    const view = new DataView(bytes.buffer);
    const length = view.getUint32(0);
    const end = offset + frameHeadBytes + length;
    if (length > maxChunkBytes || end > this.#ends.trailer.indexOffset) throw this.#damaged(n);
    return { length, crc: view.getUint32(4) };
  }

  #damaged(n: number): BalsaError {
    return new BalsaError(
      'STORE_CORRUPT',
      `chunk ${String(n)} of snapshot file ${this.#path} does not match its checksum`,
      {
        details: { path: this.#path, chunk: n, snapshot: this.snapshot.id },
      },
    );
  }
}
