/** The life of a Storage or an OrderedStore, the same in every adapter. */
import { BalsaError } from '@balsa/raft-core';

/** As an asynchronous function fails. */
export async function rejected(error: unknown): Promise<never> {
  throw error;
}

/**
 * Opened once, one write at a time, closed once, and closed only when its calls have settled.
 *
 * An adapter keeps one for each Storage and each OrderedStore. Not safe to share between threads.
 */
export class Lifecycle {
  /** How messages name it, `group "orders"` for example. */
  readonly what: string;
  readonly #check: () => void;
  readonly #pending = new Set<Promise<unknown>>();
  #opened = false;
  #writing = false;
  /** What the caller of the write under way was given. */
  #write: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  /** `check` throws when the engine behind it is closed, poisoned or owned by another. */
  constructor(what: string, check: () => void) {
    this.what = what;
    this.#check = check;
  }

  /** Whether `close` was called. */
  get isClosing(): boolean {
    return this.#closing !== undefined;
  }

  /** `STORE_CLOSED` once `close` was called, and whatever the engine's own check throws. */
  assertAlive(): void {
    if (this.#closing !== undefined) throw new BalsaError('STORE_CLOSED', `${this.what} is closed`);
    this.#check();
  }

  /** `value`, or `STORE_NOT_OPEN` while there is none. Alive as `assertAlive` has it. */
  assertOpen<T>(value: T | undefined): T {
    this.assertAlive();
    if (value === undefined) throw new BalsaError('STORE_NOT_OPEN', `${this.what} is not open yet`);
    return value;
  }

  /** `INVALID_ARGUMENT` for a second opening. One that failed may be tried again. */
  async openOnce<T>(run: () => Promise<T>): Promise<T> {
    this.assertAlive();
    if (this.#opened) throw new BalsaError('INVALID_ARGUMENT', `${this.what} is opened once`);
    this.#opened = true;
    try {
      return await this.track(run);
    } catch (error) {
      this.#opened = false;
      throw error;
    }
  }

  /**
   * `STORE_WRITE_IN_FLIGHT` while the write before it has not settled. `run` starts in this turn; what it throws is a
   * rejection, too. `wrote` runs when it has fulfilled, before the caller learns of it. One step of promises, no more,
   * lies between `run` and the caller: behind a sync, each takes long.
   */
  writeAlone(run: () => Promise<void>, wrote?: () => void): Promise<void> {
    if (this.#writing) {
      return rejected(new BalsaError('STORE_WRITE_IN_FLIGHT', `a write of ${this.what} has not settled yet`));
    }
    this.#writing = true;
    try {
      this.#write = run().then(
        () => {
          this.#ended();
          wrote?.();
        },
        (error: unknown) => {
          this.#ended();
          throw error;
        },
      );
      return this.#write;
    } catch (error) {
      this.#ended();
      return rejected(error);
    }
  }

  /** `close` waits for what goes through here. */
  track<T>(run: () => Promise<T>): Promise<T> {
    const work = run();
    this.#pending.add(work);
    const forget = (): boolean => this.#pending.delete(work);
    work.then(forget, forget);
    return work;
  }

  /** Resolves when no tracked call and no write is under way. */
  async settled(): Promise<void> {
    while (this.#pending.size > 0 || this.#write !== undefined) {
      await Promise.allSettled([...this.#pending, this.#write]);
    }
  }

  #ended(): void {
    this.#writing = false;
    this.#write = undefined;
  }

  /** Idempotent: the first call runs `run`, every call gives its outcome. */
  close(run: () => Promise<void>): Promise<void> {
    this.#closing ??= run();
    return this.#closing;
  }
}
