/**
 * Whether a node can start on its data, found out before anything is opened for writing: data that turn out to be
 * damaged or of somebody else stay as they are.
 */
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { BalsaError, type StoreIdentity } from '@balsa/raft-core';
import { createNodeEnv } from '@balsa/raft-node';
import { verifySqliteStore } from '@balsa/storage-sqlite';
import { CommandFailure } from '../messages.ts';
import { storageFile } from './node-storage.ts';

export interface PreflightOptions {
  readonly id: number;
  readonly data: string;
  /** Undefined: of any cluster. */
  readonly clusterId?: string | undefined;
  /** Whether an empty directory is what is expected, or one whose node was founded and got no further. */
  readonly mayBeEmpty: boolean;
}

/** The last owner may still be closing its files; what is wrong after this pause is wrong. In milliseconds. */
const secondLookMs = 500;

/** `STORE_NOT_BOOTSTRAPPED` when there is nothing and should be something. Resolves with the bytes of all files. */
export async function requireData({ id, data, mayBeEmpty }: PreflightOptions): Promise<number> {
  const bytes = await sizeOf(data);
  if (bytes === undefined && !mayBeEmpty) throw noData(id, data);
  return bytes ?? 0;
}

/** Rejects with what would keep the node from starting. Changes nothing in `data`. */
export async function preflight(options: PreflightOptions): Promise<void> {
  if ((await requireData(options)) === 0) return;
  try {
    await look(options);
  } catch {
    await sleep(secondLookMs);
    await look(options);
  }
}

async function look(options: PreflightOptions): Promise<void> {
  const identity = await verifySqliteStore({ directory: options.data, env: createNodeEnv() });
  if (identity !== undefined) checkIdentity(options, identity);
  else if (!options.mayBeEmpty) throw noData(options.id, options.data);
}

/** Bytes of all files in it; undefined when it is empty or not there. */
async function sizeOf(directory: string): Promise<number | undefined> {
  try {
    const items = await readdir(directory, { recursive: true, withFileTypes: true });
    // The name of the engine alone is no data.
    if (items.every((item) => item.name === storageFile)) return undefined;
    const files = items.filter((item) => item.isFile());
    const sizes = await Promise.all(files.map((file) => stat(path.join(file.parentPath, file.name))));
    return sizes.reduce((sum, { size }) => sum + size, 0);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    throw new CommandFailure(`Cannot read the data directory ${directory}: ${message}`, { cause: error });
  }
}

function noData(id: number, data: string): BalsaError {
  return new BalsaError('STORE_NOT_BOOTSTRAPPED', `${data} holds no data of node ${id}`);
}

function checkIdentity({ id, data, clusterId }: PreflightOptions, found: StoreIdentity): void {
  if (found.nodeId !== id) {
    throw new BalsaError('STORE_IDENTITY_MISMATCH', `${data} belongs to node ${found.nodeId}, not to ${id}`);
  }
  if (clusterId !== undefined && found.clusterId !== clusterId) {
    throw new BalsaError(
      'STORE_IDENTITY_MISMATCH',
      `${data} belongs to cluster ${found.clusterId}, not to ${clusterId}`,
    );
  }
}
