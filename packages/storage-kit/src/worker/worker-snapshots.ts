/** Snapshots that are written and read in the worker, a chunk a message. */
import {
  maxChunkBytes,
  BalsaError,
  type SnapshotId,
  type SnapshotReader,
  type SnapshotWriter,
  type StoredSnapshot,
} from '@balsa/raft-core';
import { endOf, type Link } from './link.ts';
import { packList, unpackList, type Packed } from './payload.ts';
import type { Handle } from './protocol.ts';

/** What of a writer can be read without waiting. */
export interface WriterState {
  readonly id: SnapshotId;
  readonly chunkCount: number;
}

export class WorkerSnapshotWriter implements SnapshotWriter {
  readonly id: SnapshotId;
  readonly #link: Link;
  readonly #handle: Handle;
  #chunkCount: number;

  constructor(link: Link, handle: Handle, { id, chunkCount }: WriterState) {
    this.id = id;
    this.#link = link;
    this.#handle = handle;
    this.#chunkCount = chunkCount;
    link.adopt(this, handle);
  }

  get chunkCount(): number {
    return this.#chunkCount;
  }

  async write(chunk: Uint8Array): Promise<void> {
    if (chunk.length > maxChunkBytes) {
      throw new BalsaError(
        'INVALID_ARGUMENT',
        `a chunk has at most ${String(maxChunkBytes)} bytes, this one ${String(chunk.length)}`,
        { details: { bytes: chunk.length, maxChunkBytes } },
      );
    }
    const packed = packList([chunk]);
    const transfer = [packed.buffer];
    this.#chunkCount = await this.#link.call<number>(this.#handle, 'write', [packed], { transfer });
  }

  commit(expected?: Pick<StoredSnapshot, 'chunkCount' | 'bytes' | 'checksum'>): Promise<StoredSnapshot> {
    return this.#link.call(this.#handle, 'commit', [expected]);
  }

  abort(): Promise<void> {
    return endOf(this.#link, this.#handle, 'abort');
  }
}

export class WorkerSnapshotReader implements SnapshotReader {
  readonly snapshot: StoredSnapshot;
  readonly #link: Link;
  readonly #handle: Handle;

  constructor(link: Link, handle: Handle, snapshot: StoredSnapshot) {
    this.snapshot = snapshot;
    this.#link = link;
    this.#handle = handle;
    link.adopt(this, handle);
  }

  async chunk(n: number): Promise<Uint8Array> {
    const packed = await this.#link.call<Packed>(this.#handle, 'chunk', [n]);
    return unpackList(packed)[0] ?? new Uint8Array(0);
  }

  close(): Promise<void> {
    return endOf(this.#link, this.#handle, 'close');
  }
}
