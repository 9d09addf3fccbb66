/** Opening a store: look without touching, refuse what is not whole, then make what was found durable anew. */
import { randomHex64, type Durability, type Env } from '@balsa/raft-core';
import { Watermark, type FileSystem } from '@balsa/storage-kit';
import { refused } from './errors.ts';
import { inspectStore, type Found, type FoundState } from './inspection.ts';
import { LogDatabase } from './log-database.ts';
import { LogSync } from './log-sync.ts';
import type { RecoveredGroup } from './recovery.ts';
import {
  Groups,
  Meta,
  configure,
  createTables,
  decodeName,
  formatVersions,
  hasTables,
  logFile,
  openConnection,
  sqliteVersion,
  verifySettings,
  watermarkFile,
  type Connection,
  type GroupRow,
} from './schema.ts';
import { assertSqliteVersion, type Synchronous } from './sqlite-version.ts';
import { stateFileName } from './state-file.ts';
import { createMark } from './state-mark.ts';
import { StateTables } from './state-tables.ts';
import { logUpgrades } from './upgrade.ts';

export interface BootstrapOptions {
  readonly fs: FileSystem;
  readonly directory: string;
  readonly env: Env;
  readonly durability: Durability;
  readonly synchronous: Synchronous;
  readonly watermarkLag: number;
  readonly walLimitBytes: number;
  readonly blockMs: number;
}

export interface OpenedLog {
  readonly log: LogDatabase;
  readonly rows: Map<string, GroupRow>;
  /** What was recovered on the way, for the first opening of each group. */
  readonly recovered: Map<string, RecoveredGroup>;
  readonly sqliteVersion: string;
}

/** `check` may refuse what was found before anything is written. */
export async function openLog(
  options: BootstrapOptions,
  check: (found: Found | undefined) => void,
): Promise<OpenedLog> {
  const { fs, directory, watermarkLag, env } = options;
  const path = fs.join(directory, logFile);
  const watermarkOptions = { fs, directory, name: watermarkFile, lag: watermarkLag };
  let watermark = await Watermark.open(watermarkOptions);
  try {
    const found = await inspectStore({ ...options, payloads: false }, watermark);
    check(found);
    // The watermark comes first: a database without one would look like one whose watermark was lost.
    watermark ??= await Watermark.create(watermarkOptions, randomHex64(env));
    const opened = await openWriter(path, watermark, options, found);
    try {
      for (const state of found?.states ?? []) await upgradeState(options, state);
    } catch (error) {
      await opened.log.close();
      throw error;
    }
    return opened;
  } catch (error) {
    await watermark?.close();
    throw refused(error, `open ${path}`);
  }
}

async function openWriter(
  path: string,
  watermark: Watermark,
  options: BootstrapOptions,
  found: Found | undefined,
): Promise<OpenedLog> {
  const { fs, directory, durability, synchronous, walLimitBytes, env } = options;
  const db = openConnection(path);
  let sync: LogSync | undefined;
  try {
    const version = sqliteVersion(db);
    assertSqliteVersion(version);
    configure(db, synchronous, walLimitBytes);
    // A recovered tail may never have been synced. The checkpoint syncs the log, then the database.
    db.pragma('wal_checkpoint(TRUNCATE)');
    const { epoch, upgraded } = await takeOwnership(db, watermark, found, env);
    verifySettings(db, durability);
    await fs.syncDirectory(directory);
    const rows = new Map<string, GroupRow>();
    let sequence = Number(new Meta(db).need('sequence'));
    for (const row of new Groups(db).all()) {
      rows.set(decodeName(row.name), row);
      sequence = Math.max(sequence, row.sequence);
    }
    sync = await logSync(db, path, options);
    const log = new LogDatabase(db, watermark, epoch, sequence, { env, durability, walLimitBytes, sync });
    return {
      log,
      rows,
      // An upgrade has moved what the look has found.
      recovered: (upgraded ? undefined : found?.recovered) ?? new Map<string, RecoveredGroup>(),
      sqliteVersion: version,
    };
  } catch (error) {
    db.close();
    await sync?.close();
    throw error;
  }
}

/**
 * Takes the syncs of commits over from SQLite, where there are any. With NORMAL it still syncs the log before it
 * copies it, and the database before it reuses the log.
 */
async function logSync(
  db: Connection,
  path: string,
  { fs, env, synchronous, blockMs }: BootstrapOptions,
): Promise<LogSync | undefined> {
  if (synchronous === 'OFF' || synchronous === 'NORMAL') return undefined;
  const wal = await fs.open(`${path}-wal`, 'update');
  db.pragma('synchronous = NORMAL');
  return new LogSync({ env, wal, blockMs });
}

/**
 * One synced transaction: creates what is missing, brings an older format up to date, stores the rows of groups
 * whose logs were further, and raises the owner epoch, which fences any writer before. Sequences go on above the
 * watermark, also where a relaxed store lost some.
 */
async function takeOwnership(
  db: Connection,
  watermark: Watermark,
  found: Found | undefined,
  env: Env,
): Promise<{ readonly epoch: string; readonly upgraded: boolean }> {
  db.exec('BEGIN IMMEDIATE');
  try {
    const fresh = !hasTables(db);
    if (fresh) createTables(db);
    const meta = new Meta(db);
    if (fresh) {
      meta.set('format', String(formatVersions.log));
      meta.set('sequence', '0');
      meta.set('watermark', watermark.identity);
    }
    const before = Number(meta.need('format'));
    const groups = new Groups(db);
    for (const { row, stored } of found?.recovered.values() ?? []) if (row !== stored) groups.update(row);
    for (let version = before; version < formatVersions.log; version++) {
      await logUpgrades[version]?.(db, env);
      meta.set('format', String(version + 1));
    }
    if (Number(meta.need('sequence')) < watermark.sequence) meta.set('sequence', String(watermark.sequence));
    const epoch = String(Number(meta.get('owner_epoch') ?? '0') + 1);
    meta.set('owner_epoch', epoch);
    db.exec('COMMIT');
    return { epoch, upgraded: before < formatVersions.log };
  } catch (error) {
    if (db.inTransaction) db.exec('ROLLBACK');
    throw error;
  }
}

/**
 * Files of ordered stores say their own format, and follow log.db, which keeps an older version of the software
 * out from then on. A crash before the one transaction leaves the old format, and at most a mark that is made anew.
 */
async function upgradeState(options: BootstrapOptions, found: FoundState): Promise<void> {
  if (found.format === formatVersions.state) return;
  const { fs, directory, env } = options;
  const { generation, summary } = found;
  const mark = randomHex64(env);
  await createMark(options, generation, mark);
  const path = fs.join(directory, stateFileName(generation));
  const db = openConnection(path);
  try {
    configure(db, 'FULL', options.walLimitBytes);
    new StateTables(db, path, generation).upgrade({ ...summary, mark });
  } finally {
    db.close();
  }
}
