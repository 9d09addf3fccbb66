/** Takes the chunks of one snapshot, in order and one at a time, wherever they go. */
import {
  BalsaError,
  maxChunkBytes,
  toBalsaError,
  type SnapshotId,
  type SnapshotMetadata,
  type SnapshotWriter,
  type StoredSnapshot,
} from '@balsa/raft-core';
import { crc32 } from './crc.ts';
import { Turns } from './turns.ts';

/** Where the chunks of one snapshot go. It is asked for one thing at a time. */
export interface SnapshotSink {
  /** Chunk `n`, counted from 0. Nothing is appended after a failure. */
  append(chunk: Uint8Array, n: number): Promise<void>;
  /** Makes what was appended one of the stored snapshots. It is durable, and listed, when this resolves. */
  commit(stored: StoredSnapshot): Promise<void>;
  /** Removes what was appended, also after `append` or `commit` has failed half-way. Called once, if at all. */
  discard(): Promise<void>;
}

export interface SnapshotWriterOptions {
  readonly id: SnapshotId;
  readonly origin: 'created' | 'received';
  readonly metadata: SnapshotMetadata;
  readonly sink: SnapshotSink;
  /** Called once the writer is over, whatever its end. */
  readonly ended: () => void;
}

type Summary = Pick<StoredSnapshot, 'chunkCount' | 'bytes' | 'checksum'>;

export class SinkSnapshotWriter implements SnapshotWriter {
  readonly id: SnapshotId;
  readonly origin: 'created' | 'received';
  readonly metadata: SnapshotMetadata;
  readonly #sink: SnapshotSink;
  readonly #ended: () => void;
  /** Calls take effect in the order made, one at a time. */
  readonly #turns = new Turns();
  #state: 'writing' | 'committed' | 'aborted' = 'writing';
  #chunkCount = 0;
  #bytes = 0;
  #checksum = 0;

  constructor(options: SnapshotWriterOptions) {
    this.id = options.id;
    this.origin = options.origin;
    this.metadata = options.metadata;
    this.#sink = options.sink;
    this.#ended = options.ended;
  }

  get chunkCount(): number {
    return this.#chunkCount;
  }

  write(chunk: Uint8Array): Promise<void> {
    return this.#turns.take(async () => {
      this.#mustBeWriting();
      if (chunk.length > maxChunkBytes) {
        throw new BalsaError(
          'INVALID_ARGUMENT',
          `chunk ${String(this.#chunkCount)} has ${String(chunk.length)} bytes, at most ${String(maxChunkBytes)} are taken`,
          { details: { bytes: chunk.length, maxChunkBytes } },
        );
      }
      await this.#orAbort(async () => {
        await this.#sink.append(chunk, this.#chunkCount);
        this.#bytes += chunk.length;
        this.#checksum = crc32(chunk, this.#checksum);
        this.#chunkCount++;
      });
    });
  }

  commit(expected?: Summary): Promise<StoredSnapshot> {
    return this.#turns.take(async () => {
      this.#mustBeWriting();
      return this.#orAbort(async () => {
        const summary = { chunkCount: this.#chunkCount, bytes: this.#bytes, checksum: this.#checksum };
        this.#verify(summary, expected);
        const { id, metadata, origin } = this;
        const stored: StoredSnapshot = { id, metadata, origin, ...summary };
        await this.#sink.commit(stored);
        this.#state = 'committed';
        this.#ended();
        return stored;
      });
    });
  }

  abort(): Promise<void> {
    return this.#turns.take(() => this.#abort());
  }

  #verify(got: Summary, expected: Summary | undefined): void {
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
      await this.#sink.discard();
    } finally {
      this.#ended();
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
}
