/**
 * Opening the database of a directory, or leaving it as it was.
 *
 * RocksDB reopens without a word after a flipped bit in its write-ahead log, and lacks the writes behind
 * it: the watermark, which it knows nothing of, notices. An opening that is refused is rolled back, so
 * that what RocksDB could not read is still there for whoever looks into it.
 */
import { mkdir, readFile, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { BalsaError, LogLevel, randomHex64, type Durability, type Env } from '@balsa/raft-core';
import { Watermark, hintAtEmptiness, makeDirectoryDurably, mapIo, nodeFileSystem } from '@balsa/storage-kit';
import type { KeyRange, OpenRocks, Rocks } from './binding.ts';
import { corrupt, refused } from './errors.ts';
import { identify, type Found } from './inspection.ts';
import {
  afterNumber,
  formatVersion,
  groupRange,
  metaKey,
  numberOf,
  spaceRange,
  storeRange,
  type MetaName,
  type Space,
} from './keys.ts';
import { seal, unpackGroup, unseal, type GroupRecord, type StoreRecord } from './records.ts';
import { Rollback } from './rollback.ts';
import { Witnesses, checkManifest, checkWitnesses, markManifest, type ManifestMark } from './witnesses.ts';

/** What a directory of ours may hold. */
export const names = {
  database: 'db',
  watermark: 'watermark',
  snapshots: 'snapshots',
  rollback: 'rollback',
} as const;

export interface BootstrapOptions {
  readonly directory: string;
  readonly env: Env;
  readonly durability: Durability;
  readonly watermarkLag: number;
  readonly walLimitBytes: number;
  /** How the database is opened. */
  readonly openRocks: OpenRocks;
}

export interface OpenedDatabase {
  readonly rocks: Rocks;
  readonly watermark: Watermark;
  readonly sequence: number;
  readonly witnesses: Witnesses;
  readonly groups: Map<string, GroupRecord>;
  readonly stores: Map<string, StoreRecord>;
  /** Logs and generations that are there. */
  readonly logs: readonly number[];
  readonly generations: readonly number[];
}

/** `STORE_FORMAT_VERSION` when something else lives in the directory. Changes nothing. */
export async function refuseForeign(directory: string): Promise<void> {
  const found = await listIfThere(directory);
  const ours = new Set<string>(Object.values(names));
  if (found.some((name) => ours.has(name)) || found.every((name) => name.startsWith(names.watermark))) return;
  throw new BalsaError(
    'STORE_FORMAT_VERSION',
    `${directory} holds other files (${found.slice(0, 3).join(', ')}) and no store of this adapter; name an empty directory, or one that does not exist yet`,
    { details: { directory, found: found.slice(0, 10) } },
  );
}

export async function openDatabase(options: BootstrapOptions): Promise<OpenedDatabase> {
  const { directory, env, watermarkLag } = options;
  const path = join(directory, names.database);
  const kept = join(directory, names.rollback);
  const watermarkOptions = { fs: nodeFileSystem, directory, name: names.watermark, lag: watermarkLag };
  await Rollback.finishUndo(path, kept, async (one) => (await listIfThere(one)).length > 0);
  let watermark = await Watermark.open(watermarkOptions);
  try {
    let files = await listIfThere(path);
    if (files.includes('CURRENT') && (await isUnborn(path, watermark))) {
      await mapIo('remove', path, () => rm(path, { recursive: true, force: true }));
      files = [];
    }
    if (!files.includes('CURRENT')) {
      checkAgainst(path, undefined, watermark, options);
      // The watermark comes first: a database without one would look like one whose watermark was lost.
      watermark ??= await Watermark.create(watermarkOptions, randomHex64(env));
      await makeDirectoryDurably(nodeFileSystem, path);
      return await openChecked(path, true, watermark, options);
    }
    const rollback = await Rollback.prepare(path, kept);
    try {
      const opened = await openChecked(path, false, watermark, options);
      await rollback.forget();
      return opened;
    } catch (error) {
      await rollback.undo();
      throw error;
    }
  } catch (error) {
    await watermark?.close();
    throw refused(error, `open ${path}`);
  }
}

/** The database, not to be trusted before it was compared with its watermark. Closed again when it is refused. */
async function openChecked(
  path: string,
  create: boolean,
  watermark: Watermark | undefined,
  options: BootstrapOptions,
): Promise<OpenedDatabase> {
  const { walLimitBytes, openRocks } = options;
  const before = create ? undefined : await markManifest(path);
  const rocks = await openRocks(path, { create, walLimitBytes });
  try {
    const found = identify(rocks);
    checkAgainst(path, found, watermark, options);
    if (found !== undefined && before !== undefined) {
      checkManifest(path, before, found.manifest);
      checkWitnesses(rocks, found.progress);
    }
    watermark ??= await createLate(options);
    const manifest = await markManifest(path);
    return takeOver(rocks, watermark, found, manifest, walLimitBytes);
  } catch (error) {
    await rocks.close();
    throw error;
  }
}

/**
 * Whether a power cut took the manifest of a database that was being created, and left the name that points at it. No
 * table is there yet and no log has a byte, and nothing was acknowledged: RocksDB syncs the directory before it takes
 * a first write. Not taken for that is what another process is just creating: there the name changes.
 */
async function isUnborn(path: string, watermark: Watermark | undefined): Promise<boolean> {
  if (watermark?.sequence !== 0) return false;
  return mapIo('look at', path, async () => {
    const named = async (): Promise<string> => (await readFile(join(path, 'CURRENT'), 'utf8')).trim();
    const manifest = await named();
    const files = await readdir(path);
    if (files.includes(manifest) || files.some((name) => name.endsWith('.sst'))) return false;
    for (const name of files) {
      if (name.endsWith('.log') && (await stat(join(path, name))).size > 0) return false;
    }
    return (await named()) === manifest;
  });
}

/** For an empty database whose creation was cut short. */
function createLate({ directory, watermarkLag, env }: BootstrapOptions): Promise<Watermark> {
  const options = { fs: nodeFileSystem, directory, name: names.watermark, lag: watermarkLag };
  return Watermark.create(options, randomHex64(env));
}

async function listIfThere(path: string): Promise<string[]> {
  return mapIo('list', path, async () => {
    try {
      return await readdir(path);
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
      throw error;
    }
  });
}

function checkAgainst(
  path: string,
  found: Found | undefined,
  watermark: Watermark | undefined,
  { durability, env }: BootstrapOptions,
): void {
  if (watermark === undefined) {
    if (found === undefined) return;
    throw corrupt(
      `${path} had a watermark beside it, which is missing: whether acknowledged writes are lost cannot be told`,
      { path },
    );
  }
  const sequence = found?.progress.sequence ?? 0;
  if (sequence < watermark.sequence) {
    const text =
      `${path} ends at write ${String(sequence)}, but write ${String(watermark.sequence)} was acknowledged: ` +
      `${String(watermark.sequence - sequence)} writes are lost${hintAtEmptiness(sequence)}`;
    const details = { path, found: sequence, acknowledged: watermark.sequence };
    if (durability === 'strict') throw new BalsaError('STORE_ACKNOWLEDGED_WRITE_LOST', text, { details });
    // The user accepted the loss beforehand; it is still said aloud.
    env.log.log(LogLevel.Error, text, details);
  }
  if (found !== undefined && found.watermark !== watermark.identity) {
    throw corrupt(`the watermark beside ${path} belongs to another database`, {
      path,
      expected: found.watermark,
      found: watermark.identity,
    });
  }
}

/**
 * One synced batch, which makes whatever was found durable anew. Sequences go on above the watermark,
 * also where a relaxed store lost some.
 */
function takeOver(
  rocks: Rocks,
  watermark: Watermark,
  found: Found | undefined,
  manifest: ManifestMark,
  walLimitBytes: number,
): OpenedDatabase {
  const sequence = Math.max(found?.progress.sequence ?? 0, watermark.sequence);
  const witnesses = new Witnesses(walLimitBytes, found?.progress);
  const batch = rocks.batch();
  const set = (name: MetaName, record: unknown): void => {
    const key = metaKey(name);
    batch.put(key, seal(key, record));
  };
  set('format', formatVersion);
  set('watermark', watermark.identity);
  set('manifest', manifest);
  witnesses.mark(batch, sequence, 0);
  batch.write({ sync: true });
  const groups = new Map<string, GroupRecord>();
  for (const packed of records(rocks, groupRange, 'group')) {
    const record = unpackGroup(packed);
    groups.set(record.name, record);
  }
  const stores = new Map<string, StoreRecord>();
  for (const found of records(rocks, storeRange, 'store')) {
    const record = found as StoreRecord;
    stores.set(record.name, record);
  }
  return {
    rocks,
    watermark,
    sequence,
    witnesses,
    groups,
    stores,
    logs: numbersIn(rocks, 'log'),
    generations: numbersIn(rocks, 'state'),
  };
}

function records(rocks: Rocks, range: KeyRange, what: string): unknown[] {
  const found: unknown[] = [];
  const rows = rocks.iterate(range, 1024 * 1024);
  try {
    for (let slice = rows.next(1024); slice.length > 0; slice = rows.next(1024)) {
      for (const { key, value } of slice) {
        found.push(unseal(key, value, `the record of ${what} ${String(numberOf(key))}`));
      }
    }
    return found;
  } finally {
    rows.close();
  }
}

/** The numbers of all logs or generations that have keys, without walking through them. */
function numbersIn(rocks: Rocks, space: Space): number[] {
  const numbers: number[] = [];
  const rows = rocks.iterate(spaceRange(space), 1);
  try {
    for (let [row] = rows.next(1); row !== undefined; [row] = rows.next(1)) {
      const number = numberOf(row.key);
      numbers.push(number);
      if (number >= 0xffff_ffff) break;
      rows.seek(afterNumber(space, number));
    }
    return numbers;
  } finally {
    rows.close();
  }
}

/** Creates the directory and its name in the parent, durably. */
export async function makeHome(directory: string): Promise<void> {
  await mapIo('create the directory', directory, () => mkdir(directory, { recursive: true }));
  await makeDirectoryDurably(nodeFileSystem, directory);
}
