/** Takes the chunks of one snapshot; it counts once a record of the log says so. */
import {
  BalsaError,
  maxChunkBytes,
  toBalsaError,
  type SnapshotId,
  type SnapshotMetadata,
  type SnapshotWriter,
  type StoredSnapshot,
} from '@balsa/raft-core';
import { crc32 } from '@balsa/storage-kit';
import type { SnapshotChunks } from './snapshot-chunks.ts';

export interface SnapshotWriterOptions {
  readonly id: SnapshotId;
  readonly origin: 'created' | 'received';
  readonly metadata: SnapshotMetadata;
  readonly chunks: SnapshotChunks;
  /** Makes it one of the stored snapshots, durably. */
  readonly store: (stored: StoredSnapshot) => Promise<void>;
  /** Its chunks are of no use any more. */
  readonly discard: () => Promise<void>;
  /** Called once the writer is over, whatever its end. */
  readonly ended: () => void;
}

export class RedisSnapshotWriter implements SnapshotWriter {
  readonly id: SnapshotId;
  readonly origin: 'created' | 'received';
  readonly metadata: SnapshotMetadata;
  readonly #options: SnapshotWriterOptions;
  /** Calls take effect in the order made, one at a time. */
  #tail: Promise<unknown> = Promise.resolve();
  #state: 'writing' | 'committed' | 'aborted' = 'writing';
  #chunkCount = 0;
  #bytes = 0;
  #checksum = 0;

  constructor(options: SnapshotWriterOptions) {
    this.id = options.id;
    this.origin = options.origin;
    this.metadata = options.metadata;
    this.#options = options;
  }

  get chunkCount(): number {
    return this.#chunkCount;
  }

  write(chunk: Uint8Array): Promise<void> {
    return this.#inTurn(async () => {
      this.#mustBeWriting();
      if (chunk.length > maxChunkBytes) {
        throw new BalsaError(
          'INVALID_ARGUMENT',
          `chunk ${String(this.#chunkCount)} has ${String(chunk.length)} bytes, at most ${String(maxChunkBytes)} are taken`,
          { details: { bytes: chunk.length, maxChunkBytes } },
        );
      }
      await this.#orAbort(async () => {
        await this.#options.chunks.write(this.id, this.#chunkCount, chunk);
        this.#bytes += chunk.length;
        this.#checksum = crc32(chunk, this.#checksum);
        this.#chunkCount++;
      });
    });
  }

  commit(expected?: Pick<StoredSnapshot, 'chunkCount' | 'bytes' | 'checksum'>): Promise<StoredSnapshot> {
    return this.#inTurn(async () => {
      this.#mustBeWriting();
      return this.#orAbort(async () => {
        const summary = { chunkCount: this.#chunkCount, bytes: this.#bytes, checksum: this.#checksum };
        this.#verify(summary, expected);
        const { id, metadata, origin } = this;
        const stored: StoredSnapshot = { id, metadata, origin, ...summary };
        await this.#options.store(stored);
        this.#state = 'committed';
        this.#options.ended();
        return stored;
      });
    });
  }

  abort(): Promise<void> {
    return this.#inTurn(() => this.#abort());
  }

  #verify(
    got: Pick<StoredSnapshot, 'chunkCount' | 'bytes' | 'checksum'>,
    expected: Pick<StoredSnapshot, 'chunkCount' | 'bytes' | 'checksum'> | undefined,
  ): void {
    if (expected === undefined) return;
    for (const field of ['chunkCount', 'bytes', 'checksum'] as const) {
      if (got[field] === expected[field]) continue;
      throw new BalsaError(
        'STORE_SNAPSHOT_INVALID',
        `snapshot ${this.id}: ${field} is ${String(got[field])}, announced was ${String(expected[field])}`,
        { details: { id: this.id, field, got: got[field], expected: expected[field] } },
      );
    }
  }

  async #abort(): Promise<void> {
    if (this.#state !== 'writing') return;
    this.#state = 'aborted';
    try {
      await this.#options.discard();
    } finally {
      this.#options.ended();
    }
  }

  #mustBeWriting(): void {
    if (this.#state === 'aborted') {
      throw new BalsaError('STORE_SNAPSHOT_ABORTED', `snapshot ${this.id} was aborted`, {
        details: { id: this.id },
      });
    }
    if (this.#state === 'committed') {
      throw new BalsaError('INVALID_ARGUMENT', `snapshot ${this.id} is committed already`);
    }
  }

  /** Half a snapshot is worth nothing: what fails removes it, or leaves that to the next opening. */
  async #orAbort<T>(run: () => Promise<T>): Promise<T> {
    try {
      return await run();
    } catch (error) {
      const failure = toBalsaError(error, 'STORE_IO', `cannot write snapshot ${this.id}`);
      try {
        await this.#abort();
      } catch (second) {
        throw new BalsaError(failure.code, failure.message, {
          cause: new AggregateError([error, second], 'the snapshot failed, and so did removing it'),
        });
      }
      throw failure;
    }
  }

  #inTurn<T>(run: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(run);
    this.#tail = result.catch(() => undefined);
    return result;
  }
}
