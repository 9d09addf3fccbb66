/** Answers what the core asks for and has not in memory: entries to send or apply, snapshots to send. */
import {
  isBalsaError,
  LogLevel,
  type Entry,
  type Env,
  type Fetch,
  type RaftCore,
  type Storage,
} from '@balsa/raft-core';
import type { AddressBook } from './address-book.ts';
import { encodeDescription } from './snapshot-description.ts';
import type { SnapshotMaker } from './snapshot-maker.ts';

export interface FetcherOptions {
  readonly core: RaftCore;
  readonly storage: Storage;
  readonly maker: SnapshotMaker;
  readonly book: AddressBook;
  readonly env: Env;
  /** How long a peer waits after a snapshot could not be had, in milliseconds. */
  readonly retryMs: number;
  /** Gives the core an input and does what follows. */
  readonly input: (give: () => void) => void;
  readonly onError: (error: unknown) => void;
}

export class Fetcher {
  readonly #options: FetcherOptions;
  readonly #tasks = new Set<Promise<void>>();

  constructor(options: FetcherOptions) {
    this.#options = options;
  }

  fetch(fetch: Fetch): void {
    const work = fetch.purpose === 'snapshot' ? this.#snapshot(fetch) : this.#entries(fetch);
    const task = work.finally(() => this.#tasks.delete(task));
    this.#tasks.add(task);
  }

  /** Waits for what is being read. Never rejects. */
  async close(): Promise<void> {
    await Promise.all(this.#tasks);
  }

  async #entries(fetch: Fetch & { purpose: 'send' | 'apply' }): Promise<void> {
    const { storage, core, input, onError } = this.#options;
    try {
      const entries = await storage.entries(fetch.low, fetch.high, fetch.maxBytes);
      input(() => this.#fetched(fetch.id, entries));
    } catch (error) {
      if (isBalsaError(error, 'STORE_COMPACTED')) input(() => core.fetchFailed(fetch.id, 'compacted'));
      else onError(error);
    }
  }

  /** What was read before the log below it was overwritten is of no use; the core asks again if it still wants it. */
  #fetched(id: number, entries: readonly Entry[]): void {
    const { core, env } = this.#options;
    try {
      core.fetched(id, entries);
    } catch (error) {
      if (!isBalsaError(error, 'INVALID_ARGUMENT')) throw error;
      env.log.log(LogLevel.Debug, `entries read for the core were overtaken: ${error.message}`);
      core.fetchFailed(id, 'unavailable');
    }
  }

  async #snapshot(fetch: Fetch & { purpose: 'snapshot' }): Promise<void> {
    const { core, maker, book, env, input, retryMs } = this.#options;
    try {
      const stored = await maker.findOrMake(fetch.minIndex, fetch.to);
      const { id, chunkCount, bytes, checksum, metadata } = stored;
      const { members, removed } = book;
      const data = encodeDescription({ id, chunkCount, bytes, checksum, members, removed });
      input(() => core.snapshotReady(fetch.id, { metadata, data }));
    } catch (error) {
      // A peer waits a little longer; this node can go on. The next write will tell when the store cannot.
      env.log.log(LogLevel.Warn, `no snapshot for node ${String(fetch.to)} now: ${String(error)}`, { error });
      env.setTimer(retryMs, () => input(() => core.fetchFailed(fetch.id, 'unavailable')));
    }
  }
}
