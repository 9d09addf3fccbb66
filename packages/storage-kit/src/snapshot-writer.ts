/** Writes one snapshot into a temporary file, and gives it its name once it is whole and durable. */
import { crc32 } from './crc.ts';
import {
  BalsaError,
  maxChunkBytes,
  toBalsaError,
  type SnapshotId,
  type SnapshotWriter,
  type StoredSnapshot,
} from '@balsa/raft-core';
import { mapIo, temporarySuffix } from './durable.ts';
import type { FileHandle, FileSystem } from './file-system.ts';
import {
  encodeHeader,
  encodeIndex,
  encodeTrailer,
  frameCrc,
  frameHead,
  frameHeadBytes,
  indexStride,
  type SnapshotHeader,
} from './snapshot-format.ts';

/** Dirty pages are handed to the disk every so many bytes: one huge sync at the end would hold up the log's own. */
const syncEveryBytes = 32 * 1024 * 1024;

export interface SnapshotWriterOptions {
  readonly fs: FileSystem;
  readonly directory: string;
  /** Final name; the temporary is this with `.tmp` after it. */
  readonly name: string;
  readonly header: SnapshotHeader;
  /** Called when the file is durable under its final name, before `commit` resolves. */
  readonly committed: (stored: StoredSnapshot) => void;
  /** Called before the file gets its name; what it rejects with fails the commit. */
  readonly beforeCommit: () => Promise<void>;
  /** Called once the writer is over, whatever its end. */
  readonly ended: () => void;
}

type State = 'writing' | 'committed' | 'aborted';

export class FileSnapshotWriter implements SnapshotWriter {
  readonly id: SnapshotId;
  readonly header: SnapshotHeader;
  readonly #options: SnapshotWriterOptions;
  readonly #handle: FileHandle;
  readonly #headerCrc: number;
  readonly #index: number[] = [];
  /** Calls take effect in the order made, one at a time. */
  #tail: Promise<void> = Promise.resolve();
  #state: State = 'writing';
  #offset: number;
  #syncedOffset = 0;
  #chunkCount = 0;
  #bytes = 0;
  #checksum = 0;

  private constructor(options: SnapshotWriterOptions, handle: FileHandle, headerCrc: number, offset: number) {
    this.id = options.header.id;
    this.header = options.header;
    this.#options = options;
    this.#handle = handle;
    this.#headerCrc = headerCrc;
    this.#offset = offset;
  }

  static async begin(options: SnapshotWriterOptions): Promise<FileSnapshotWriter> {
    const path = options.fs.join(options.directory, options.name + temporarySuffix);
    const { bytes, crc } = encodeHeader(options.header);
    const handle = await mapIo('create', path, () => options.fs.open(path, 'create'));
    try {
      await mapIo('write', path, () => handle.write([bytes], 0));
    } catch (error) {
      await handle.close();
      await options.fs.remove(path);
      throw error;
    }
    return new FileSnapshotWriter(options, handle, crc, bytes.length);
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
      await this.#orAbort(() => this.#append(chunk));
    });
  }

  commit(expected?: Pick<StoredSnapshot, 'chunkCount' | 'bytes' | 'checksum'>): Promise<StoredSnapshot> {
    return this.#inTurn(async () => {
      this.#mustBeWriting();
      return this.#orAbort(async () => {
        this.#verify(expected);
        return this.#finish();
      });
    });
  }

  abort(): Promise<void> {
    return this.#inTurn(() => this.#abort());
  }

  async #append(chunk: Uint8Array): Promise<void> {
    const n = this.#chunkCount;
    const head = frameHead(chunk.length, frameCrc(this.#headerCrc, n, chunk));
    await this.#handle.write([head, chunk], this.#offset);
    if (n % indexStride === 0) this.#index.push(this.#offset);
    this.#offset += frameHeadBytes + chunk.length;
    this.#bytes += chunk.length;
    this.#checksum = crc32(chunk, this.#checksum);
    this.#chunkCount = n + 1;
    if (this.#offset - this.#syncedOffset >= syncEveryBytes) {
      await this.#handle.dataSync();
      this.#syncedOffset = this.#offset;
    }
  }

  #verify(expected: Pick<StoredSnapshot, 'chunkCount' | 'bytes' | 'checksum'> | undefined): void {
    if (expected === undefined) return;
    const got = { chunkCount: this.#chunkCount, bytes: this.#bytes, checksum: this.#checksum };
    for (const field of ['chunkCount', 'bytes', 'checksum'] as const) {
      if (got[field] !== expected[field]) {
        throw new BalsaError(
          'STORE_SNAPSHOT_INVALID',
          `snapshot ${this.id}: ${field} is ${String(got[field])}, announced was ${String(expected[field])}`,
          { details: { id: this.id, field, got: got[field], expected: expected[field] } },
        );
      }
    }
  }

  async #finish(): Promise<StoredSnapshot> {
    const { fs, directory, name } = this.#options;
    const index = encodeIndex(this.#index);
    const summary = { chunkCount: this.#chunkCount, bytes: this.#bytes, checksum: this.#checksum };
    const trailer = encodeTrailer({
      ...summary,
      indexOffset: this.#offset,
      indexCrc: crc32(index),
      headerCrc: this.#headerCrc,
    });
    await this.#handle.write([index, trailer], this.#offset);
    await this.#handle.sync();
    await this.#handle.close();
    await this.#options.beforeCommit();
    const path = fs.join(directory, name);
    await fs.rename(path + temporarySuffix, path);
    await fs.syncDirectory(directory);
    const { id, metadata, origin } = this.header;
    const stored: StoredSnapshot = { id, metadata, origin, ...summary };
    this.#state = 'committed';
    this.#options.committed(stored);
    this.#options.ended();
    return stored;
  }

  async #abort(): Promise<void> {
    if (this.#state !== 'writing') return;
    this.#state = 'aborted';
    const { fs, directory, name } = this.#options;
    const path = fs.join(directory, name);
    try {
      await this.#handle.close();
      // A commit that failed at the very end may have left the final name.
      await mapIo('remove', path, async () => {
        await fs.remove(path + temporarySuffix);
        await fs.remove(path);
      });
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

  /** Half a snapshot is worth nothing: what fails removes it. */
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
    this.#tail = result.then(
      () => undefined,
      () => undefined,
    );
    return result;
  }
}
