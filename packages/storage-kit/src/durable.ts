/** Files that are there whole after a power cut, or not at all. */
import { BalsaError, isBalsaError } from '@balsa/raft-core';
import type { FileSystem } from './file-system.ts';

/** Names that end like this are unfinished; whoever owns the directory removes them when it opens. */
export const temporarySuffix = '.tmp';

/** Runs a file operation and turns what the operating system says into `STORE_IO` with the path in it. */
export async function mapIo<T>(what: string, path: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (isBalsaError(error)) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new BalsaError('STORE_IO', `cannot ${what} ${path}: ${reason}`, {
      cause: error,
      details: { path },
    });
  }
}

/** Creates or replaces `directory/name`: a temporary is written and synced, renamed, and the directory synced. */
export async function writeFileDurably(
  fs: FileSystem,
  directory: string,
  name: string,
  bytes: Uint8Array,
): Promise<void> {
  const path = fs.join(directory, name);
  const temporary = path + temporarySuffix;
  await mapIo('write', path, async () => {
    await fs.remove(temporary);
    const handle = await fs.open(temporary, 'create');
    try {
      await handle.write([bytes], 0);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await fs.rename(temporary, path);
    await fs.syncDirectory(directory);
  });
}

/** Removes files and makes their absence durable. Nothing is synced when there is nothing to remove. */
export async function removeDurably(
  fs: FileSystem,
  directory: string,
  names: readonly string[],
): Promise<void> {
  if (names.length === 0) return;
  await mapIo('remove files in', directory, async () => {
    for (const name of names) await fs.remove(fs.join(directory, name));
    await fs.syncDirectory(directory);
  });
}

/** Creates a directory and makes its own name in the parent durable. */
export async function makeDirectoryDurably(fs: FileSystem, path: string): Promise<void> {
  await mapIo('create the directory', path, async () => {
    await fs.makeDirectory(path);
    await fs.syncDirectory(path);
    await fs.syncDirectory(fs.join(path, '..'));
  });
}
