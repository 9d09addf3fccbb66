/** Tables of an ordered store's file: pairs, each with its checksum, and one row that sums them up. */
import {
  EmptyBytes,
  assertSafeInteger,
  type KeyValue,
  type LogIndex,
  type RangeOptions,
} from '@balsa/raft-core';
import { crc32 } from '@balsa/storage-kit';
import { corrupt } from './errors.ts';
import { applicationIds, assertFormat, formatVersions, type Connection, type Statement } from './schema.ts';

export interface StateSummary {
  readonly appliedIndex: LogIndex;
  readonly count: number;
  /**
   * Sum of the checksums of all pairs, modulo 2^48: the same in whatever order they came. It tells what no
   * checksum of a pair can tell: that a page of the file is an older one, of another place, or missing.
   */
  readonly digest: number;
  /** Grows by one with each commit. */
  readonly sequence: number;
  /** Identity of the watermark beside the file. */
  readonly mark: string;
}

/** What is found in format 1: it knows no digest. */
export type OldSummary = Pick<StateSummary, 'appliedIndex' | 'count'>;

/** By how much a change moves count and digest. */
export interface StateChange {
  readonly count: number;
  readonly digest: number;
}

const digestModulus = 2 ** 48;

export function addToDigest(digest: number, change: number): number {
  return (digest + change + digestModulus) % digestModulus;
}

function pairCrc(key: Uint8Array, value: Uint8Array): number {
  return crc32(value, crc32(key, key.length));
}

function plainBytes(value: Buffer | null): Uint8Array {
  if (value === null || value.length === 0) return EmptyBytes;
  return new Uint8Array(value.buffer, value.byteOffset, value.length);
}

/** A slice of a scan. */
export interface ScannedPage {
  readonly last: Uint8Array | undefined;
  readonly count: number;
  readonly digest: number;
}

const scanSlice = { rows: 2048, bytes: 2 * 1024 * 1024 } as const;

type Statements = Readonly<
  Record<'get' | 'crc' | 'insert' | 'update' | 'delete' | 'state' | 'setState', Statement>
>;

const createState = `CREATE TABLE state (id INTEGER PRIMARY KEY, applied INTEGER NOT NULL, count INTEGER NOT NULL,
  digest INTEGER NOT NULL, sequence INTEGER NOT NULL, mark TEXT NOT NULL, crc INTEGER NOT NULL);`;

/** Queries and changes on one connection, used by the writer, by views, by a restore and by a look. */
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
    this.db.exec(
      `CREATE TABLE kv (key BLOB PRIMARY KEY, value BLOB, crc INTEGER NOT NULL) WITHOUT ROWID; ${createState}`,
    );
    this.#stampFormat();
  }

  /** The format of the file. `STORE_CORRUPT` when there is nothing in it, `STORE_FORMAT_VERSION` when it is not ours. */
  format(): number {
    const tables = `SELECT count(*) FROM sqlite_schema WHERE name IN ('kv', 'state')`;
    if (this.db.prepare(tables).pluck().get() !== 2) {
      throw corrupt(`${this.#path}: the contents of the store are missing`, { path: this.#path });
    }
    // Format 1 left the field at zero.
    const version = Number(this.db.pragma('user_version', { simple: true })) || 1;
    assertFormat(this.db, this.#path, 'state', version);
    return version;
  }

  /** Of a file of format 1. */
  oldSummary(): OldSummary {
    const row = this.db.prepare('SELECT applied, count, crc FROM state WHERE id = 1').raw().get() as
      [number, number, number] | undefined;
    if (
      row === undefined ||
      row[2] !== crc32(Buffer.from(JSON.stringify([this.#generation, row[0], row[1]])))
    ) {
      throw this.#noSummary();
    }
    return { appliedIndex: row[0], count: row[1] };
  }

  /** Brings a file of format 1 up to date, in one transaction. */
  upgrade(summary: StateSummary): void {
    this.db.exec('BEGIN IMMEDIATE');
    try {
      this.db.exec(`DROP TABLE state; ${createState}`);
      this.setSummary(summary);
      this.#stampFormat();
      this.db.exec('COMMIT');
    } catch (error) {
      if (this.db.inTransaction) this.db.exec('ROLLBACK');
      throw error;
    }
  }

  /** Verified: of this generation, and intact. */
  summary(): StateSummary {
    const row = this.#prepared().state.get() as [number, number, number, number, string, number] | undefined;
    if (row === undefined) throw this.#noSummary();
    const [appliedIndex, count, digest, sequence, mark, crc] = row;
    const summary = { appliedIndex, count, digest, sequence, mark };
    if (crc !== this.#summaryCrc(summary)) throw this.#noSummary();
    return summary;
  }

  setSummary(summary: StateSummary): void {
    const { appliedIndex, count, digest, sequence, mark } = summary;
    this.#prepared().setState.run(appliedIndex, count, digest, sequence, mark, this.#summaryCrc(summary));
  }

  get(key: Uint8Array): Uint8Array | undefined {
    const row = this.#prepared().get.get(key) as [Buffer | null, number] | undefined;
    if (row === undefined) return undefined;
    const value = plainBytes(row[0]);
    if (pairCrc(key, value) !== row[1]) throw this.#damaged(key);
    return value;
  }

  put(key: Uint8Array, value: Uint8Array): StateChange {
    const { insert, update } = this.#prepared();
    const crc = pairCrc(key, value);
    const bytes = value.length === 0 ? null : value;
    const old = this.#crcOf(key);
    if (old === undefined) {
      insert.run(key, bytes, crc);
      return { count: 1, digest: crc };
    }
    update.run(bytes, crc, key);
    return { count: 0, digest: crc - old };
  }

  /** For keys that are known to be new. */
  insert(key: Uint8Array, value: Uint8Array): StateChange {
    const crc = pairCrc(key, value);
    this.#prepared().insert.run(key, value.length === 0 ? null : value, crc);
    return { count: 1, digest: crc };
  }

  delete(key: Uint8Array): StateChange {
    const old = this.#crcOf(key);
    if (old === undefined) return { count: 0, digest: 0 };
    this.#prepared().delete.run(key);
    return { count: -1, digest: -old };
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
    let previous = gt;
    for (const { key, value } of this.#verified(where, bounds, limit)) {
      // The checksum says that the pair is whole, not that this is where it belongs.
      const outside =
        (previous !== undefined && Buffer.compare(previous, key) >= 0) ||
        (pairs.length === 0 && gte !== undefined && Buffer.compare(gte, key) > 0) ||
        (lt !== undefined && Buffer.compare(key, lt) >= 0);
      if (outside) throw this.#outOfPlace(key);
      previous = key;
      bytes += key.length + value.length;
      if (bytes > maxBytes && pairs.length > 0) break;
      pairs.push({ key, value });
    }
    return pairs;
  }

  /** A slice of all pairs behind `after`, each verified with its place. None are left when `last` is undefined. */
  scan(after: Uint8Array | undefined): ScannedPage {
    let [count, digest, bytes] = [0, 0, 0];
    let last = after;
    const where = after === undefined ? '' : 'WHERE key > ?';
    for (const { key, value, crc } of this.#verified(
      where,
      after === undefined ? [] : [after],
      scanSlice.rows,
    )) {
      if (last !== undefined && Buffer.compare(last, key) >= 0) throw this.#outOfPlace(key);
      last = key;
      count++;
      digest = addToDigest(digest, crc);
      bytes += key.length + value.length;
      if (bytes >= scanSlice.bytes) break;
    }
    return { last: count === 0 ? undefined : last, count, digest };
  }

  *#verified(
    where: string,
    bounds: readonly unknown[],
    limit: number,
  ): Generator<KeyValue & { readonly crc: number }> {
    const rows = this.#range(where).iterate(...bounds, limit) as IterableIterator<
      [Buffer, Buffer | null, number]
    >;
    for (const [rawKey, rawValue, crc] of rows) {
      const key = plainBytes(rawKey);
      const value = plainBytes(rawValue);
      if (pairCrc(key, value) !== crc) throw this.#damaged(key);
      yield { key, value, crc };
    }
  }

  #range(where: string): Statement {
    let statement = this.#ranges.get(where);
    if (statement === undefined) {
      statement = this.db.prepare(`SELECT key, value, crc FROM kv ${where} ORDER BY key LIMIT ?`).raw();
      this.#ranges.set(where, statement);
    }
    return statement;
  }

  #crcOf(key: Uint8Array): number | undefined {
    return this.#prepared().crc.get(key) as number | undefined;
  }

  #prepared(): Statements {
    this.#statements ??= {
      get: this.db.prepare('SELECT value, crc FROM kv WHERE key = ?').raw(),
      crc: this.db.prepare('SELECT crc FROM kv WHERE key = ?').pluck(),
      insert: this.db.prepare('INSERT INTO kv (key, value, crc) VALUES (?, ?, ?)'),
      update: this.db.prepare('UPDATE kv SET value = ?, crc = ? WHERE key = ?'),
      delete: this.db.prepare('DELETE FROM kv WHERE key = ?'),
      state: this.db
        .prepare('SELECT applied, count, digest, sequence, mark, crc FROM state WHERE id = 1')
        .raw(),
      setState: this.db.prepare(
        'INSERT OR REPLACE INTO state (id, applied, count, digest, sequence, mark, crc) VALUES (1, ?, ?, ?, ?, ?, ?)',
      ),
    };
    return this.#statements;
  }

  #stampFormat(): void {
    this.db.pragma(`application_id = ${String(applicationIds.state)}`);
    this.db.pragma(`user_version = ${String(formatVersions.state)}`);
  }

  #summaryCrc({ appliedIndex, count, digest, sequence, mark }: StateSummary): number {
    const fields = [this.#generation, appliedIndex, count, digest, sequence, mark];
    return crc32(Buffer.from(JSON.stringify(fields)));
  }

  #noSummary(): Error {
    return corrupt(`${this.#path}: the applied index does not match its checksum`, { path: this.#path });
  }

  #damaged(key: Uint8Array): Error {
    return this.#wrong(key, 'the value of key % does not match its checksum');
  }

  #outOfPlace(key: Uint8Array): Error {
    return this.#wrong(key, 'key % is not where it belongs');
  }

  #wrong(key: Uint8Array, what: string): Error {
    const hex = Buffer.from(key.subarray(0, 64)).toString('hex');
    return corrupt(`${this.#path}: ${what.replace('%', hex)}`, { path: this.#path, key: hex });
  }
}
