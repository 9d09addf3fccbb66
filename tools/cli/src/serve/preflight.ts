/**
 * Whether a node can start on its data, tried on a copy of it.
 *
 * Opening a store writes: it takes the directory over, checkpoints, removes leftovers. When the data turns out
 * to be damaged or of somebody else, that must not have happened, so the first look is at a copy.
 */
import { constants } from 'node:fs';
import { cp, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  BalsaError,
  isBalsaError,
  type OrderedStore,
  type Storage,
  type StoreIdentity,
} from '@balsa/raft-core';
import { addressStoreName, createNodeEnv } from '@balsa/raft-node';
import { openSqliteEngine } from '@balsa/storage-sqlite';
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

/** A larger store would take too long: it is looked at by its node alone, and verified as it is read. In bytes. */
const maxCopyBytes = 256 * 1024 * 1024;
/** What is in memory at a time. */
const pageBytes = 1024 * 1024;
const pagePairs = 1_000;
/** The last owner may still be closing its files; what is wrong after this pause is wrong. In milliseconds. */
const secondLookMs = 500;
/** What the store makes anew by itself: SQLite's shared memory, and the files that hold the lock. */
const notCopied = /(-shm|^owner\.db.*)$/;

/** `STORE_NOT_BOOTSTRAPPED` when there is nothing and should be something. Resolves with the bytes of all files. */
export async function requireData({ id, data, mayBeEmpty }: PreflightOptions): Promise<number> {
  const bytes = await sizeOf(data);
  if (bytes === undefined && !mayBeEmpty) throw noData(id, data);
  return bytes ?? 0;
}

/** Rejects with what would keep the node from starting. Changes nothing in `data`. */
export async function preflight(options: PreflightOptions): Promise<void> {
  const bytes = await requireData(options);
  if (bytes === 0 || bytes > maxCopyBytes) return;
  try {
    await lookAtCopy(options);
  } catch {
    await sleep(secondLookMs);
    await lookAtCopy(options);
  }
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

async function lookAtCopy(options: PreflightOptions): Promise<void> {
  const folder = await mkdtemp(path.join(tmpdir(), 'balsa-look-'));
  try {
    if (await copy(options.data, folder)) await open(options, folder);
  } catch (error) {
    throw retold(error, folder, options.data);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** False when there is no room for a copy: then the node looks for itself. */
async function copy(from: string, to: string): Promise<boolean> {
  try {
    await cp(from, to, {
      recursive: true,
      mode: constants.COPYFILE_FICLONE,
      filter: (source) => !notCopied.test(path.basename(source)),
    });
    return true;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOSPC' || code === 'EDQUOT') return false;
    throw new CommandFailure(`Cannot read the data directory ${from}: ${message}`, { cause: error });
  }
}

async function open(options: PreflightOptions, directory: string): Promise<void> {
  await using engine = await openSqliteEngine({ directory, env: createNodeEnv() });
  const identity = await engine.identity();
  if (identity === undefined) {
    if (options.mayBeEmpty) return;
    throw noData(options.id, options.data);
  }
  checkIdentity(options, identity);
  await readLog(engine.group('main'));
  for (const name of [addressStoreName, 'kv']) await readStore(engine.orderedStore(name));
}

/** Every checksum is verified on the way. */
async function readLog(storage: Storage): Promise<void> {
  const { firstIndex, lastIndex } = await storage.open();
  let next = firstIndex;
  while (next <= lastIndex) {
    const entries = await storage.entries(next, lastIndex + 1, pageBytes);
    next += entries.length;
  }
}

async function readStore(store: OrderedStore): Promise<void> {
  await store.open();
  let count = 0;
  let after: Uint8Array | undefined;
  for (;;) {
    const from = after === undefined ? {} : { gt: after };
    const pairs = await store.range({ ...from, limit: pagePairs, maxBytes: pageBytes });
    if (pairs.length === 0) break;
    count += pairs.length;
    after = pairs.at(-1)?.key;
  }
  const expected = await store.count();
  if (count !== expected) {
    throw new BalsaError(
      'STORE_CORRUPT',
      `an ordered store should have ${expected} pairs, and ${count} are there`,
    );
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

/** The copy is nobody's business: messages name the directory that it is a copy of. */
function retold(error: unknown, copied: string, original: string): unknown {
  if (!isBalsaError(error)) return error;
  const { code, message, cause } = error;
  const told = cause instanceof Error && !cause.message.includes(copied) ? { cause } : {};
  return new BalsaError(code, message.replaceAll(copied, original), told);
}
