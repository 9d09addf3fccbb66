/** Directories that go away, and a file system that tells what was done and fails on demand. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { nodeFileSystem, type FileHandle, type FileSystem } from '@balsa/storage-kit';
import { afterEach } from 'vitest';

const directories: string[] = [];

afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true, force: true });
});

export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'balsa-kit-'));
  directories.push(directory);
  return directory;
}

export interface WatchedFileSystem extends FileSystem {
  /** `operation name`, in the order of effect. */
  readonly done: string[];
  /** Operations (`dataSync watermark`) that fail with EIO from now on. */
  readonly failing: Set<string>;
}

/** The real file system, observed. */
export function watch(fs: FileSystem = nodeFileSystem): WatchedFileSystem {
  const done: string[] = [];
  const failing = new Set<string>();
  const step = async <T>(operation: string, path: string, run: () => Promise<T>): Promise<T> => {
    const what = `${operation} ${basename(path)}`;
    if (failing.has(what)) throw Object.assign(new Error(`EIO: i/o error, ${what}`), { code: 'EIO' });
    const result = await run();
    done.push(what);
    return result;
  };
  const watchHandle = (handle: FileHandle, path: string): FileHandle => ({
    read: (buffer, position) => handle.read(buffer, position),
    write: (buffers, position) => step('write', path, () => handle.write(buffers, position)),
    truncate: (size) => handle.truncate(size),
    sync: () => step('sync', path, () => handle.sync()),
    dataSync: () => step('dataSync', path, () => handle.dataSync()),
    size: () => handle.size(),
    close: () => handle.close(),
  });
  return {
    ...fs,
    done,
    failing,
    open: async (path, mode) => watchHandle(await fs.open(path, mode), path),
    rename: (from, to) => step('rename', to, () => fs.rename(from, to)),
    remove: (path) => step('remove', path, () => fs.remove(path)),
    syncDirectory: (path) => step('syncDirectory', path, () => fs.syncDirectory(path)),
  };
}
