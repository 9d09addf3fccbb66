/**
 * The log: a queue of what is to be written, and the one who writes it.
 *
 * What different groups want to write in one turn of the event loop becomes one frame and one sync, and
 * so does what comes while a sync is under way. A job is prepared (validated) first and can be refused
 * alone; once all are validated only the disk can fail, and then it fails for all.
 */
import type { Durability, Env } from '@balsa/raft-core';
import type { Watermark } from '@balsa/storage-kit';
import { Builder } from './bytes.ts';
import { poisoned, refused, unknownOutcome } from './errors.ts';
import type { Fence } from './owner.ts';
import type { Segments } from './segments.ts';

/** A job that was found to be allowed. */
export interface PreparedJob {
  /** Adds its records to the frame. */
  encode(body: Builder): void;
  /** Runs once the frame is durable, whose body lies at `offset` of `segment`. Must not throw. */
  done(segment: number, offset: number): void;
  /** Whether the watermark has to be durable, too, before the job counts. */
  readonly syncWatermark: boolean;
}

export interface Job {
  /** At most one job of an owner goes into a frame, so that each is prepared on what the one before left. */
  readonly owner: object;
  /** Throws the refusal; undefined when there is nothing to do. */
  prepare(): PreparedJob | undefined;
}

interface QueuedJob {
  readonly job: Job;
  /** Begin a new segment first. */
  readonly rotate: boolean;
  resolve(): void;
  reject(error: unknown): void;
}

export interface LogWriterOptions {
  readonly env: Env;
  readonly durability: Durability;
  readonly segmentBytes: number;
  readonly segments: Segments;
  readonly fence: Fence;
  readonly watermark: Watermark;
  /** What a new segment begins with. */
  readonly state: () => Uint8Array;
}

const maxJobsPerFrame = 256;

export class LogWriter {
  readonly #options: LogWriterOptions;
  #queue: QueuedJob[] = [];
  #scheduled = false;
  #flushing = false;
  #sequence: number;
  #poison: unknown;
  #idle: (() => void)[] = [];
  lastSyncMs = 0;

  constructor(options: LogWriterOptions, sequence: number) {
    this.#options = options;
    this.#sequence = sequence;
  }

  get poison(): unknown {
    return this.#poison;
  }

  /** Throws `STORE_POISONED` after a write of unknown outcome. */
  check(): void {
    if (this.#poison !== undefined) throw poisoned(this.#poison);
  }

  /** `STORE_FENCED` when another engine has taken the directory over. */
  async assertOwner(): Promise<void> {
    await this.#options.fence.check();
  }

  /** Resolves when the job is durable. */
  submit(job: Job): Promise<void> {
    return this.#enqueue(job, false);
  }

  /** Begins a new segment, after what is queued. */
  rotate(): Promise<void> {
    return this.#enqueue({ owner: {}, prepare: () => undefined }, true);
  }

  /** Resolves when nothing is queued or under way. */
  async drained(): Promise<void> {
    while (this.#queue.length > 0 || this.#flushing) {
      await new Promise<void>((resolve) => this.#idle.push(resolve));
    }
  }

  #enqueue(job: Job, rotate: boolean): Promise<void> {
    if (this.#poison !== undefined) return Promise.reject(poisoned(this.#poison));
    return new Promise((resolve, reject) => {
      this.#queue.push({ job, rotate, resolve, reject });
      this.#schedule();
    });
  }

  #schedule(): void {
    if (this.#scheduled || this.#flushing) return;
    this.#scheduled = true;
    // After the present turn: whatever else it wants to write goes into the same frame.
    this.#options.env.setTimer(0, () => {
      this.#scheduled = false;
      this.#flushing = true;
      void this.#flush(this.#take()).then(() => {
        this.#flushing = false;
        if (this.#queue.length > 0) this.#schedule();
        for (const resolve of this.#idle.splice(0)) resolve();
      });
    });
  }

  /** Never rejects: what fails is told to those whose jobs it was. */
  async #flush(taken: readonly QueuedJob[]): Promise<void> {
    let waiting = taken;
    try {
      this.check();
      const { segments, segmentBytes } = this.#options;
      const full = segments.active.end.offset >= segmentBytes;
      if (full || taken.some((one) => one.rotate)) await this.#rotate();
      const prepared = this.#prepare(taken);
      waiting = prepared.map(({ one }) => one);
      if (prepared.length > 0) await this.#write(prepared.map(({ work }) => work));
      for (const one of waiting) one.resolve();
    } catch (error) {
      const failure = refused(error, 'write to the log');
      for (const one of waiting) one.reject(failure);
    }
  }

  #prepare(taken: readonly QueuedJob[]): { readonly one: QueuedJob; readonly work: PreparedJob }[] {
    const prepared: { readonly one: QueuedJob; readonly work: PreparedJob }[] = [];
    for (const one of taken) {
      try {
        const work = one.job.prepare();
        if (work === undefined) one.resolve();
        else prepared.push({ one, work });
      } catch (error) {
        one.reject(refused(error, 'prepare a write'));
      }
    }
    return prepared;
  }

  async #write(works: readonly PreparedJob[]): Promise<void> {
    const { segments, fence, watermark, durability, env } = this.#options;
    const body = new Builder(4096);
    for (const work of works) work.encode(body);
    await fence.check();
    const sequence = this.#sequence + 1;
    const offset = await this.#append(body.finish(), sequence);
    const before = env.now();
    try {
      if (durability === 'strict') await segments.active.handle.dataSync();
      // Whoever took over in between read this file before or after the sync: only the second sees the write.
      await fence.check();
      this.lastSyncMs = env.now() - before;
      this.#sequence = sequence;
      await watermark.advance(
        sequence,
        works.some((work) => work.syncWatermark),
      );
    } catch (error) {
      this.#poison ??= error;
      throw unknownOutcome(error, 'a sync of the log');
    }
    for (const work of works) work.done(segments.active.number, offset);
  }

  /** A write that did not come whole is taken back: the store stays usable on a full disk. */
  async #append(body: Uint8Array, sequence: number): Promise<number> {
    const { active } = this.#options.segments;
    try {
      return await active.append(body, sequence);
    } catch (error) {
      try {
        await active.undo();
      } catch (second) {
        this.#poison ??= new AggregateError([error, second], 'a write failed, and so did taking it back');
        throw unknownOutcome(error, 'a write to the log');
      }
      throw error;
    }
  }

  async #rotate(): Promise<void> {
    const { segments, state, durability, fence } = this.#options;
    const { active } = segments;
    await fence.check();
    if (durability === 'relaxed') await active.handle.dataSync();
    await segments.begin(active.number + 1, active.end, state(), (error) => {
      this.#poison ??= error;
    });
  }

  #take(): QueuedJob[] {
    const owners = new Set<object>();
    const taken: QueuedJob[] = [];
    const left: QueuedJob[] = [];
    for (const one of this.#queue) {
      if (owners.has(one.job.owner) || taken.length >= maxJobsPerFrame) {
        left.push(one);
      } else {
        owners.add(one.job.owner);
        taken.push(one);
      }
    }
    this.#queue = left;
    return taken;
  }
}
