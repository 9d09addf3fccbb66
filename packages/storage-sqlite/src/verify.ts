/** Whether a store could be opened, or is open, found out without opening it. */
import type { Env, StoreIdentity } from '@balsa/raft-core';
import { Watermark, mapIo, nodeFileSystem } from '@balsa/storage-kit';
import { refused } from './errors.ts';
import { inspectStore } from './inspection.ts';
import { OwnerLock } from './owner.ts';
import { logFile, ownerFile, watermarkFile } from './schema.ts';

export interface VerifyOptions {
  readonly directory: string;
  readonly env: Env;
}

/**
 * Reads all of a store's log and of its ordered stores and verifies it, in slices; snapshots are verified when
 * they are read. Resolves with the identity, or undefined where there is none or no store. Every file stays byte
 * for byte what it was. Rejects with `STORE_LOCKED` while an engine has it, and with what opening would reject
 * with: `STORE_CORRUPT`, `STORE_ACKNOWLEDGED_WRITE_LOST`, `STORE_FORMAT_VERSION`, `STORE_IO`.
 */
export async function verifySqliteStore({
  directory,
  env,
}: VerifyOptions): Promise<StoreIdentity | undefined> {
  const fs = nodeFileSystem;
  const sizeOf = (name: string): Promise<number | undefined> =>
    mapIo('look at', fs.join(directory, name), () => fs.size(fs.join(directory, name)));
  if ((await sizeOf(logFile)) === undefined && (await sizeOf(watermarkFile)) === undefined) return undefined;
  // Where there is no lock, nobody holds it.
  const locked = (await sizeOf(ownerFile)) !== undefined;
  const owner = locked ? OwnerLock.acquire(fs.join(directory, ownerFile)) : undefined;
  try {
    const watermark = await Watermark.open({ fs, directory, name: watermarkFile, lag: 1 });
    try {
      const options = { fs, directory, env, durability: 'strict', payloads: true } as const;
      return (await inspectStore(options, watermark))?.identity;
    } finally {
      await watermark?.close();
    }
  } catch (error) {
    throw refused(error, `verify ${directory}`);
  } finally {
    owner?.release();
  }
}

/** Whether an engine has the store open, in any process of this machine. Changes nothing, and no owner notices. */
export async function isSqliteStoreOpen(directory: string): Promise<boolean> {
  const path = nodeFileSystem.join(directory, ownerFile);
  // Where there is no lock, nobody holds it.
  return (
    (await mapIo('look at', path, () => nodeFileSystem.size(path))) !== undefined && OwnerLock.isHeld(path)
  );
}
