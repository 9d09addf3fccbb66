/**
 * One generation of an ordered store: one database file, written by one connection.
 *
 * WAL with `synchronous = NORMAL`: a commit costs no sync, and what a power cut leaves is a prefix of the
 * commits. A sync of the write-ahead log, made through the thread pool, makes all of them durable.
 */
import {
  EmptyBytes,
  assertSafeInteger,
  type KeyValue,
  type LogIndex,
  type OrderedBatch,
  type RangeOptions,
} from '@balsa/raft-core';
import { crc32 } from '@balsa/storage-kit';
import { corrupt } from './errors.ts';
import { configure, openConnection, type Connection, type Statement } from './schema.ts';

export interface StateSummary {
  readonly appliedIndex: LogIndex;
  readonly count: number;
}

const statePattern = /^state-([0-9]+)\.db(-wal|-shm|-journal)?$/;

export function stateFileName(generation: number): string {
  return `state-${String(generation)}.db`;
}

/** The generation that a file belongs to; undefined for files that are not of an ordered store. */
export function generationOf(name: string): number | undefined {
  const digits = statePattern.exec(name)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

function pairCrc(key: Uint8Array, value: Uint8Array): number {
  return crc32(value, crc32(key, key.length));
}

function plainBytes(value: Buffer | null): Uint8Array {
  if (value === null || value.length === 0) return EmptyBytes;
  return new Uint8Array(value.buffer, value.byteOffset, value.length);
}

type Statements = Readonly<Record<'get' | 'insert' | 'update' | 'delete' | 'state' | 'setState', Statement>>;

/** Queries and changes on one connection, used by the writer, by views and by a restore. */
export class StateTables {
  readonly db: Connection;
  readonly #path: string;
  readonly #generation: number;
  readonly #ranges = new Map<string, Statement>();
  #statements: Statements | undefined;

  constructor(db: Connection, path: string, generation: number) {
    this.db = db;
    this.#path = path;
    this.#generation = generation;
  }

  create(): void {
    this.db.exec(`
      CREATE TABLE kv (key BLOB PRIMARY KEY, value BLOB, crc INTEGER NOT NULL) WITHOUT ROWID;
      CREATE TABLE state (id INTEGER PRIMARY KEY, applied INTEGER NOT NULL, count INTEGER NOT NULL, crc INTEGER NOT NULL);`);
  }

  /** Verified: of this generation, and intact. */
  summary(): StateSummary {
    const row = this.#prepared().state.get() as [number, number, number] | undefined;
    if (row === undefined || row[2] !== this.#stateCrc(row[0], row[1])) {
      throw corrupt(`${this.#path}: the applied index does not match its checksum`, { path: this.#path });
    }
    return { appliedIndex: row[0], count: row[1] };
  }

  setSummary(summary: StateSummary): void {
    const { appliedIndex, count } = summary;
    this.#prepared().setState.run(appliedIndex, count, this.#stateCrc(appliedIndex, count));
  }

  get(key: Uint8Array): Uint8Array | undefined {
    const row = this.#prepared().get.get(key) as [Buffer | null, number] | undefined;
    if (row === undefined) return undefined;
    const value = plainBytes(row[0]);
    if (pairCrc(key, value) !== row[1]) throw this.#damaged(key);
    return value;
  }

  /** Returns by how much the number of pairs changed. */
  put(key: Uint8Array, value: Uint8Array): number {
    const { insert, update } = this.#prepared();
    const crc = pairCrc(key, value);
    const bytes = value.length === 0 ? null : value;
    if (update.run(bytes, crc, key).changes === 1) return 0;
    insert.run(key, bytes, crc);
    return 1;
  }

  /** For keys that are known to be new. */
  insert(key: Uint8Array, value: Uint8Array): void {
    this.#prepared().insert.run(key, value.length === 0 ? null : value, pairCrc(key, value));
  }

  delete(key: Uint8Array): number {
    return -this.#prepared().delete.run(key).changes;
  }

  range(options: RangeOptions): KeyValue[] {
    const { gte, gt, lt, limit, maxBytes = Infinity } = options;
    assertSafeInteger(limit, 'limit');
    const conditions: string[] = [];
    const bounds: unknown[] = [];
    for (const [operator, bound] of [
      ['>=', gte],
      ['>', gt],
      ['<', lt],
    ] as const) {
      if (bound === undefined) continue;
      conditions.push(`key ${operator} ?`);
      bounds.push(bound);
    }
    const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`;
    const pairs: KeyValue[] = [];
    let bytes = 0;
    const rows = this.#range(where).iterate(...bounds, limit) as IterableIterator<
      [Buffer, Buffer | null, number]
    >;
    for (const [rawKey, rawValue, crc] of rows) {
      const key = plainBytes(rawKey);
      const value = plainBytes(rawValue);
      if (pairCrc(key, value) !== crc) throw this.#damaged(key);
      bytes += key.length + value.length;
      if (bytes > maxBytes && pairs.length > 0) break;
      pairs.push({ key, value });
    }
    return pairs;
  }

  #range(where: string): Statement {
    let statement = this.#ranges.get(where);
    if (statement === undefined) {
      statement = this.db.prepare(`SELECT key, value, crc FROM kv ${where} ORDER BY key LIMIT ?`).raw();
      this.#ranges.set(where, statement);
    }
    return statement;
  }

  #prepared(): Statements {
    this.#statements ??= {
      get: this.db.prepare('SELECT value, crc FROM kv WHERE key = ?').raw(),
      insert: this.db.prepare('INSERT INTO kv (key, value, crc) VALUES (?, ?, ?)'),
      update: this.db.prepare('UPDATE kv SET value = ?, crc = ? WHERE key = ?'),
      delete: this.db.prepare('DELETE FROM kv WHERE key = ?'),
      state: this.db.prepare('SELECT applied, count, crc FROM state WHERE id = 1').raw(),
      setState: this.db.prepare('INSERT OR REPLACE INTO state (id, applied, count, crc) VALUES (1, ?, ?, ?)'),
    };
    return this.#statements;
  }

  #stateCrc(applied: number, count: number): number {
    return crc32(Buffer.from(JSON.stringify([this.#generation, applied, count])));
  }

  #damaged(key: Uint8Array): Error {
    const hex = Buffer.from(key.subarray(0, 64)).toString('hex');
    return corrupt(`${this.#path}: the value of key ${hex} does not match its checksum`, {
      path: this.#path,
      key: hex,
    });
  }
}

/** The writing connection of one generation. */
export class StateFile {
  readonly path: string;
  readonly generation: number;
  readonly tables: StateTables;
  #summary: StateSummary;
  #staged: StateSummary;
  readonly #begin: Statement;
  readonly #commit: Statement;
  readonly #pageBytes: number;

  private constructor(path: string, generation: number, db: Connection) {
    this.path = path;
    this.generation = generation;
    this.tables = new StateTables(db, path, generation);
    this.#summary = this.tables.summary();
    this.#staged = this.#summary;
    this.#begin = db.prepare('BEGIN IMMEDIATE');
    this.#commit = db.prepare('COMMIT');
    this.#pageBytes = Number(db.pragma('page_size', { simple: true }));
  }

  static open(path: string, generation: number, walLimitBytes: number): StateFile {
    const db = openConnection(path);
    try {
      configure(db, 'NORMAL', walLimitBytes);
      return new StateFile(path, generation, db);
    } catch (error) {
      db.close();
      throw error;
    }
  }

  get summary(): StateSummary {
    return this.#summary;
  }

  /** Writes a batch into an open transaction. What throws here has had no effect. Returns the bytes written. */
  stage(batch: OrderedBatch): number {
    let { count } = this.#summary;
    let bytes = this.#pageBytes;
    this.#begin.run();
    try {
      for (const [key, value] of batch.changes) {
        count += value === undefined ? this.tables.delete(key) : this.tables.put(key, value);
        bytes += key.length + (value?.length ?? 0);
      }
      this.tables.setSummary({ appliedIndex: batch.appliedIndex, count });
    } catch (error) {
      if (this.tables.db.inTransaction) this.tables.db.exec('ROLLBACK');
      throw error;
    }
    this.#staged = { appliedIndex: batch.appliedIndex, count };
    return bytes;
  }

  /** Commits what was staged. What throws here has an unknown outcome. */
  commit(): void {
    this.#commit.run();
    this.#summary = this.#staged;
  }

  walBytes(): number {
    const [row] = this.tables.db.pragma('wal_checkpoint(NOOP)') as { log: number }[];
    return Math.max(0, row?.log ?? 0) * this.#pageBytes;
  }

  /** Copies what no view still needs elsewhere. Never waits for a view. */
  checkpoint(): void {
    this.tables.db.pragma('wal_checkpoint(PASSIVE)');
  }

  /** Gives at most `pages` free pages above `reserve` back. True when more are left. */
  vacuum(pages: number, reserve: number): boolean {
    const { db } = this.tables;
    const free = Number(db.pragma('freelist_count', { simple: true }));
    if (free <= reserve) return false;
    db.pragma(`incremental_vacuum(${String(Math.min(pages, free - reserve))})`);
    return true;
  }

  bytes(): number {
    return Number(this.tables.db.pragma('page_count', { simple: true })) * this.#pageBytes + this.walBytes();
  }

  close(): void {
    this.tables.db.close();
  }
}
