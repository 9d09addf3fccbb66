/** Reads one stored snapshot, each chunk verified. Memory: one chunk. */
import { BalsaError, type SnapshotReader, type StoredSnapshot } from '@balsa/raft-core';
import type { SnapshotChunks } from './snapshot-chunks.ts';

export class RedisSnapshotReader implements SnapshotReader {
  readonly snapshot: StoredSnapshot;
  readonly #chunks: SnapshotChunks;
  readonly #check: () => void;
  readonly #ended: (reader: RedisSnapshotReader) => void;
  #closed = false;

  constructor(
    snapshot: StoredSnapshot,
    chunks: SnapshotChunks,
    check: () => void,
    ended: (reader: RedisSnapshotReader) => void,
  ) {
    this.snapshot = snapshot;
    this.#chunks = chunks;
    this.#check = check;
    this.#ended = ended;
  }

  async chunk(n: number): Promise<Uint8Array> {
    const { id, chunkCount } = this.snapshot;
    if (this.#closed) throw new BalsaError('STORE_CLOSED', `the reader of snapshot ${id} is closed`);
    if (!Number.isSafeInteger(n) || n < 0 || n >= chunkCount) {
      throw new BalsaError(
        'OUT_OF_RANGE',
        `chunk ${String(n)} of snapshot ${id}, which has ${String(chunkCount)}`,
        { details: { n, chunkCount } },
      );
    }
    this.#check();
    return this.#chunks.read(id, n);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#ended(this);
  }
}
