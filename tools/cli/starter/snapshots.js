/** Writing and reading one snapshot. TODO: keep the chunks in files, each with its checksum. */
import { BalsaError, crc32, maxChunkBytes } from '@balsa/raft-core';

export class SnapshotWriter {
  id;
  metadata;
  #options;
  #chunks = [];
  #bytes = 0;
  #checksum = 0;
  #state = 'open';

  constructor(options) {
    this.#options = options;
    this.id = options.id;
    this.metadata = options.metadata;
  }

  get chunkCount() {
    return this.#chunks.length;
  }

  async write(chunk) {
    this.#check();
    if (chunk.length > maxChunkBytes)
      throw new BalsaError(
        'INVALID_ARGUMENT',
        `a chunk has at most ${maxChunkBytes} bytes, not ${chunk.length}`,
      );
    this.#chunks.push(Uint8Array.from(chunk));
    this.#bytes += chunk.length;
    this.#checksum = crc32(chunk, this.#checksum);
  }

  async commit(expected) {
    this.#check();
    const { id, metadata } = this;
    const found = { chunkCount: this.#chunks.length, bytes: this.#bytes, checksum: this.#checksum };
    for (const [field, value] of Object.entries(found)) {
      if (expected === undefined || expected[field] === value) continue;
      await this.abort();
      throw new BalsaError('STORE_SNAPSHOT_INVALID', `${field} is ${value}, not ${expected[field]}`);
    }
    this.#state = 'committed';
    this.#options.ended();
    const stored = Object.freeze({ id, metadata, origin: this.#options.origin, ...found });
    await this.#options.keep({ stored, chunks: this.#chunks });
    return stored;
  }

  async abort() {
    if (this.#state !== 'open') return;
    this.#state = 'aborted';
    this.#chunks = [];
    this.#options.ended();
  }

  #check() {
    if (this.#state === 'aborted') throw new BalsaError('STORE_SNAPSHOT_ABORTED', `${this.id} was aborted`);
    this.#options.check();
    if (this.#state !== 'open') throw new BalsaError('INVALID_ARGUMENT', `${this.id} is committed already`);
  }
}

/** A reader keeps its chunks, so that it reads to the end when the snapshot is pruned meanwhile. */
export function readerOf({ stored, chunks }, check) {
  let closed = false;
  return {
    snapshot: stored,
    async chunk(n) {
      if (closed) throw new BalsaError('STORE_CLOSED', `the reader of ${stored.id} is closed`);
      check();
      const found = chunks[n];
      if (found === undefined)
        throw new BalsaError('OUT_OF_RANGE', `${stored.id} has ${chunks.length} chunks, not chunk ${n}`);
      return Uint8Array.from(found);
    },
    async close() {
      closed = true;
    },
  };
}
