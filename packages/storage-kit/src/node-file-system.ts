/**
 * The real file system, on Node's asynchronous calls (libuv's thread pool): but for `writeNow` and `dataSyncNow`,
 * which are called where that costs more, nothing here blocks the event loop.
 */
import { fdatasyncSync, writeSync } from 'node:fs';
import { open, mkdir, readdir, rename, rm, stat, type FileHandle as NodeHandle } from 'node:fs/promises';
import { join } from 'node:path';
import type { FileHandle, FileSystem, OpenMode } from './file-system.ts';

const flags: Readonly<Record<OpenMode, string>> = { read: 'r', create: 'wx+', update: 'r+' };

class NodeFile implements FileHandle {
  readonly #handle: NodeHandle;
  #closing: Promise<void> | undefined;

  constructor(handle: NodeHandle) {
    this.#handle = handle;
  }

  async read(buffer: Uint8Array, position: number): Promise<number> {
    let done = 0;
    while (done < buffer.length) {
      const { bytesRead } = await this.#handle.read(buffer, done, buffer.length - done, position + done);
      if (bytesRead === 0) break;
      done += bytesRead;
    }
    return done;
  }

  async write(buffers: readonly Uint8Array[], position: number): Promise<void> {
    let total = 0;
    for (const buffer of buffers) total += buffer.length;
    const { bytesWritten } = await this.#handle.writev([...buffers], position);
    if (bytesWritten === total) return;
    // A short write (a nearly full disk, a signal): the rest goes one buffer at a time, and the
    // reason, if there is one, comes out as an error of the next call.
    let start = 0;
    for (const buffer of buffers) {
      const end = start + buffer.length;
      let at = Math.max(start, Math.min(bytesWritten, end));
      while (at < end) {
        const part = await this.#handle.write(buffer, at - start, end - at, position + at);
        at += part.bytesWritten;
      }
      start = end;
    }
  }

  writeNow(buffer: Uint8Array, position: number): void {
    for (let at = 0; at < buffer.length;) {
      at += writeSync(this.#handle.fd, buffer, at, buffer.length - at, position + at);
    }
  }

  async truncate(size: number): Promise<void> {
    await this.#handle.truncate(size);
  }

  async sync(): Promise<void> {
    await this.#handle.sync();
  }

  async dataSync(): Promise<void> {
    await this.#handle.datasync();
  }

  dataSyncNow(): void {
    fdatasyncSync(this.#handle.fd);
  }

  async size(): Promise<number> {
    return (await this.#handle.stat()).size;
  }

  close(): Promise<void> {
    this.#closing ??= this.#handle.close();
    return this.#closing;
  }
}

function isMissing(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === 'ENOENT';
}

/** Node's own file system. */
export const nodeFileSystem: FileSystem = {
  async open(path, mode) {
    return new NodeFile(await open(path, flags[mode]));
  },
  rename,
  async remove(path) {
    await rm(path, { force: true });
  },
  async makeDirectory(path) {
    await mkdir(path, { recursive: true });
  },
  list: (path) => readdir(path),
  async size(path) {
    try {
      return (await stat(path)).size;
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  },
  async syncDirectory(path) {
    // Windows has no handle of a directory to sync; NTFS journals renames by itself.
    if (process.platform === 'win32') return;
    const handle = await open(path, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  },
  join: (...parts) => join(...parts),
};
