/** What an open database says of itself. */
import { BalsaError } from '@balsa/raft-core';
import type { Rocks } from './binding.ts';
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

/** What a database is. `STORE_FORMAT_VERSION` when it is of another kind, undefined when it is empty. */
export function identify(rocks: Rocks): Found | undefined {
  const { path } = rocks;
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
  // No key of anybody is as high as this bound.
  const rows = rocks.iterate({ gte: Buffer.from([0]), lt: Buffer.alloc(16, 0xff) }, 1);
  try {
    return rows.next(1).length === 0;
  } finally {
    rows.close();
  }
}
