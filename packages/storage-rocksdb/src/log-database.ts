/**
 * The one writer of the database, and the queue of what is to be written.
 *
 * What different groups want to write in one turn of the event loop becomes one batch and one sync. A
 * job is prepared (validated) first and can be refused alone; once all are validated, only the disk can
 * fail, and then it fails for all.
 *
 * A batch is written on this thread: it blocks for as long as the disk takes. A turn therefore takes
 * jobs of `bytesPerTurn` together, and more only when a single one is larger.
 */
import type { Durability, Env } from '@balsa/raft-core';
import type { Watermark } from '@balsa/storage-kit';
import type { RocksBatch, Rocks, KeyRange } from './binding.ts';
import { poisoned, refused, unknownOutcome } from './errors.ts';
import { metaKey } from './keys.ts';
import { seal } from './records.ts';
import { Throttle } from './throttle.ts';
import type { Witnesses } from './witnesses.ts';

/** A job that was found to be allowed. */
export interface PreparedJob {
  /** Puts its changes into the batch. What it throws refuses all jobs of the batch. */
  run(batch: RocksBatch): void;
  /** Runs once the batch is durable. Must not throw. */
  done(): void;
  /** Whether the watermark has to be durable, too, before the job counts. */
  readonly syncWatermark: boolean;
}

export interface Job {
  /** At most one job of an owner goes into a batch, so that each is prepared on what the one before left. */
  readonly owner: object;
  /** About how much it writes. */
  readonly bytes: number;
  /** Throws the refusal; undefined when there is nothing to do. */
  prepare(): PreparedJob | undefined;
}

interface QueuedJob {
  readonly job: Job;
  resolve(): void;
  reject(error: unknown): void;
}

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

const maxJobsPerBatch = 256;
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
  #queue: QueuedJob[] = [];
  #scheduled = false;
  #sequence: number;
  #sweeps = 0;
  #poison: unknown;
  #idle: (() => void)[] = [];
  #settling = 0;
  lastSyncMs = 0;
  /** Since it was opened, about. */
  writtenBytes = 0;

  constructor(rocks: Rocks, watermark: Watermark, options: LogDatabaseOptions) {
    this.rocks = rocks;
    this.watermark = watermark;
    this.#options = options;
    this.#sync = options.durability === 'strict';
    this.#sequence = options.sequence;
    this.#batch = rocks.batch();
    this.#throttle = new Throttle(rocks, () => options.env.now(), options.maxDebtBytes);
  }

  get poison(): unknown {
    return this.#poison;
  }

  /** Throws `STORE_POISONED` after a write of unknown outcome. */
  check(): void {
    if (this.#poison !== undefined) throw poisoned(this.#poison);
  }

  /** Resolves when the job is durable. */
  submit(job: Job): Promise<void> {
    if (this.#poison !== undefined) return Promise.reject(poisoned(this.#poison));
    return new Promise((resolve, reject) => {
      this.#queue.push({ job, resolve, reject });
      this.#schedule();
    });
  }

  /** Writes a batch that becomes durable with the next synced one. What fails has an unknown outcome. */
  writeUnsynced(batch: RocksBatch, bytes: number, what: string): void {
    this.check();
    this.#options.witnesses.mark(batch, this.#sequence, bytes + overheadBytes);
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
      this.#poison ??= error;
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

  /** Resolves when nothing is queued or settling. */
  async drained(): Promise<void> {
    while (this.#queue.length > 0 || this.#settling > 0) {
      await new Promise<void>((resolve) => this.#idle.push(resolve));
    }
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    // After the present turn: messages that this turn sends are on their way before the sync blocks.
    this.#options.env.setTimer(this.#throttle.delayMs(), () => {
      this.#scheduled = false;
      this.#flush();
      if (this.#queue.length > 0) this.#schedule();
    });
  }

  #flush(): void {
    const { taken, bytes } = this.#take();
    this.#settling += taken.length;
    if (this.#poison !== undefined) {
      for (const one of taken) this.#settle(one, poisoned(this.#poison));
      return;
    }
    const prepared: { readonly one: QueuedJob; readonly work: PreparedJob }[] = [];
    for (const one of taken) {
      try {
        const work = one.job.prepare();
        if (work === undefined) this.#settle(one);
        else prepared.push({ one, work });
      } catch (error) {
        this.#settle(one, refused(error, 'prepare a write'));
      }
    }
    if (prepared.length === 0) return;
    const works = prepared.map(({ work }) => work);
    const sequence = this.#sequence + 1;
    try {
      this.#commit(works, sequence, bytes);
    } catch (error) {
      for (const { one } of prepared) this.#settle(one, error);
      return;
    }
    this.#sequence = sequence;
    for (const work of works) work.done();
    const sync = works.some((work) => work.syncWatermark);
    this.#acknowledge(
      prepared.map(({ one }) => one),
      sequence,
      sync,
    );
    this.#wrote(bytes + overheadBytes);
  }

  #wrote(bytes: number): void {
    this.writtenBytes += bytes;
    this.#options.wrote(bytes);
    this.#throttle.wrote(bytes);
  }

  /** Filling the batch is refused when it fails; writing it has an unknown outcome. */
  #commit(works: readonly PreparedJob[], sequence: number, bytes: number): void {
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
      this.#poison ??= error;
      throw unknownOutcome(error, what);
    }
  }

  #take(): { readonly taken: readonly QueuedJob[]; readonly bytes: number } {
    const owners = new Set<object>();
    const taken: QueuedJob[] = [];
    const left: QueuedJob[] = [];
    let bytes = 0;
    for (const one of this.#queue) {
      const { owner, bytes: more } = one.job;
      const full = taken.length >= maxJobsPerBatch || (taken.length > 0 && bytes + more > bytesPerTurn);
      if (full || owners.has(owner)) {
        left.push(one);
        // A job of an owner waits for every one before it.
        owners.add(owner);
        continue;
      }
      owners.add(owner);
      taken.push(one);
      bytes += more;
    }
    this.#queue = left;
    return { taken, bytes };
  }

  #acknowledge(jobs: readonly QueuedJob[], sequence: number, sync: boolean): void {
    const pending = this.watermark.advance(sequence, sync);
    if (pending === undefined) {
      for (const one of jobs) this.#settle(one);
      return;
    }
    pending.then(
      () => {
        for (const one of jobs) this.#settle(one);
      },
      (error: unknown) => {
        this.#poison ??= error;
        for (const one of jobs) this.#settle(one, error);
      },
    );
  }

  #settle(one: QueuedJob, error?: unknown): void {
    if (error === undefined) one.resolve();
    else one.reject(error);
    this.#settling--;
    if (this.#settling > 0 || this.#queue.length > 0) return;
    const idle = this.#idle;
    this.#idle = [];
    for (const resolve of idle) resolve();
  }
}
