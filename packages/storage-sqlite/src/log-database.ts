/** log.db: the one writing connection, and the queue of what is to be written. */
import { BalsaError, LogLevel, type Durability, type Env } from '@balsa/raft-core';
import { CommitQueue, yieldTo, type CommitJob, type PreparedJob, type Watermark } from '@balsa/storage-kit';
import { checkpointThread } from './checkpoint-requests.ts';
import { refused, sqliteCode, unknownOutcome } from './errors.ts';
import type { LogSync } from './log-sync.ts';
import { LogTable } from './log-table.ts';
import { Groups, Meta, type Connection, type GroupRow, type Statement } from './schema.ts';
import { WalCopy, longestHoldMs, walOf } from './wal-copy.ts';

/** Jobs of log.db run inside a transaction, and are told the write sequence that it carries. */
export type PreparedLogJob = PreparedJob<number>;

export interface LogDatabaseOptions {
  readonly env: Env;
  readonly durability: Durability;
  /** Write-ahead log above which it is checkpointed, in bytes. */
  readonly walLimitBytes: number;
  /** Undefined where SQLite's own setting decides what is synced. */
  readonly sync: LogSync | undefined;
}

const checkWalEveryBytes = 256 * 1024;
/** Statements of so many log tables are kept prepared. */
const maxTables = 128;

export class LogDatabase {
  readonly db: Connection;
  readonly meta: Meta;
  readonly groups: Groups;
  readonly watermark: Watermark;
  readonly #options: LogDatabaseOptions;
  readonly #epoch: string;
  readonly #begin: Statement;
  readonly #commit: Statement;
  readonly #dataVersion: Statement;
  /** The state of the database, as far as others change it, in which this engine was found to be the owner. */
  #ownedVersion: unknown;
  readonly #tables = new Map<number, LogTable>();
  readonly pageBytes: number;
  /** Poisoned by every write of unknown outcome. */
  readonly queue: CommitQueue<number>;
  #unchecked = 0;
  /** By group, rows that are further than the stored ones, where the last runs carry what is new. */
  readonly #ahead = new Map<number, GroupRow>();
  readonly #copy: WalCopy;
  #bounding: Promise<void> | undefined;
  lastSyncMs = 0;

  constructor(
    db: Connection,
    watermark: Watermark,
    epoch: string,
    sequence: number,
    options: LogDatabaseOptions,
  ) {
    this.db = db;
    this.meta = new Meta(db);
    this.groups = new Groups(db);
    this.watermark = watermark;
    this.#epoch = epoch;
    this.#options = options;
    this.queue = new CommitQueue({
      env: options.env,
      watermark,
      sequence,
      commit: (works, to) => this.#write(works, to),
      committed: () => {
        this.#boundWalSoon();
      },
      refused,
    });
    this.#copy = new WalCopy({
      env: options.env,
      db,
      thread: checkpointThread,
      holdMs: longestHoldMs,
      alone: (work) => this.queue.pause(work),
      prepare: () => this.#storeRows(),
    });
    this.#begin = db.prepare('BEGIN IMMEDIATE');
    this.#commit = db.prepare('COMMIT');
    this.#dataVersion = db.prepare('PRAGMA data_version').pluck();
    this.pageBytes = Number(db.pragma('page_size', { simple: true }));
  }

  get poison(): unknown {
    return this.queue.poison;
  }

  /** Throws `STORE_POISONED` after a write of unknown outcome. */
  check(): void {
    this.queue.check();
  }

  /** Resolves when the job is durable. */
  submit(job: CommitJob<number>): Promise<void> {
    return this.queue.submit(job);
  }

  /** Resolves when nothing is queued, settling or about to be checkpointed. */
  async drained(): Promise<void> {
    await this.queue.drained();
    await this.#bounding;
    await this.#copy.idle();
  }

  /** Closes the database and what syncs it. Nothing may be under way. */
  async close(): Promise<void> {
    if (this.poison === undefined) this.#storeRows();
    this.db.close();
    await this.#options.sync?.close();
  }

  /** A transaction of housekeeping, which carries no sequence and is not synced: what it loses may be lost. */
  transaction<T>(run: () => T): T {
    this.check();
    this.#open('begin housekeeping');
    let result: T;
    try {
      result = run();
    } catch (error) {
      this.#rollback(error);
      throw refused(error, 'do housekeeping in log.db');
    }
    this.#close();
    return result;
  }

  table(logId: number): LogTable {
    let table = this.#tables.get(logId);
    if (table === undefined) {
      table = new LogTable(this.db, logId);
      const [oldest] = this.#tables.keys();
      if (this.#tables.size >= maxTables && oldest !== undefined) this.#tables.delete(oldest);
    } else {
      this.#tables.delete(logId);
    }
    this.#tables.set(logId, table);
    return table;
  }

  forgetTable(logId: number): void {
    this.#tables.delete(logId);
  }

  /** Bytes in the write-ahead log, and how many of them the database file does not have yet. */
  wal(): { readonly bytes: number; readonly pendingBytes: number } {
    return walOf(this.db);
  }

  /** The present row of a group, durable in what was stored or in the runs behind it. */
  noteRow(row: GroupRow, isStored: boolean): void {
    if (isStored) this.#ahead.delete(row.id);
    else this.#ahead.set(row.id, row);
  }

  /** Of a group that is gone. */
  forgetRow(id: number): void {
    this.#ahead.delete(id);
  }

  /**
   * Stores the rows of groups that were only appended to since. Then the database file, when the write-ahead log is
   * copied into it, says of each log how far it goes in another page than the log's own last one: should either come
   * back from an older time, it is noticed. In the write-ahead log itself SQLite's checksums and the watermark do
   * that. No commit may be under way, whose rows are not known yet.
   */
  #storeRows(): void {
    if (this.#ahead.size === 0) return;
    try {
      this.transaction(() => {
        for (const row of this.#ahead.values()) this.groups.update(row);
      });
      this.#ahead.clear();
    } catch (error) {
      // Nothing is lost by it, and a full disk needs the checkpoint all the more.
      this.#options.env.log.log(LogLevel.Warn, 'cannot store the rows of groups in log.db', { error });
    }
  }

  /**
   * Copies the write-ahead log into the database file, with `truncate` so that both shrink. Rejects with a refusal, or,
   * when what is on disk may be another than what was written, with an unknown outcome; then the database is poisoned.
   */
  async checkpoint(truncate = false): Promise<void> {
    try {
      await this.#copy.run(truncate);
    } catch (error) {
      this.#failed('the checkpoint of log.db', error);
    }
  }

  /**
   * Runs what commits by itself and changes no content. It makes no promise, but a sync that failed may
   * have dropped pages that later syncs would pass over: an input or output error poisons.
   */
  housekeep(what: string, run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#failed(what, error);
    }
  }

  #failed(what: string, error: unknown): never {
    if (sqliteCode(error)?.startsWith('SQLITE_IOERR') !== true) throw refused(error, `do ${what}`);
    this.queue.poisonWith(error);
    throw unknownOutcome(error, what);
  }

  /**
   * `STORE_FENCED` when another engine has taken the directory over. Its epoch is read when another connection has
   * committed since it was read last; nobody takes a directory over without a commit.
   */
  assertOwner(): void {
    let epoch: string | undefined;
    let version: unknown;
    try {
      version = this.#dataVersion.get();
      if (version === this.#ownedVersion) return;
      epoch = this.meta.get('owner_epoch');
    } catch (error) {
      throw refused(error, 'read the owner of log.db');
    }
    if (epoch === this.#epoch) {
      this.#ownedVersion = version;
      return;
    }
    throw new BalsaError(
      'STORE_FENCED',
      `another owner (epoch ${String(epoch)}) has taken over this directory from this one (epoch ${this.#epoch})`,
      { details: { epoch, own: this.#epoch } },
    );
  }

  /** Everything up to the commit is refused when it fails; the commit itself, and its sync, have an unknown outcome. */
  #write(works: readonly PreparedLogJob[], sequence: number): Promise<void> | undefined {
    const before = this.#options.env.now();
    this.#open('begin a transaction in log.db');
    try {
      for (const work of works) work.run(sequence);
    } catch (error) {
      this.#rollback(error);
      throw refused(error, 'write to log.db');
    }
    this.#close();
    return this.#sync(before);
  }

  #sync(before: number): Promise<void> | undefined {
    const failed = (error: unknown): never => {
      this.queue.poisonWith(error);
      throw unknownOutcome(error, 'the sync of a commit to log.db');
    };
    const done = (): void => {
      this.lastSyncMs = this.#options.env.now() - before;
    };
    let pending: Promise<void> | undefined;
    try {
      pending = this.#options.sync?.run();
    } catch (error) {
      failed(error);
    }
    if (pending !== undefined) {
      return pending.then(() => {
        // What poisoned meanwhile may have been told of pages that this sync is not told of any more.
        if (this.poison !== undefined) failed(this.poison);
        done();
      }, failed);
    }
    done();
    return undefined;
  }

  #open(what: string): void {
    try {
      this.#begin.run();
    } catch (error) {
      throw refused(error, what);
    }
    try {
      this.assertOwner();
    } catch (error) {
      this.#rollback(error);
      throw error;
    }
  }

  #close(): void {
    try {
      this.#commit.run();
    } catch (error) {
      this.queue.poisonWith(error);
      if (this.db.inTransaction) this.#rollback(error);
      throw unknownOutcome(error, 'a commit to log.db');
    }
  }

  /** SQLite may have rolled back by itself, on a full disk for one. */
  #rollback(cause: unknown): void {
    // Tables made in this transaction are gone, and so are statements prepared on them.
    this.#tables.clear();
    if (!this.db.inTransaction) return;
    try {
      this.db.exec('ROLLBACK');
    } catch (error) {
      this.queue.poisonWith(new AggregateError([cause, error], 'a write failed, and so did taking it back'));
    }
  }

  /** Notes how much a write added; looks at the write-ahead log only now and then. */
  wrote(bytes: number): void {
    this.#unchecked += bytes + this.pageBytes;
  }

  /** In a turn of its own: who waits for the write hears of it first. */
  #boundWalSoon(): void {
    if (this.#unchecked < checkWalEveryBytes) return;
    this.#unchecked = 0;
    this.#bounding ??= yieldTo(this.#options.env)
      .then(() => this.#boundWal())
      .then(() => {
        this.#bounding = undefined;
      });
  }

  async #boundWal(): Promise<void> {
    try {
      if (this.poison === undefined && this.wal().pendingBytes >= this.#options.walLimitBytes)
        await this.checkpoint();
    } catch (error) {
      // The writes themselves are durable in the write-ahead log; poison, if it is that, shows in the next call.
      this.#options.env.log.log(LogLevel.Error, 'cannot checkpoint log.db', { error });
    }
  }
}
