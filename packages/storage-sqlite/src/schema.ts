/** Connections, their settings, and the tables of log.db. */
import { crc32 } from 'node:zlib';
import Database from 'better-sqlite3';
import { BalsaError, type ConfState, type Durability } from '@balsa/raft-core';
import { corrupt } from './errors.ts';
import type { Synchronous } from './sqlite-version.ts';

export type Connection = Database.Database;
export type Statement = Database.Statement;

const levels: readonly Synchronous[] = ['OFF', 'NORMAL', 'FULL', 'EXTRA'];

/**
 * What this version writes; it reads every one from 1 on, and brings older ones up to this when it opens them.
 * 2: application ids; ordered stores have a digest of their pairs, a write sequence and a watermark.
 * 3: a log has a row for each run of entries instead of each entry, and may be further than its group's row. Ordered
 * stores are as in 2.
 */
export const formatVersions = { log: 3, state: 2 } as const;
/** In the header of log.db and of the files of ordered stores, so that a database of something else is told apart. */
export const applicationIds = { log: 0x42_4c_53_4c, state: 0x42_4c_53_53 } as const;
export const logFile = 'log.db';
export const watermarkFile = 'watermark';
export const ownerFile = 'owner.db';
export const snapshotFolder = 'snapshots';

export function sqliteVersion(db: Connection): string {
  return String(db.prepare('SELECT sqlite_version()').pluck().get());
}

/** `STORE_FORMAT_VERSION` when the database is of another application, or of a later version of this one. */
export function assertFormat(
  db: Connection,
  path: string,
  kind: keyof typeof applicationIds,
  version: number,
): void {
  const id = Number(db.pragma('application_id', { simple: true }));
  if (id !== applicationIds[kind] && !(version === 1 && id === 0)) {
    throw new BalsaError('STORE_FORMAT_VERSION', `${path} is a database of something else`, {
      details: { path, applicationId: id },
    });
  }
  const newest = formatVersions[kind];
  if (Number.isSafeInteger(version) && version >= 1 && version <= newest) return;
  throw new BalsaError(
    'STORE_FORMAT_VERSION',
    `${path} has format ${String(version)}; this version reads formats 1 to ${String(newest)}`,
    { details: { path, version, newest } },
  );
}

export function openConnection(path: string, readonly = false): Connection {
  // No waiting for locks: waiting would block the event loop, and the owner has no rival.
  return new Database(path, { readonly, fileMustExist: readonly, timeout: 0 });
}

/**
 * Puts a connection into WAL mode. `synchronous` is set after the journal mode, because better-sqlite3's
 * build falls back to NORMAL there, silently and only at the first write: hence `verifySettings` after one.
 */
export function configure(db: Connection, synchronous: Synchronous, walLimitBytes: number): void {
  // Only effective before the first table; without it the file could never shrink.
  db.pragma('auto_vacuum = INCREMENTAL');
  db.pragma('journal_mode = WAL');
  db.pragma(`synchronous = ${synchronous}`);
  db.pragma('wal_autocheckpoint = 0');
  db.pragma(`journal_size_limit = ${String(walLimitBytes)}`);
}

/** Looks at what the engine really does, after a first write. Returns what is wrong, and how to mend it. */
export function unsafeSettings(db: Connection): string[] {
  const wrong: string[] = [];
  const level = levels[Number(db.pragma('synchronous', { simple: true }))] ?? 'EXTRA';
  if (level === 'OFF' || level === 'NORMAL') {
    wrong.push(`synchronous is ${level}, which does not sync each commit: set synchronous to FULL`);
  }
  const mode = String(db.pragma('journal_mode', { simple: true }));
  if (mode !== 'wal') {
    wrong.push(
      `journal_mode is ${mode}, not wal: put the directory on a local file system with shared memory`,
    );
  }
  return wrong;
}

/** `STORE_UNSAFE_SETTING` naming each setting and its fix, unless the user said `relaxed`. */
export function verifySettings(db: Connection, durability: Durability): void {
  const wrong = unsafeSettings(db);
  if (wrong.length === 0 || durability === 'relaxed') return;
  throw new BalsaError(
    'STORE_UNSAFE_SETTING',
    `${wrong.join('; ')}; or say durability: 'relaxed' and accept that acknowledged writes can be lost`,
    { details: { settings: wrong } },
  );
}

export function createTables(db: Connection): void {
  db.pragma(`application_id = ${String(applicationIds.log)}`);
  db.exec(`
    CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL, crc INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE groups (
      id INTEGER PRIMARY KEY,
      name BLOB NOT NULL UNIQUE,
      log_id INTEGER NOT NULL,
      sequence INTEGER NOT NULL,
      term INTEGER NOT NULL,
      vote INTEGER NOT NULL,
      commit_index INTEGER NOT NULL,
      conf_index INTEGER NOT NULL,
      conf TEXT NOT NULL,
      boundary_index INTEGER NOT NULL,
      boundary_term INTEGER NOT NULL,
      boundary_chain INTEGER NOT NULL,
      last_index INTEGER NOT NULL,
      last_chain INTEGER NOT NULL,
      pending TEXT NOT NULL,
      crc INTEGER NOT NULL
    );`);
}

export function hasTables(db: Connection): boolean {
  return (
    db.prepare(`SELECT count(*) FROM sqlite_schema WHERE name IN ('meta', 'groups')`).pluck().get() === 2
  );
}

/** Small named facts, each with its own checksum. */
export class Meta {
  readonly #get: Statement;
  readonly #set: Statement;
  readonly #list: Statement;
  readonly #delete: Statement;

  constructor(db: Connection) {
    this.#get = db.prepare('SELECT value, crc FROM meta WHERE key = ?').raw();
    this.#set = db.prepare('INSERT OR REPLACE INTO meta (key, value, crc) VALUES (?, ?, ?)');
    this.#list = db.prepare('SELECT key FROM meta WHERE key >= ? AND key < ? ORDER BY key').pluck();
    this.#delete = db.prepare('DELETE FROM meta WHERE key = ?');
  }

  get(key: string): string | undefined {
    const row = this.#get.get(key) as [string, number] | undefined;
    if (row === undefined) return undefined;
    if (row[1] !== metaCrc(key, row[0]))
      throw corrupt(`log.db: the record ${key} does not match its checksum`, { key });
    return row[0];
  }

  /** As `get`, for a record that every store has. */
  need(key: string): string {
    const value = this.get(key);
    if (value === undefined) throw corrupt(`log.db: the record ${key} is missing`, { key });
    return value;
  }

  set(key: string, value: string): void {
    this.#set.run(key, value, metaCrc(key, value));
  }

  delete(key: string): void {
    this.#delete.run(key);
  }

  /** Keys that begin with `prefix`, which ends in a colon. */
  keys(prefix: string): string[] {
    return this.#list.all(prefix, `${prefix.slice(0, -1)};`) as string[];
  }
}

function metaCrc(key: string, value: string): number {
  return crc32(value, crc32(`${key}\0`));
}

/** One group's state besides its entries. */
export interface GroupRow {
  readonly id: number;
  /** The id as 16-bit units, big-endian: SQLite's own text would merge ids with lone surrogates. */
  readonly name: Buffer;
  /** Number of the table that holds its entries. */
  readonly logId: number;
  /** Write sequence of the engine at the group's last write. */
  readonly sequence: number;
  readonly term: number;
  readonly vote: number;
  readonly commit: number;
  readonly confIndex: number;
  readonly conf: string;
  readonly boundaryIndex: number;
  readonly boundaryTerm: number;
  readonly boundaryChain: number;
  readonly lastIndex: number;
  readonly lastChain: number;
  /** Id of the snapshot whose restore is pending, or empty. */
  readonly pending: string;
}

const columns =
  'id, name, log_id, sequence, term, vote, commit_index, conf_index, conf, boundary_index, boundary_term, boundary_chain, last_index, last_chain, pending, crc';

type RawRow = [
  number,
  Buffer,
  number,
  number,
  number,
  number,
  number,
  number,
  string,
  number,
  number,
  number,
  number,
  number,
  string,
  number,
];

function values(row: GroupRow): (number | string)[] {
  return [
    row.logId,
    row.sequence,
    row.term,
    row.vote,
    row.commit,
    row.confIndex,
    row.conf,
    row.boundaryIndex,
    row.boundaryTerm,
    row.boundaryChain,
    row.lastIndex,
    row.lastChain,
    row.pending,
  ];
}

/** Of the names that rows carry from one write to the next. */
const nameCrcs = new WeakMap<Buffer, number>();

function nameCrc(name: Buffer): number {
  let crc = nameCrcs.get(name);
  if (crc === undefined) nameCrcs.set(name, (crc = crc32(name)));
  return crc;
}

function rowCrc(row: GroupRow, rest = values(row)): number {
  return crc32(JSON.stringify([row.id, ...rest]), nameCrc(row.name));
}

/** The table of groups. */
export class Groups {
  readonly #insert: Statement;
  readonly #update: Statement;
  readonly #delete: Statement;
  readonly #all: Statement;

  constructor(db: Connection) {
    this.#insert = db.prepare(
      `INSERT INTO groups (${columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#update = db.prepare(
      `UPDATE groups SET log_id = ?, sequence = ?, term = ?, vote = ?, commit_index = ?, conf_index = ?, conf = ?,
         boundary_index = ?, boundary_term = ?, boundary_chain = ?, last_index = ?, last_chain = ?, pending = ?, crc = ?
       WHERE id = ?`,
    );
    this.#delete = db.prepare('DELETE FROM groups WHERE id = ?');
    this.#all = db.prepare(`SELECT ${columns} FROM groups`).raw();
  }

  /** All rows, each verified. */
  *all(): Generator<GroupRow> {
    for (const raw of this.#all.iterate() as IterableIterator<RawRow>) {
      const row: GroupRow = {
        id: raw[0],
        name: raw[1],
        logId: raw[2],
        sequence: raw[3],
        term: raw[4],
        vote: raw[5],
        commit: raw[6],
        confIndex: raw[7],
        conf: raw[8],
        boundaryIndex: raw[9],
        boundaryTerm: raw[10],
        boundaryChain: raw[11],
        lastIndex: raw[12],
        lastChain: raw[13],
        pending: raw[14],
      };
      if (!Buffer.isBuffer(row.name) || rowCrc(row) !== raw[15]) {
        throw corrupt(`log.db: the state of group number ${String(row.id)} does not match its checksum`, {
          id: row.id,
        });
      }
      yield row;
    }
  }

  insert(row: GroupRow): void {
    const rest = values(row);
    this.#insert.run(row.id, row.name, ...rest, rowCrc(row, rest));
  }

  /** Of a group that has a row. Its name stays. */
  update(row: GroupRow): void {
    const rest = values(row);
    const { changes } = this.#update.run(...rest, rowCrc(row, rest), row.id);
    if (changes !== 1)
      throw corrupt(`log.db: the row of group number ${String(row.id)} is gone`, { id: row.id });
  }

  delete(id: number): void {
    this.#delete.run(id);
  }
}

export function encodeName(id: string): Buffer {
  return Buffer.from(id, 'utf16le').swap16();
}

export function decodeName(name: Buffer): string {
  return Buffer.from(name).swap16().toString('utf16le');
}

export function encodeConf(state: ConfState): string {
  const { voters, votersOutgoing, learners, learnersNext, autoLeave } = state;
  return JSON.stringify([voters, votersOutgoing, learners, learnersNext, autoLeave]);
}

export function decodeConf(text: string): ConfState {
  const [voters, votersOutgoing, learners, learnersNext, autoLeave] = JSON.parse(text) as [
    number[],
    number[],
    number[],
    number[],
    boolean,
  ];
  return { voters, votersOutgoing, learners, learnersNext, autoLeave };
}
