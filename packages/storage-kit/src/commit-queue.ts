/**
 * The queue of what is to be written to a database that commits one transaction after the other.
 *
 * What different groups want to write in one turn of the event loop becomes one commit and one sync. A
 * job is prepared (validated) first and can be refused alone; once all are validated, only the disk can
 * fail, and then it fails for all.
 *
 * Each commit carries the next write sequence and moves the watermark. A write of unknown outcome, of the
 * database or of the watermark, poisons the queue: nothing is taken from then on.
 */
import type { BalsaError, Env } from '@balsa/raft-core';
import { poisoned } from './store-errors.ts';
import type { Watermark } from './watermark.ts';

/** A job that was found to be allowed. */
export interface PreparedJob<Target> {
  /** Adds its changes to the commit under way. What it throws refuses all jobs of that commit. */
  run(target: Target): void;
  /** Runs once the commit is durable. Must not throw. */
  done(): void;
  /** Whether the watermark has to be durable, too, before the job counts. */
  readonly syncWatermark: boolean;
}

export interface CommitJob<Target> {
  /** At most one job of an owner goes into a commit, so that each is prepared on what the one before left. */
  readonly owner: object;
  /** About how many bytes it writes. */
  readonly bytes: number;
  /** Throws the refusal; undefined when there is nothing to do. */
  prepare(): PreparedJob<Target> | undefined;
}

export interface CommitQueueOptions<Target> {
  readonly env: Env;
  readonly watermark: Watermark;
  /** The last write sequence that is taken. */
  readonly sequence: number;
  /**
   * Runs the works in their order and commits them as one, durably, with the sequence. What it throws is
   * told to all of them; where the outcome is unknown it calls `poisonWith` before it throws. A promise, where the
   * sync takes place elsewhere: nothing else is prepared or committed until it settles, and a rejection is as a throw.
   */
  readonly commit: (
    works: readonly PreparedJob<Target>[],
    sequence: number,
    bytes: number,
  ) => Promise<void> | undefined;
  /** Runs after each commit whose jobs are on their way to being told. Must not throw. */
  readonly committed?: (bytes: number) => void;
  /** How long the next commit is held back, in milliseconds. Default 0: until the next turn. */
  readonly delayMs?: () => number;
  /** An error of `prepare` as a refusal with a code. */
  readonly refused: (error: unknown, what: string) => BalsaError;
  /** Jobs in one commit at most. Default 256. */
  readonly maxJobs?: number;
  /** Bytes that one commit takes together; a single job may be larger. Default: no bound. */
  readonly maxBytes?: number;
}

interface QueuedJob<Target> {
  readonly job: CommitJob<Target>;
  resolve(): void;
  reject(error: unknown): void;
}

interface Ready<Target> {
  readonly jobs: readonly QueuedJob<Target>[];
  readonly works: readonly PreparedJob<Target>[];
}

export class CommitQueue<Target> {
  readonly #options: CommitQueueOptions<Target>;
  #queue: QueuedJob<Target>[] = [];
  #scheduled = false;
  #sequence: number;
  #poison: unknown;
  #idle: (() => void)[] = [];
  /** Jobs that were taken and not told yet. */
  #settling = 0;
  /** A commit that is not known to be durable yet, or a pause. Never rejects. */
  #committing: Promise<void> | undefined;

  constructor(options: CommitQueueOptions<Target>) {
    this.#options = options;
    this.#sequence = options.sequence;
  }

  /** What made an outcome unknown, or undefined. */
  get poison(): unknown {
    return this.#poison;
  }

  /** The last write sequence that was committed. */
  get sequence(): number {
    return this.#sequence;
  }

  /**
   * A commit under way whose works have run and are not done: what they have changed can be read from the database,
   * and is not the present yet. Resolves when it is, or failed. Or a pause, and its end.
   */
  get committing(): Promise<void> | undefined {
    return this.#committing;
  }

  /** The first cause stays. */
  poisonWith(cause: unknown): void {
    this.#poison ??= cause;
  }

  /** Throws `STORE_POISONED` after a write of unknown outcome. */
  check(): void {
    if (this.#poison !== undefined) throw poisoned(this.#poison);
  }

  /** Resolves when the job is durable. Commits in a later turn of the event loop, in the order of the calls. */
  submit(job: CommitJob<Target>): Promise<void> {
    if (this.#poison !== undefined) return Promise.reject(poisoned(this.#poison));
    return new Promise((resolve, reject) => {
      this.#queue.push({ job, resolve, reject });
      this.#schedule();
    });
  }

  /**
   * Runs `work` once no commit is under way, and begins none before it has settled; what is submitted meanwhile waits.
   * Settles as it does.
   */
  async pause(work: () => Promise<void>): Promise<void> {
    while (this.#committing !== undefined) await this.#committing;
    const running = work();
    const resume = (): void => {
      this.#committing = undefined;
      if (this.#queue.length > 0) this.#schedule();
    };
    this.#committing = running.then(resume, resume);
    await running;
  }

  /** Resolves when nothing is queued or settling. */
  async drained(): Promise<void> {
    while (this.#queue.length > 0 || this.#settling > 0) {
      await new Promise<void>((resolve) => this.#idle.push(resolve));
    }
  }

  #schedule(): void {
    if (this.#scheduled || this.#committing !== undefined) return;
    this.#scheduled = true;
    // After the present turn: messages that this turn sends are on their way before the sync blocks.
    this.#options.env.setTimer(this.#options.delayMs?.() ?? 0, this.#onTurn);
  }

  readonly #onTurn = (): void => {
    this.#scheduled = false;
    // A pause has begun since, whose end schedules anew.
    if (this.#committing !== undefined) return;
    this.#flush();
    if (this.#queue.length > 0) this.#schedule();
  };

  #flush(): void {
    const { taken, bytes } = this.#take();
    this.#settling += taken.length;
    if (this.#poison !== undefined) {
      for (const one of taken) this.#settle(one, poisoned(this.#poison));
      return;
    }
    const { jobs, works } = this.#prepare(taken);
    if (jobs.length === 0) return;
    const sequence = this.#sequence + 1;
    let pending: Promise<void> | undefined;
    try {
      pending = this.#options.commit(works, sequence, bytes);
    } catch (error) {
      for (const one of jobs) this.#settle(one, error);
      return;
    }
    if (pending === undefined) {
      this.#committed({ jobs, works }, sequence, bytes);
      return;
    }
    this.#committing = this.#await(pending, { jobs, works }, sequence, bytes);
  }

  async #await(pending: Promise<void>, ready: Ready<Target>, sequence: number, bytes: number): Promise<void> {
    try {
      await pending;
    } catch (error) {
      for (const one of ready.jobs) this.#settle(one, error);
      return;
    } finally {
      this.#committing = undefined;
      if (this.#queue.length > 0) this.#schedule();
    }
    this.#committed(ready, sequence, bytes);
  }

  #committed({ jobs, works }: Ready<Target>, sequence: number, bytes: number): void {
    this.#sequence = sequence;
    let sync = false;
    for (const work of works) {
      work.done();
      sync ||= work.syncWatermark;
    }
    this.#acknowledge(jobs, sequence, sync);
    this.#options.committed?.(bytes);
  }

  #prepare(taken: readonly QueuedJob<Target>[]): Ready<Target> {
    const jobs: QueuedJob<Target>[] = [];
    const works: PreparedJob<Target>[] = [];
    for (const one of taken) {
      try {
        const work = one.job.prepare();
        if (work === undefined) {
          this.#settle(one);
        } else {
          jobs.push(one);
          works.push(work);
        }
      } catch (error) {
        this.#settle(one, this.#options.refused(error, 'prepare a write'));
      }
    }
    return { jobs, works };
  }

  #take(): { readonly taken: readonly QueuedJob<Target>[]; readonly bytes: number } {
    const [only] = this.#queue;
    if (this.#queue.length === 1 && only !== undefined) {
      const taken = this.#queue;
      this.#queue = [];
      return { taken, bytes: only.job.bytes };
    }
    const { maxJobs = 256, maxBytes = Infinity } = this.#options;
    const owners = new Set<object>();
    const taken: QueuedJob<Target>[] = [];
    const left: QueuedJob<Target>[] = [];
    let bytes = 0;
    for (const one of this.#queue) {
      const { owner, bytes: more } = one.job;
      const full = taken.length >= maxJobs || (taken.length > 0 && bytes + more > maxBytes);
      // A job of an owner waits for every one before it.
      if (full || owners.has(owner)) {
        left.push(one);
      } else {
        taken.push(one);
        bytes += more;
      }
      owners.add(owner);
    }
    this.#queue = left;
    return { taken, bytes };
  }

  #acknowledge(jobs: readonly QueuedJob<Target>[], sequence: number, sync: boolean): void {
    const pending = this.#options.watermark.advance(sequence, sync);
    if (pending === undefined) {
      for (const one of jobs) this.#settle(one);
    } else {
      this.#acknowledgeAfter(pending, jobs);
    }
  }

  #acknowledgeAfter(pending: Promise<void>, jobs: readonly QueuedJob<Target>[]): void {
    pending.then(
      () => {
        for (const one of jobs) this.#settle(one);
      },
      (error: unknown) => {
        this.poisonWith(error);
        for (const one of jobs) this.#settle(one, error);
      },
    );
  }

  #settle(one: QueuedJob<Target>, error?: unknown): void {
    if (error === undefined) one.resolve();
    else one.reject(error);
    this.#settling--;
    if (this.#idle.length === 0 || this.#settling > 0 || this.#queue.length > 0) return;
    for (const resolve of this.#idle.splice(0)) resolve();
  }
}
