/**
 * The entries of one log, in a table of their own.
 *
 * A table per log, with the index as its rowid, was measured against one WITHOUT ROWID table for all:
 * half the pages and half the time for entries of 1.5 KiB in batches, less write-ahead log at every
 * size, and a log that is dropped (an installed snapshot, a destroyed group) needs no search.
 *
 * Each row carries its own CRC-32 and a chain value made from the row before, so that a page that
 * comes back from an older time is noticed when the log is opened.
 */
import { EmptyBytes, Entry, EntryType, entrySize, type LogIndex, type Term } from '@balsa/raft-core';
import { crc32 } from '@balsa/storage-kit';
import { corrupt } from './errors.ts';
import type { Connection, Statement } from './schema.ts';

/** Rows and payload bytes deleted in one transaction. */
export const deletesPerSlice: { readonly rows: number; readonly bytes: number } = {
  rows: 2000,
  bytes: 8 * 1024 * 1024,
};

const chainBytes = new Uint8Array(8);
const chainView = new DataView(chainBytes.buffer);

/** The chain value after an entry whose own checksum is `crc`. */
export function chain(previous: number, crc: number): number {
  chainView.setUint32(0, previous);
  chainView.setUint32(4, crc);
  return crc32(chainBytes);
}

/** An entry with what is stored beside it. */
export interface SealedEntry {
  readonly entry: Entry;
  /** Its own checksum. */
  readonly crc: number;
  /** The chain value made from it and from the row before. */
  readonly chain: number;
}

/** Rows that one statement inserts: a call of the driver costs about as much as the row itself. */
const rowsPerInsert = 16;
const oneValue = '(?, ?, ?, ?, ?, ?, ?)';
const oneRow = `INSERT INTO $ VALUES ${oneValue}`;
const manyRows = `INSERT INTO $ VALUES ${Array.from({ length: rowsPerInsert }, () => oneValue).join(', ')}`;

/** A stored entry without its payload. */
export interface EntryRowHead {
  readonly index: LogIndex;
  readonly term: Term;
  readonly type: EntryType;
  readonly crc: number;
  readonly chain: number;
}

export interface ReadPage {
  readonly entries: Entry[];
  /** Bytes as `entrySize` counts. */
  readonly bytes: number;
  /** Whether the page ended because the next entry would have passed `maxBytes`. */
  readonly full: boolean;
}

const knownTypes: ReadonlySet<number> = new Set(Object.values(EntryType));

function bytesOf(value: Buffer | null): Uint8Array {
  if (value === null || value.length === 0) return EmptyBytes;
  return new Uint8Array(value.buffer, value.byteOffset, value.length);
}

export class LogTable {
  readonly logId: number;
  readonly #db: Connection;
  readonly #name: string;
  readonly #statements = new Map<string, Statement>();

  constructor(db: Connection, logId: number) {
    this.#db = db;
    this.logId = logId;
    this.#name = tableName(logId);
  }

  create(): void {
    this.#db.exec(
      `CREATE TABLE ${this.#name} (idx INTEGER PRIMARY KEY, term INTEGER NOT NULL, type INTEGER NOT NULL,
       crc INTEGER NOT NULL, chain INTEGER NOT NULL, context BLOB, data BLOB)`,
    );
  }

  /** Only when it is empty: dropping a full table would free all its pages at once. */
  drop(): void {
    this.#statements.clear();
    this.#db.exec(`DROP TABLE ${this.#name}`);
  }

  insert(rows: readonly SealedEntry[]): void {
    let at = 0;
    for (; rows.length - at >= rowsPerInsert; at += rowsPerInsert)
      this.#insert(rows, at, manyRows, rowsPerInsert);
    for (; at < rows.length; at++) this.#insert(rows, at, oneRow, 1);
  }

  #insert(rows: readonly SealedEntry[], from: number, sql: string, count: number): void {
    const values: unknown[] = [];
    for (let i = from; i < from + count; i++) {
      const row = rows[i];
      if (row === undefined) continue;
      const { index, term, type, context, data } = row.entry;
      values.push(
        index,
        term,
        type,
        row.crc,
        row.chain,
        context.length === 0 ? null : context,
        data.length === 0 ? null : data,
      );
    }
    this.#sql(sql).run(values);
  }

  deleteFrom(index: LogIndex): void {
    this.#sql('DELETE FROM $ WHERE idx >= ?').run(index);
  }

  /** Deletes rows up to `last`, lowest first, within the bounds. Returns the lowest row that is left at or below `last`. */
  deleteSlice(last: LogIndex, maxRows: number, maxBytes: number): LogIndex | undefined {
    let [rows, bytes, upTo] = [0, 0, -1];
    const lengths = this.#sql('SELECT idx, length(data) FROM $ WHERE idx <= ? ORDER BY idx', 'raw');
    for (const [index, length] of lengths.iterate(last) as IterableIterator<[number, number | null]>) {
      if (rows > 0 && (rows >= maxRows || bytes + (length ?? 0) > maxBytes)) break;
      rows++;
      bytes += length ?? 0;
      upTo = index;
    }
    if (rows === 0) return undefined;
    this.#sql('DELETE FROM $ WHERE idx <= ?').run(upTo);
    return upTo < last ? upTo + 1 : undefined;
  }

  lowest(): LogIndex | undefined {
    return (this.#sql('SELECT min(idx) FROM $', 'pluck').get() as number | null) ?? undefined;
  }

  chainAt(index: LogIndex): number {
    const found = this.#sql('SELECT chain FROM $ WHERE idx = ?', 'pluck').get(index) as number | undefined;
    if (found === undefined) throw corrupt(`entry ${String(index)} is missing`, { index });
    return found;
  }

  /** Heads of at most `limit` rows above `after`. */
  heads(after: LogIndex, limit: number): EntryRowHead[] {
    const rows = this.#sql(
      'SELECT idx, term, type, crc, chain FROM $ WHERE idx > ? ORDER BY idx LIMIT ?',
      'raw',
    ).all(after, limit) as [number, number, EntryType, number, number][];
    return rows.map(([index, term, type, crc, chainValue]) => ({
      index,
      term,
      type,
      crc,
      chain: chainValue,
    }));
  }

  /**
   * Entries from `low`, below `high`, each verified; at least one, then within `maxBytes`, and no more
   * than `sliceBytes` or `sliceRows` for one go.
   */
  read(
    low: LogIndex,
    high: LogIndex,
    bounds: {
      readonly maxBytes: number;
      readonly sliceRows: number;
      readonly sliceBytes: number;
      readonly first: boolean;
    },
    checksum: (entry: Entry) => number,
  ): ReadPage {
    const entries: Entry[] = [];
    let [bytes, expected, full] = [0, low, false];
    const rows = this.#sql(
      'SELECT idx, term, type, crc, context, data FROM $ WHERE idx >= ? AND idx < ? ORDER BY idx LIMIT ?',
      'raw',
    ).iterate(low, high, bounds.sliceRows) as IterableIterator<
      [number, number, EntryType, number, Buffer | null, Buffer | null]
    >;
    for (const [index, term, type, crc, context, data] of rows) {
      if (index !== expected) throw corrupt(`entry ${String(expected)} is missing`, { index: expected });
      const entry = new Entry(term, index, type, bytesOf(data), bytesOf(context));
      const intact = Number.isSafeInteger(term) && knownTypes.has(type) && checksum(entry) === crc;
      if (!intact) throw corrupt(`entry ${String(index)} does not match its checksum`, { index });
      const size = entrySize(entry);
      if (bytes + size > bounds.maxBytes && !(bounds.first && entries.length === 0)) {
        full = true;
        break;
      }
      entries.push(entry);
      bytes += size;
      expected++;
      if (bytes >= bounds.sliceBytes) break;
    }
    if (entries.length === 0 && !full) throw corrupt(`entry ${String(low)} is missing`, { index: low });
    return { entries, bytes, full };
  }

  /** Prepared once per table, `$` standing for its name. */
  #sql(text: string, mode?: 'raw' | 'pluck'): Statement {
    let statement = this.#statements.get(text);
    if (statement === undefined) {
      statement = this.#db.prepare(text.replace('$', this.#name));
      if (mode === 'raw') statement.raw();
      if (mode === 'pluck') statement.pluck();
      this.#statements.set(text, statement);
    }
    return statement;
  }
}

export function tableName(logId: number): string {
  return `log_${String(logId)}`;
}

/** Numbers of all log tables that the database has. */
export function logTables(db: Connection): number[] {
  const names = db.prepare(`SELECT name FROM sqlite_schema WHERE type = 'table'`).pluck().all() as string[];
  return names.flatMap((name) => (/^log_[0-9]+$/.test(name) ? [Number(name.slice(4))] : []));
}
