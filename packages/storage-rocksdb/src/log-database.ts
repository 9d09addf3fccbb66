/**
 * The one writer of the database, and the queue of what is to be written.
 *
 * A batch is written on this thread: it blocks for as long as the disk takes. A turn therefore takes
 * jobs of `bytesPerTurn` together, and more only when a single one is larger.
 */
import type { Durability, Env } from '@balsa/raft-core';
import { CommitQueue, type CommitJob, type PreparedJob, type Watermark } from '@balsa/storage-kit';
import type { RocksBatch, Rocks, KeyRange } from './binding.ts';
import { refused, unknownOutcome } from './errors.ts';
import { metaKey } from './keys.ts';
import { seal } from './records.ts';
import { Throttle } from './throttle.ts';
import type { Witnesses } from './witnesses.ts';

export interface LogDatabaseOptions {
  readonly env: Env;
  readonly durability: Durability;
  /** The last write sequence that is taken. */
  readonly sequence: number;
  readonly witnesses: Witnesses;
  /** Told how many bytes were written, after each batch. */
  readonly wrote: (bytes: number) => void;
  /** Bytes that may wait to be compacted before writing is slowed. */
  readonly maxDebtBytes: number;
}

const bytesPerTurn = 4 * 1024 * 1024;
/** What one batch costs beside its payload, about. */
const overheadBytes = 512;

const sweptKey = metaKey('swept');

export class LogDatabase {
  readonly rocks: Rocks;
  readonly watermark: Watermark;
  readonly #options: LogDatabaseOptions;
  readonly #sync: boolean;
  readonly #throttle: Throttle;
  #batch: RocksBatch;
  /** Poisoned by every write of unknown outcome. */
  readonly queue: CommitQueue<RocksBatch>;
  #sweeps = 0;
  lastSyncMs = 0;
  /** Since it was opened, about. */
  writtenBytes = 0;

  constructor(rocks: Rocks, watermark: Watermark, options: LogDatabaseOptions) {
    this.rocks = rocks;
    this.watermark = watermark;
    this.#options = options;
    this.#sync = options.durability === 'strict';
    this.queue = new CommitQueue({
      env: options.env,
      watermark,
      sequence: options.sequence,
      maxBytes: bytesPerTurn,
      commit: (works, sequence, bytes) => {
        this.#commit(works, sequence, bytes);
        return undefined;
      },
      committed: (bytes) => {
        this.#wrote(bytes + overheadBytes);
      },
      delayMs: () => this.#throttle.delayMs(),
      refused,
    });
    this.#batch = rocks.batch();
    this.#throttle = new Throttle(rocks, () => options.env.now(), options.maxDebtBytes);
  }

  get poison(): unknown {
    return this.queue.poison;
  }

  /** Throws `STORE_POISONED` after a write of unknown outcome. */
  check(): void {
    this.queue.check();
  }

  /** Resolves when the job is durable. */
  submit(job: CommitJob<RocksBatch>): Promise<void> {
    return this.queue.submit(job);
  }

  /** Writes a batch that becomes durable with the next synced one. What fails has an unknown outcome. */
  writeUnsynced(batch: RocksBatch, bytes: number, what: string): void {
    this.check();
    this.#options.witnesses.mark(batch, this.queue.sequence, bytes + overheadBytes);
    this.#write(batch, false, what);
    this.#wrote(bytes + overheadBytes);
  }

  /** Deletes ranges that nothing refers to, durably: a range is never deleted without a synced batch behind it. */
  sweep(ranges: readonly KeyRange[]): void {
    this.check();
    const batch = this.rocks.batch();
    batch.put(sweptKey, seal(sweptKey, ++this.#sweeps));
    try {
      for (const range of ranges) this.rocks.deleteRange(range);
    } catch (error) {
      this.queue.poisonWith(error);
      throw unknownOutcome(error, `deleting a range of ${this.rocks.path}`);
    }
    this.#write(batch, this.#sync, `deleting a range of ${this.rocks.path}`);
  }

  /** Before a write that goes past the queue: resolves when compaction has kept up, or after `maxDelayMs`. */
  room(): Promise<void> {
    const delay = this.#throttle.delayMs();
    if (delay === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#options.env.setTimer(delay, resolve);
    });
  }

  #wrote(bytes: number): void {
    this.writtenBytes += bytes;
    this.#options.wrote(bytes);
    this.#throttle.wrote(bytes);
  }

  /** Filling the batch is refused when it fails; writing it has an unknown outcome. */
  #commit(works: readonly PreparedJob<RocksBatch>[], sequence: number, bytes: number): void {
    const before = this.#options.env.now();
    const batch = this.#batch;
    try {
      for (const work of works) work.run(batch);
      this.#options.witnesses.mark(batch, sequence, bytes + overheadBytes * works.length);
    } catch (error) {
      this.#batch = this.rocks.batch();
      throw refused(error, `prepare a batch for ${this.rocks.path}`);
    }
    this.#write(batch, this.#sync, `a write to ${this.rocks.path}`);
    this.lastSyncMs = this.#options.env.now() - before;
    // A batch keeps the memory of its largest content.
    if (bytes > bytesPerTurn) this.#batch = this.rocks.batch();
    else batch.clear();
  }

  #write(batch: RocksBatch, sync: boolean, what: string): void {
    try {
      batch.write({ sync });
    } catch (error) {
      this.queue.poisonWith(error);
      throw unknownOutcome(error, what);
    }
  }
}
