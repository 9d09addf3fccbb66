/** Writes one snapshot into a temporary file, and gives it its name once it is whole and durable. */
import type { StoredSnapshot } from '@balsa/raft-core';
import { crc32 } from './crc.ts';
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
import type { SnapshotSink } from './snapshot-writer.ts';

/** Dirty pages are handed to the disk every so many bytes: one huge sync at the end would hold up the log's own. */
const syncEveryBytes = 32 * 1024 * 1024;

export interface FileSnapshotSinkOptions {
  readonly fs: FileSystem;
  readonly directory: string;
  /** Final name; the temporary is this with `.tmp` after it. */
  readonly name: string;
  readonly header: SnapshotHeader;
  /** Called when the file is durable under its final name. */
  readonly committed: (stored: StoredSnapshot) => void;
  /** Called before the file gets its name; what it rejects with fails the commit. */
  readonly beforeCommit: () => Promise<void>;
}

export class FileSnapshotSink implements SnapshotSink {
  readonly #options: FileSnapshotSinkOptions;
  readonly #handle: FileHandle;
  readonly #headerCrc: number;
  readonly #index: number[] = [];
  #offset: number;
  #syncedOffset = 0;

  private constructor(
    options: FileSnapshotSinkOptions,
    handle: FileHandle,
    headerCrc: number,
    offset: number,
  ) {
    this.#options = options;
    this.#handle = handle;
    this.#headerCrc = headerCrc;
    this.#offset = offset;
  }

  static async begin(options: FileSnapshotSinkOptions): Promise<FileSnapshotSink> {
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
    return new FileSnapshotSink(options, handle, crc, bytes.length);
  }

  async append(chunk: Uint8Array, n: number): Promise<void> {
    const head = frameHead(chunk.length, frameCrc(this.#headerCrc, n, chunk));
    await this.#handle.write([head, chunk], this.#offset);
    if (n % indexStride === 0) this.#index.push(this.#offset);
    this.#offset += frameHeadBytes + chunk.length;
    if (this.#offset - this.#syncedOffset >= syncEveryBytes) {
      await this.#handle.dataSync();
      this.#syncedOffset = this.#offset;
    }
  }

  async commit(stored: StoredSnapshot): Promise<void> {
    const { fs, directory, name, beforeCommit, committed } = this.#options;
    const { chunkCount, bytes, checksum } = stored;
    const index = encodeIndex(this.#index);
    const trailer = encodeTrailer({
      chunkCount,
      bytes,
      checksum,
      indexOffset: this.#offset,
      indexCrc: crc32(index),
      headerCrc: this.#headerCrc,
    });
    await this.#handle.write([index, trailer], this.#offset);
    await this.#handle.sync();
    await this.#handle.close();
    await beforeCommit();
    const path = fs.join(directory, name);
    await fs.rename(path + temporarySuffix, path);
    await fs.syncDirectory(directory);
    committed(stored);
  }

  async discard(): Promise<void> {
    const { fs, directory, name } = this.#options;
    const path = fs.join(directory, name);
    await this.#handle.close();
    // A commit that failed at the very end may have left the final name.
    await mapIo('remove', path, async () => {
      await fs.remove(path + temporarySuffix);
      await fs.remove(path);
    });
  }
}
