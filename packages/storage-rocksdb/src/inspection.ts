/**
 * A look at a database that changes nothing.
 *
 * RocksDB cannot be opened without being changed: it recovers, drops the part of its write-ahead log
 * behind a damaged record, and removes the file. The binding offers no opening for reading only. So the
 * look is at a copy: tables are never changed once they are written and are linked, everything else
 * (the write-ahead log, which is bounded, and small files) is copied.
 */
import { constants } from 'node:fs';
import { copyFile, link, mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { BalsaError, isBalsaError } from '@balsa/raft-core';
import { Rocks } from './binding.ts';
import { corrupt } from './errors.ts';
import { formatVersion, metaKey, type MetaName } from './keys.ts';
import { unseal } from './records.ts';

export interface Found {
  /** Of the last write that the database has. */
  readonly sequence: number;
  /** Identity of the watermark that belongs to it. */
  readonly watermark: string;
}

/** A record of the database's own, undefined when there is none. `STORE_CORRUPT` when it is damaged. */
export function readMeta(rocks: Rocks, name: MetaName): unknown {
  const key = metaKey(name);
  const [value] = rocks.get([key]);
  return value === undefined ? undefined : unseal(key, value, `the record ${name} of ${rocks.path}`);
}

/** What an open database is. `STORE_FORMAT_VERSION` when it is of another kind, undefined when it is empty. */
export function identify(rocks: Rocks, path: string): Found | undefined {
  const version = readMeta(rocks, 'format');
  if (version === undefined) {
    if (isEmpty(rocks)) return undefined;
    throw new BalsaError('STORE_FORMAT_VERSION', `${path} is a database of something else`, {
      details: { path },
    });
  }
  if (version !== formatVersion) {
    throw new BalsaError(
      'STORE_FORMAT_VERSION',
      `${path} has format ${String(version)}; this version reads and writes format ${String(formatVersion)}`,
      { details: { path, version } },
    );
  }
  const [sequence, watermark] = [readMeta(rocks, 'sequence'), readMeta(rocks, 'watermark')];
  if (typeof sequence !== 'number' || typeof watermark !== 'string') {
    throw corrupt(`${path} lacks its write sequence`, { path });
  }
  return { sequence, watermark };
}

function isEmpty(rocks: Rocks): boolean {
  // No key is longer than this bound is high.
  const rows = rocks.iterate({ gte: Buffer.from([0]), lt: Buffer.alloc(16, 0xff) }, 1);
  try {
    return rows.next(1).length === 0;
  } finally {
    rows.close();
  }
}

/** Looks at the database at `path` through a copy at `copy`, which is removed again. */
export async function inspect(path: string, copy: string, walLimitBytes: number): Promise<Found | undefined> {
  await rm(copy, { recursive: true, force: true });
  await mkdir(copy);
  try {
    for (const name of await readdir(path)) {
      if (name === 'LOCK') continue;
      await duplicate(join(path, name), join(copy, name));
    }
    const rocks = await Rocks.open(copy, { create: false, walLimitBytes });
    try {
      return identify(rocks, path);
    } finally {
      await rocks.close();
    }
  } catch (error) {
    throw isBalsaError(error) ? renamed(error, copy, path) : error;
  } finally {
    await rm(copy, { recursive: true, force: true });
  }
}

async function duplicate(from: string, to: string): Promise<void> {
  if (from.endsWith('.sst')) {
    try {
      await link(from, to);
      return;
    } catch (error) {
      // Not every file system has links.
      if (!(error instanceof Error && 'code' in error && linkless.has(String(error.code)))) throw error;
    }
  }
  await copyFile(from, to, constants.COPYFILE_FICLONE);
}

const linkless: ReadonlySet<string> = new Set([
  'EPERM',
  'ENOTSUP',
  'EOPNOTSUPP',
  'ENOSYS',
  'EMLINK',
  'EACCES',
]);

/** The same error, naming the database instead of its copy. */
function renamed(error: BalsaError, copy: string, path: string): BalsaError {
  return new BalsaError(error.code, error.message.replaceAll(copy, path), {
    cause: error.cause,
    details: error.details,
  });
}
