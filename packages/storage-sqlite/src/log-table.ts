/**
 * The entries of one log, in a table of their own: a row for each run of entries that were written together.
 *
 * A table per log, with the index of a run's last entry as its rowid, was measured against one WITHOUT ROWID table
 * for all: half the pages and half the time for rows of 1.5 KiB in batches, less write-ahead log at every size, and
 * a log that is dropped (an installed snapshot, a destroyed group) needs no search.
 *
 * Each entry carries its own CRC-32, and each run a chain value made from the run before, so that a page that
 * comes back from an older time is noticed when the log is opened.
 */
import { EmptyBytes, entrySize, type Entry, type LogIndex } from '@balsa/raft-core';
import { corrupt } from './errors.ts';
import { RunHead, chain, encodeRun, runLength, type Stamp } from './runs.ts';
import type { Connection, Statement } from './schema.ts';

/** Rows and payload bytes deleted in one transaction. */
export const deletesPerSlice: { readonly rows: number; readonly bytes: number } = {
  rows: 2000,
  bytes: 8 * 1024 * 1024,
};

/** A stored run without its body. */
export interface StoredRun {
  readonly head: RunHead;
  readonly chain: number;
}

export interface ReadBounds {
  /** As `entrySize` counts. */
  readonly maxBytes: number;
  /** For one go, beside the entry that passes it. */
  readonly sliceBytes: number;
  readonly sliceEntries: number;
  /** Whether one entry is given whatever its size. */
  readonly first: boolean;
}

export interface ReadPage {
  readonly entries: Entry[];
  /** Bytes as `entrySize` counts. */
  readonly bytes: number;
  /** Whether the page ended because the next entry would have passed `maxBytes`. */
  readonly full: boolean;
}

type Row = [idx: number, chain: number, head: Buffer, body: Buffer | null];

export class LogTable {
  readonly logId: number;
  readonly #db: Connection;
  readonly #name: string;
  readonly #statements = new Map<string, Statement>();
  #insert: Statement | undefined;

  constructor(db: Connection, logId: number) {
    this.#db = db;
    this.logId = logId;
    this.#name = tableName(logId);
  }

  create(): void {
    this.#db.exec(
      `CREATE TABLE ${this.#name} (idx INTEGER PRIMARY KEY, chain INTEGER NOT NULL, head BLOB NOT NULL, body BLOB)`,
    );
  }

  /** Only when it is empty: dropping a full table would free all its pages at once. */
  drop(): void {
    this.#statements.clear();
    this.#insert = undefined;
    this.#db.exec(`DROP TABLE ${this.#name}`);
  }

  /** Adds entries behind the last one, whose run has the chain value `previous`. Returns the chain value of the new last run. */
  append(
    entries: readonly Entry[],
    stamp: Stamp,
    previous: number,
    checksum: (entry: Entry) => number,
  ): number {
    let last = previous;
    for (let from = 0; from < entries.length;) {
      const to = from + runLength(entries, from);
      const { head, body } = encodeRun(entries, from, to, stamp, checksum);
      last = chain(last, head);
      this.#insertRun(entries[to - 1]?.index ?? 0, last, head, body);
      from = to;
    }
    return last;
  }

  #insertRun(last: LogIndex, chainValue: number, head: Uint8Array, body: Uint8Array | null): void {
    this.#insert ??= this.#db.prepare(`INSERT INTO ${this.#name} VALUES (?, ?, ?, ?)`);
    this.#insert.run(last, chainValue, head, body);
  }

  /**
   * Takes away what is at or above `from`, which is above the boundary; what the run there has below `from` stays.
   * `boundaryChain` is the chain value of the last run that ends at or below the boundary. Returns that of the last
   * run that is left.
   */
  truncate(from: LogIndex, boundary: LogIndex, boundaryChain: number): number {
    const row = this.#sql('SELECT * FROM $ WHERE idx >= ? ORDER BY idx LIMIT 1', 'raw').get(from) as
      Row | undefined;
    if (row === undefined) throw missing(from);
    this.#sql('DELETE FROM $ WHERE idx >= ?').run(from);
    const previous = this.chainAt(from - 1, boundaryChain);
    const head = new RunHead(row[2], row[0]);
    if (head.first >= from || from - 1 <= boundary) return previous;
    const kept = head.upTo(from - 1);
    const left = chain(previous, kept.head);
    this.#insertRun(from - 1, left, kept.head, row[3]?.subarray(0, kept.bodyBytes) ?? null);
    return left;
  }

  /** The chain value of the last run that ends at or below `index`; `otherwise` when there is none. */
  chainAt(index: LogIndex, otherwise: number): number {
    const sql = 'SELECT chain FROM $ WHERE idx <= ? ORDER BY idx DESC LIMIT 1';
    return (this.#sql(sql, 'pluck').get(index) as number | undefined) ?? otherwise;
  }

  /**
   * Deletes runs that end at or below `last`, lowest first, within the bounds. Returns the lowest that is left of
   * them, by its last entry.
   */
  deleteSlice(last: LogIndex, maxRows: number, maxBytes: number): LogIndex | undefined {
    let [rows, bytes, upTo] = [0, 0, -1];
    let left: LogIndex | undefined;
    const lengths = this.#sql('SELECT idx, length(body) FROM $ WHERE idx <= ? ORDER BY idx', 'raw');
    for (const [index, length] of lengths.iterate(last) as IterableIterator<[number, number | null]>) {
      if (rows > 0 && (rows >= maxRows || bytes + (length ?? 0) > maxBytes)) {
        left = index;
        break;
      }
      rows++;
      bytes += length ?? 0;
      upTo = index;
    }
    if (rows > 0) this.#sql('DELETE FROM $ WHERE idx <= ?').run(upTo);
    return left;
  }

  /** The last entry of the lowest run. */
  lowest(): LogIndex | undefined {
    return (this.#sql('SELECT min(idx) FROM $', 'pluck').get() as number | null) ?? undefined;
  }

  /** The last run; its chain value is not checked. */
  tail(): StoredRun | undefined {
    const [run] = this.#runs('SELECT idx, chain, head FROM $ ORDER BY idx DESC LIMIT 1', []);
    return run;
  }

  /** At most `limit` runs that end above `after`, lowest first; their chain values are not checked. */
  runs(after: LogIndex, limit: number): StoredRun[] {
    return this.#runs('SELECT idx, chain, head FROM $ WHERE idx > ? ORDER BY idx LIMIT ?', [after, limit]);
  }

  #runs(sql: string, bounds: readonly number[]): StoredRun[] {
    const rows = this.#sql(sql, 'raw').all(...bounds) as [number, number, Buffer][];
    return rows.map(([index, value, head]) => ({ head: new RunHead(head, index), chain: value }));
  }

  /**
   * Entries from `low`, below `high`, each verified; at least one, then within `maxBytes`, and not much more than
   * the slice for one go. `STORE_CORRUPT`, naming the index, when one is missing or damaged.
   */
  read(low: LogIndex, high: LogIndex, bounds: ReadBounds, checksum: (entry: Entry) => number): ReadPage {
    const entries: Entry[] = [];
    let [bytes, full] = [0, false];
    const take = (entry: Entry): boolean => {
      const size = entrySize(entry);
      full = bytes + size > bounds.maxBytes && !(bounds.first && entries.length === 0);
      if (full) return false;
      entries.push(entry);
      bytes += size;
      return bytes < bounds.sliceBytes && entries.length < bounds.sliceEntries;
    };
    const rows = this.#sql('SELECT * FROM $ WHERE idx >= ? ORDER BY idx', 'raw').iterate(low);
    for (const [index, , headBytes, body] of rows as IterableIterator<Row>) {
      const next = low + entries.length;
      const head = new RunHead(headBytes, index);
      if (head.first > next) throw missing(next);
      const end = Math.min(high, head.last + 1);
      head.entries(plain(body), next, end, checksum, take);
      if (low + entries.length < end || end === high) break;
    }
    if (entries.length === 0 && !full) throw missing(low);
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

/** Payloads are given as plain arrays of bytes. */
function plain(body: Buffer | null): Uint8Array {
  return body === null ? EmptyBytes : new Uint8Array(body.buffer, body.byteOffset, body.length);
}

function missing(index: LogIndex): Error {
  return corrupt(`entry ${String(index)} is missing`, { index });
}

export function tableName(logId: number): string {
  return `log_${String(logId)}`;
}

/** Numbers of all log tables that the database has. */
export function logTables(db: Connection): number[] {
  const names = db.prepare(`SELECT name FROM sqlite_schema WHERE type = 'table'`).pluck().all() as string[];
  return names.flatMap((name) => (/^log_[0-9]+$/.test(name) ? [Number(name.slice(4))] : []));
}
