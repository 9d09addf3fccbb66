/** A look at a whole store before the first write to it: what is refused is refused untouched. */
import {
  BalsaError,
  LogLevel,
  entryChecksum,
  type Durability,
  type Entry,
  type Env,
  type StoreIdentity,
} from '@balsa/raft-core';
import { crc32, hintAtEmptiness, mapIo, yieldTo, type FileSystem, type Watermark } from '@balsa/storage-kit';
import { corrupt, refused } from './errors.ts';
import { LegacyLog } from './legacy-log.ts';
import { LogTable } from './log-table.ts';
import { lookAt } from './look.ts';
import { recoverGroup, recoverLegacyGroup, type RecoveredGroup } from './recovery.ts';
import {
  Groups,
  Meta,
  assertFormat,
  decodeName,
  hasTables,
  logFile,
  openConnection,
  sqliteVersion,
  type Connection,
  type GroupRow,
} from './schema.ts';
import { assertSqliteVersion } from './sqlite-version.ts';
import { checkMark, openMark } from './state-mark.ts';
import { stateFileName } from './state-file.ts';
import { StateTables, addToDigest, type StateSummary } from './state-tables.ts';

export interface InspectionOptions {
  readonly fs: FileSystem;
  readonly directory: string;
  readonly env: Env;
  readonly durability: Durability;
  /** Reads and checks every entry's payload, too; otherwise that is done when it is asked for. */
  readonly payloads: boolean;
}

/** One ordered store's file, every pair of it verified. `mark` is empty in format 1, which had none. */
export interface FoundState {
  readonly generation: number;
  readonly format: number;
  readonly summary: StateSummary;
}

export interface Found {
  readonly format: number;
  readonly sequence: number;
  /** Identity of the watermark that belongs to it. */
  readonly watermark: string;
  readonly identity: StoreIdentity | undefined;
  readonly rows: ReadonlyMap<string, GroupRow>;
  readonly recovered: Map<string, RecoveredGroup>;
  readonly states: readonly FoundState[];
}

/** What log.db says of itself and its groups. */
type FoundLog = Omit<Found, 'recovered' | 'states'> & { readonly generations: readonly number[] };

const payloadSlice = {
  maxBytes: Infinity,
  sliceEntries: 1024,
  sliceBytes: 4 * 1024 * 1024,
  first: true,
} as const;

/**
 * Verifies that all of it is there and in its place. Undefined when there is no database yet. Rejects with
 * `STORE_CORRUPT`, `STORE_FORMAT_VERSION` or `STORE_ACKNOWLEDGED_WRITE_LOST`, and leaves every file as it was.
 */
export async function inspectStore(
  options: InspectionOptions,
  watermark: Watermark | undefined,
): Promise<Found | undefined> {
  const { fs, directory } = options;
  const path = fs.join(directory, logFile);
  const found = (await isThere(fs, path, watermark))
    ? await lookAt(fs, path, (db) => inspectLog(db, path, options, watermark))
    : undefined;
  if (found === undefined) {
    checkAgainst(path, undefined, watermark, options);
    return undefined;
  }
  const { generations, ...rest } = found;
  const states: FoundState[] = [];
  for (const generation of generations) {
    if (found.format === 1) await rollBackState(fs, directory, generation);
    states.push(await inspectState(options, generation));
  }
  return { ...rest, states };
}

/** Whether log.db is a database of ours, by its header and tables alone. For a directory that nobody owned yet. */
export async function identifyLog(fs: FileSystem, directory: string): Promise<void> {
  const path = fs.join(directory, logFile);
  if (((await mapIo('look at', path, () => fs.size(path))) ?? 0) === 0) return;
  try {
    await lookAt(fs, path, (db) => readLog(db, path));
  } catch (error) {
    throw refused(error, `open ${path}`);
  }
}

/**
 * A rollback journal is there only when a crash cut the creation of the database short, before it was in WAL
 * mode and before anything was acknowledged: then there is nothing yet, and the writer takes it back.
 */
async function isThere(fs: FileSystem, path: string, watermark: Watermark | undefined): Promise<boolean> {
  const [size, journal] = await mapIo('look at', path, () =>
    Promise.all([fs.size(path), fs.size(`${path}-journal`)]),
  );
  if (size === undefined || size === 0) return false;
  if (journal === undefined) return true;
  if (watermark?.sequence === 0) return false;
  if (watermark !== undefined) {
    throw corrupt(`${path} has a rollback journal, which a database in use never has`, { path });
  }
  throw new BalsaError('STORE_FORMAT_VERSION', `${path} is a database of something else`, {
    details: { path },
  });
}

async function inspectLog(
  db: Connection,
  path: string,
  options: InspectionOptions,
  watermark: Watermark | undefined,
): Promise<(FoundLog & { readonly recovered: Map<string, RecoveredGroup> }) | undefined> {
  const found = readLog(db, path);
  if (found === undefined) return undefined;
  checkAgainst(path, found, watermark, options);
  const recovered = new Map<string, RecoveredGroup>();
  for (const [groupId, row] of found.rows) {
    try {
      recovered.set(groupId, await inspectGroup(db, found.format, groupId, row, options));
    } catch (error) {
      throw refused(error, `read group ${JSON.stringify(groupId)} of ${path}`);
    }
  }
  return { ...found, recovered };
}

async function inspectGroup(
  db: Connection,
  format: number,
  groupId: string,
  row: GroupRow,
  { env, payloads }: InspectionOptions,
): Promise<RecoveredGroup> {
  const checksum = entryChecksum(groupId, crc32);
  if (format < 3) {
    const recovered = await recoverLegacyGroup(db, groupId, row, env);
    if (payloads) for await (const _ of new LegacyLog(db, row, groupId, env).slices(checksum));
    return recovered;
  }
  const table = new LogTable(db, row.logId);
  const recovered = await recoverGroup(table, groupId, row, env);
  if (payloads) await readPayloads(table, recovered.row, checksum, env);
  return recovered;
}

function readLog(db: Connection, path: string): FoundLog | undefined {
  assertSqliteVersion(sqliteVersion(db));
  if (!hasTables(db)) {
    if (db.prepare('SELECT count(*) FROM sqlite_schema').pluck().get() === 0) return undefined;
    throw new BalsaError('STORE_FORMAT_VERSION', `${path} is a database of something else`, {
      details: { path },
    });
  }
  const meta = new Meta(db);
  const format = Number(meta.need('format'));
  assertFormat(db, path, 'log', format);
  let sequence = Number(meta.need('sequence'));
  const rows = new Map<string, GroupRow>();
  for (const row of new Groups(db).all()) {
    rows.set(decodeName(row.name), row);
    sequence = Math.max(sequence, row.sequence, format < 3 ? 0 : lastSequence(db, row));
  }
  const identity = meta.get('identity');
  return {
    format,
    sequence,
    watermark: meta.need('watermark'),
    identity: identity === undefined ? undefined : (JSON.parse(identity) as StoreIdentity),
    rows,
    generations: meta.keys('store:').map((key) => Number(meta.need(key))),
  };
}

/** Of a run behind those that the row knows of. What it says is checked later, with the whole log. */
function lastSequence(db: Connection, row: GroupRow): number {
  const head = new LogTable(db, row.logId).tail()?.head;
  return head === undefined || head.last <= row.lastIndex ? 0 : head.sequence;
}

async function readPayloads(
  table: LogTable,
  row: GroupRow,
  checksum: (entry: Entry) => number,
  env: Env,
): Promise<void> {
  for (let next = row.boundaryIndex + 1; next <= row.lastIndex;) {
    next += table.read(next, row.lastIndex + 1, payloadSlice, checksum).entries.length;
    await yieldTo(env);
  }
}

function checkAgainst(
  path: string,
  found: FoundLog | undefined,
  watermark: Watermark | undefined,
  { durability, env }: InspectionOptions,
): void {
  if (watermark === undefined) {
    if (found === undefined) return;
    throw corrupt(
      `${path} had a watermark beside it, which is missing: whether acknowledged writes are lost cannot be told`,
      { path },
    );
  }
  const sequence = found?.sequence ?? 0;
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
 * Format 1 turned a state file to WAL mode only when it was in use, with a rollback journal; a crash could leave
 * that. It is of a store that was found to be ours, and holds the header of the file as it was.
 */
async function rollBackState(fs: FileSystem, directory: string, generation: number): Promise<void> {
  const path = fs.join(directory, stateFileName(generation));
  if ((await mapIo('look at', path, () => fs.size(`${path}-journal`))) === undefined) return;
  const db = openConnection(path);
  try {
    new StateTables(db, path, generation).format();
  } catch (error) {
    throw refused(error, `open ${path}`);
  } finally {
    db.close();
  }
}

async function inspectState(options: InspectionOptions, generation: number): Promise<FoundState> {
  const { fs, directory } = options;
  const path = fs.join(directory, stateFileName(generation));
  if ((await mapIo('look at', path, () => fs.size(path))) === undefined) {
    throw corrupt(`${path}, the present contents of an ordered store, is missing`, { path });
  }
  try {
    const found = await lookAt(fs, path, (db) => readState(db, path, generation, options.env));
    if (found.format === 1) return found;
    const mark = await openMark(options, generation);
    try {
      checkMark(path, found.summary, mark, options);
    } finally {
      await mark.close();
    }
    return found;
  } catch (error) {
    throw refused(error, `open ${path}`);
  }
}

/** Every pair, in slices, and whether together they are what was committed last. */
async function readState(db: Connection, path: string, generation: number, env: Env): Promise<FoundState> {
  const tables = new StateTables(db, path, generation);
  const format = tables.format();
  const expected = format === 1 ? { ...tables.oldSummary(), digest: undefined } : tables.summary();
  let [count, digest] = [0, 0];
  let after: Uint8Array | undefined;
  for (;;) {
    const page = tables.scan(after);
    if (page.last === undefined) break;
    after = page.last;
    count += page.count;
    digest = addToDigest(digest, page.digest);
    await yieldTo(env);
  }
  if (count !== expected.count || (expected.digest !== undefined && expected.digest !== digest)) {
    throw corrupt(
      `${path}: its ${String(count)} pairs are not the ${String(expected.count)} that were committed last`,
      { path, found: { count, digest }, expected: { count: expected.count, digest: expected.digest } },
    );
  }
  return { generation, format, summary: { sequence: 0, mark: '', ...expected, digest } };
}
