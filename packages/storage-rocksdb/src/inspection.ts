/** What an open database says of itself. */
import { BalsaError } from '@balsa/raft-core';
import type { Rocks } from './binding.ts';
import { corrupt } from './errors.ts';
import { formatVersion, metaKey, type MetaName } from './keys.ts';
import { unseal } from './records.ts';
import { unpackProgress, type ManifestMark, type Progress } from './witnesses.ts';

export interface Found {
  readonly progress: Progress;
  /** Identity of the watermark that belongs to it. */
  readonly watermark: string;
  /** As it was when the database was opened last. */
  readonly manifest: ManifestMark;
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
      `${path} has format ${JSON.stringify(version)}; this version reads and writes format ${String(formatVersion)}`,
      { details: { path, version, newest: formatVersion } },
    );
  }
  const need = (name: MetaName): unknown => {
    const record = readMeta(rocks, name);
    if (record === undefined) throw corrupt(`${path} lacks its record ${name}`, { path, name });
    return record;
  };
  return {
    progress: unpackProgress(need('sequence')),
    watermark: need('watermark') as string,
    manifest: need('manifest') as ManifestMark,
  };
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
