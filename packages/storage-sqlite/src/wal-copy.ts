/**
 * Copies a write-ahead log into its database, away from the thread that writes where that takes long.
 *
 * A checkpoint syncs the log, copies pages, and syncs the database: with a few megabytes that takes as long as dozens
 * of commits. On a fast disk that is a few milliseconds, and it is made in place: beside the commits it would sync
 * twice as often, on the same disk. On a slower one another thread does it, while commits go on. What they add meanwhile is copied, there too, while they
 * wait; with the whole of it copied, the next commit begins the log anew.
 */
import { LogLevel, type Env } from '@balsa/raft-core';
import { sqliteCode } from './errors.ts';
import type { CheckpointThread } from './checkpoint-requests.ts';
import { openConnection, type Connection } from './schema.ts';

export interface WalCopyOptions {
  readonly env: Env;
  /** The connection that writes. */
  readonly db: Connection;
  readonly thread: Pick<CheckpointThread, 'run'>;
  /** A copy that takes less than this, in milliseconds on average of the last ones, is made in place. 0: none. */
  readonly holdMs: number;
  /** Runs `work` once no commit is under way, and lets none begin before it has settled. */
  readonly alone: (work: () => Promise<void>) => Promise<void>;
  /** Commits what the database has to say about what is copied. Runs while no commit is under way. */
  readonly prepare?: () => void;
}

/** For `holdMs`: a fiftieth of the time after which, by default, a follower gives up a leader that stands still. */
export const longestHoldMs = 20;
/** Of one copy in the average: the last dozen decide. */
const weight = 1 / 8;
/** What is left is copied while commits wait once it is less than this, in bytes, or after so many rounds without them. */
const [shortBytes, mostRounds] = [256 * 1024, 3];

/** Bytes in the write-ahead log, and how many of them the database file does not have yet. */
export function walOf(db: Connection): { readonly bytes: number; readonly pendingBytes: number } {
  const [row] = db.pragma('wal_checkpoint(NOOP)') as { log: number; checkpointed: number }[];
  const pageBytes = Number(db.pragma('page_size', { simple: true }));
  const frames = Math.max(0, row?.log ?? 0);
  const done = Math.max(0, row?.checkpointed ?? 0);
  return { bytes: frames * pageBytes, pendingBytes: (frames - done) * pageBytes };
}

export class WalCopy {
  readonly #options: WalCopyOptions;
  readonly #synchronous: number;
  #warned = false;
  #averageMs = 0;
  /** The last copy that was asked for. Never rejects. */
  #last: Promise<void> = Promise.resolve();

  constructor(options: WalCopyOptions) {
    this.#options = options;
    this.#synchronous = Number(options.db.pragma('synchronous', { simple: true }));
  }

  /**
   * Copies all that is committed, but for what readers elsewhere keep from being copied. With `truncate` the file of the
   * log, and that of the database, shrink to what they hold; otherwise the log's is kept, because overwriting is
   * cheaper to sync than growing. Rejects with SQLite's error. Waits for copies that were asked for before.
   */
  run(truncate = false): Promise<void> {
    const work = this.#last.then(() => this.#run(truncate));
    this.#last = work.catch(() => undefined);
    return work;
  }

  /** Resolves when no copy is under way. */
  async idle(): Promise<void> {
    for (let last; last !== this.#last;) {
      last = this.#last;
      await last;
    }
  }

  async #run(truncate: boolean): Promise<void> {
    const { alone, prepare, db, holdMs, env } = this.#options;
    const inPlace = this.#averageMs < holdMs;
    let pinned: Connection | undefined;
    try {
      if (!inPlace) pinned = await this.#copyMost();
      await alone(async () => {
        prepare?.();
        pinned?.close();
        if (!inPlace && !truncate) return this.#copy();
        const before = env.now();
        db.pragma(`wal_checkpoint(${truncate ? 'TRUNCATE' : 'PASSIVE'})`);
        if (inPlace) this.#took(env.now() - before);
      });
    } finally {
      pinned?.close();
    }
  }

  /** Beside commits. Returns the reader that keeps the log from beginning anew. */
  async #copyMost(): Promise<Connection | undefined> {
    const { db, env } = this.#options;
    let pinned: Connection | undefined;
    try {
      for (let round = 0; round < mostRounds && walOf(db).pendingBytes >= shortBytes; round++) {
        const next = this.#pin();
        if (next === undefined) break;
        pinned?.close();
        pinned = next;
        const began = env.now();
        await this.#copy();
        this.#took(env.now() - began);
      }
      return pinned;
    } catch (error) {
      pinned?.close();
      throw error;
    }
  }

  #took(ms: number): void {
    this.#averageMs += (ms - this.#averageMs) * weight;
  }

  /**
   * A reader of what is committed now. As long as it is there the log does not begin anew, even if all of it is copied:
   * that has to wait for `prepare`.
   */
  #pin(): Connection | undefined {
    let reader: Connection | undefined;
    try {
      reader = openConnection(this.#options.db.name, true);
      reader.exec('BEGIN');
      reader.pragma('schema_version');
      return reader;
    } catch (error) {
      reader?.close();
      this.#warn(error);
      return undefined;
    }
  }

  async #copy(): Promise<void> {
    const { db, thread } = this.#options;
    try {
      await thread.run(db.name, this.#synchronous);
    } catch (error) {
      if (sqliteCode(error) !== undefined) throw error;
      this.#warn(error);
      db.pragma('wal_checkpoint(PASSIVE)');
    }
  }

  #warn(error: unknown): void {
    if (this.#warned) return;
    this.#warned = true;
    const { env, db } = this.#options;
    const text = `a checkpoint of ${db.name} has to hold up the event loop`;
    env.log.log(LogLevel.Warn, text, { error });
  }
}
