/** Opening log.db: look without touching, refuse what is not whole, then make what was found durable anew. */
import { BalsaError, LogLevel, randomHex64, type Durability, type Env } from '@balsa/raft-core';
import { Watermark, mapIo, type FileSystem } from '@balsa/storage-kit';
import { corrupt, refused } from './errors.ts';
import { LogDatabase } from './log-database.ts';
import {
  Groups,
  Meta,
  assertSqliteVersion,
  configure,
  createTables,
  decodeName,
  formatVersion,
  hasTables,
  logFile,
  openConnection,
  sqliteVersion,
  verifySettings,
  watermarkFile,
  type Connection,
  type GroupRow,
  type Synchronous,
} from './schema.ts';

export interface BootstrapOptions {
  readonly fs: FileSystem;
  readonly directory: string;
  readonly env: Env;
  readonly durability: Durability;
  readonly synchronous: Synchronous;
  readonly watermarkLag: number;
  readonly walLimitBytes: number;
}

export interface OpenedLog {
  readonly log: LogDatabase;
  readonly rows: Map<string, GroupRow>;
  readonly sqliteVersion: string;
}

/** What a read-only look at log.db found. */
interface Found {
  readonly sequence: number;
  readonly watermark: string;
}

export async function openLog(options: BootstrapOptions): Promise<OpenedLog> {
  const { fs, directory, watermarkLag, env } = options;
  const path = fs.join(directory, logFile);
  const watermarkOptions = { fs, directory, name: watermarkFile, lag: watermarkLag };
  let watermark = await Watermark.open(watermarkOptions);
  try {
    const size = await mapIo('look at', path, () => fs.size(path));
    if ((await mapIo('look at', path, () => fs.size(`${path}-journal`))) !== undefined) rollBack(path);
    const found = size === undefined || size === 0 ? undefined : inspect(path);
    checkAgainst(path, found, watermark, options);
    // The watermark comes first: a database without one would look like one whose watermark was lost.
    watermark ??= await Watermark.create(watermarkOptions, randomHex64(env));
    return await openWriter(path, watermark, options);
  } catch (error) {
    await watermark?.close();
    throw refused(error, `open ${path}`);
  }
}

/**
 * A rollback journal is there only when a crash cut the creation of the database short, before it was in WAL mode
 * and before anything was acknowledged. A read-only connection could not roll it back, and would refuse to read.
 */
function rollBack(path: string): void {
  const db = openConnection(path);
  try {
    hasTables(db);
  } finally {
    db.close();
  }
}

/** Through a read-only connection, whose closing leaves the write-ahead log as it is. */
function inspect(path: string): Found | undefined {
  const db = openConnection(path, true);
  try {
    assertSqliteVersion(sqliteVersion(db));
    if (!hasTables(db)) {
      const others = db.prepare('SELECT count(*) FROM sqlite_schema').pluck().get();
      if (others === 0) return undefined;
      throw new BalsaError('STORE_FORMAT_VERSION', `${path} is a database of something else`, {
        details: { path },
      });
    }
    const meta = new Meta(db);
    const version = meta.need('format');
    if (version !== String(formatVersion)) {
      throw new BalsaError(
        'STORE_FORMAT_VERSION',
        `${path} has format ${version}; this version reads and writes format ${String(formatVersion)}`,
        { details: { path, version } },
      );
    }
    let sequence = Number(meta.need('sequence'));
    for (const row of new Groups(db).all()) sequence = Math.max(sequence, row.sequence);
    return { sequence, watermark: meta.need('watermark') };
  } finally {
    db.close();
  }
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
      {
        path,
      },
    );
  }
  const sequence = found?.sequence ?? 0;
  if (sequence < watermark.sequence) {
    const text =
      `${path} ends at write ${String(sequence)}, but write ${String(watermark.sequence)} was acknowledged: ` +
      `${String(watermark.sequence - sequence)} writes are lost`;
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

async function openWriter(path: string, watermark: Watermark, options: BootstrapOptions): Promise<OpenedLog> {
  const { fs, directory, durability, synchronous, walLimitBytes, env } = options;
  const db = openConnection(path);
  try {
    const version = sqliteVersion(db);
    assertSqliteVersion(version);
    configure(db, synchronous, walLimitBytes);
    // A recovered tail may never have been synced. The checkpoint syncs the log, then the database.
    db.pragma('wal_checkpoint(TRUNCATE)');
    const epoch = takeOwnership(db, watermark);
    verifySettings(db, durability);
    await fs.syncDirectory(directory);
    const rows = new Map<string, GroupRow>();
    let sequence = Number(new Meta(db).need('sequence'));
    for (const row of new Groups(db).all()) {
      rows.set(decodeName(row.name), row);
      sequence = Math.max(sequence, row.sequence);
    }
    const log = new LogDatabase(db, watermark, epoch, sequence, { env, durability, walLimitBytes });
    return { log, rows, sqliteVersion: version };
  } catch (error) {
    db.close();
    throw error;
  }
}

/**
 * One synced transaction: creates what is missing, and raises the owner epoch, which fences any writer
 * before. Sequences go on above the watermark, also where a relaxed store lost some.
 */
function takeOwnership(db: Connection, watermark: Watermark): string {
  db.exec('BEGIN IMMEDIATE');
  try {
    const fresh = !hasTables(db);
    if (fresh) createTables(db);
    const meta = new Meta(db);
    if (fresh) {
      meta.set('format', String(formatVersion));
      meta.set('sequence', '0');
      meta.set('watermark', watermark.identity);
    }
    if (Number(meta.need('sequence')) < watermark.sequence) meta.set('sequence', String(watermark.sequence));
    const epoch = String(Number(meta.get('owner_epoch') ?? '0') + 1);
    meta.set('owner_epoch', epoch);
    db.exec('COMMIT');
    return epoch;
  } catch (error) {
    if (db.inTransaction) db.exec('ROLLBACK');
    throw error;
  }
}
