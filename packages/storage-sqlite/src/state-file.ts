/**
 * One generation of an ordered store: one database file, written by one connection.
 *
 * WAL with `synchronous = NORMAL`: a commit costs no sync, and what a power cut leaves is a prefix of the
 * commits. A sync of the write-ahead log, made through the thread pool, makes all of them durable.
 */
import type { LogIndex, OrderedBatch } from '@balsa/raft-core';
import { configure, openConnection, type Connection, type Statement } from './schema.ts';
import { addToDigest, StateTables, type StateSummary } from './state-tables.ts';
import { walOf } from './wal-copy.ts';

const statePattern = /^state-([0-9]+)\.db(-wal|-shm|-journal|\.mark|\.mark\.tmp)?$/;

/** What lies beside the database file of a generation. The mark is its watermark, see state-mark.ts. */
export const stateSuffixes: readonly string[] = ['', '-wal', '-shm', '-journal', '.mark', '.mark.tmp'];

export function stateFileName(generation: number): string {
  return `state-${String(generation)}.db`;
}

/** Where log.db says which generation of a store is the present one. */
export function storeKey(name: string): string {
  return `store:${Buffer.from(name, 'utf16le').toString('hex')}`;
}

/** The other way round. */
export function storeName(key: string): string {
  return Buffer.from(key.slice(storeKey('').length), 'hex').toString('utf16le');
}

/** The generation that a file belongs to; undefined for files that are not of an ordered store. */
export function generationOf(name: string): number | undefined {
  const digits = statePattern.exec(name)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** The writing connection of one generation. */
export class StateFile {
  readonly path: string;
  readonly generation: number;
  readonly tables: StateTables;
  #summary: StateSummary;
  #staged: StateSummary;
  #reader: StateTables | undefined;
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

  /** Makes the next commit's sequence a higher one than `sequence`: a relaxed store lost what lies between. */
  skipTo(sequence: number): void {
    this.#summary = { ...this.#summary, sequence };
  }

  /** Writes a batch into a transaction of its own. What throws here has had no effect. Returns the bytes written. */
  stage({ changes, appliedIndex }: OrderedBatch): number {
    this.begin();
    const bytes = this.stageChanges(changes);
    this.stageIndex(appliedIndex);
    return bytes + this.#pageBytes;
  }

  /** Opens a transaction, to be filled in one turn or several; until `commit`, `reading` does not see what is in it. */
  begin(): void {
    this.#begin.run();
    this.#staged = this.#summary;
  }

  /** A part of a batch. What throws here, and in `stageIndex`, has undone the whole of it. Returns the bytes written. */
  stageChanges(changes: OrderedBatch['changes']): number {
    return this.#orRollback(() => {
      let { count, digest } = this.#staged;
      let bytes = 0;
      for (const [key, value] of changes) {
        const change = value === undefined ? this.tables.delete(key) : this.tables.put(key, value);
        count += change.count;
        digest = addToDigest(digest, change.digest);
        bytes += key.length + (value?.length ?? 0);
      }
      this.#staged = { ...this.#staged, count, digest };
      return bytes;
    });
  }

  /** The last part. */
  stageIndex(appliedIndex: LogIndex): void {
    this.#orRollback(() => {
      const { count, digest, sequence, mark } = this.#staged;
      this.#staged = { appliedIndex, count, digest, sequence: sequence + 1, mark };
      this.tables.setSummary(this.#staged);
    });
  }

  rollback(): void {
    if (this.tables.db.inTransaction) this.tables.db.exec('ROLLBACK');
  }

  /** Commits what was staged. What throws here has an unknown outcome. */
  commit(): void {
    this.#commit.run();
    this.#summary = this.#staged;
  }

  /** Whether a transaction is open between two turns. */
  get inTransaction(): boolean {
    return this.tables.db.inTransaction;
  }

  /** What is committed: through a second connection while a transaction is open on the first. */
  get reading(): StateTables {
    if (!this.inTransaction) return this.tables;
    this.#reader ??= new StateTables(openConnection(this.path, true), this.path, this.generation);
    return this.#reader;
  }

  /** Bytes in the write-ahead log, and how many of them the database file does not have yet. */
  wal(): { readonly bytes: number; readonly pendingBytes: number } {
    return walOf(this.tables.db);
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
    return Number(this.tables.db.pragma('page_count', { simple: true })) * this.#pageBytes + this.wal().bytes;
  }

  close(): void {
    this.#reader?.db.close();
    this.tables.db.close();
  }

  #orRollback<T>(run: () => T): T {
    try {
      return run();
    } catch (error) {
      this.rollback();
      throw error;
    }
  }
}
