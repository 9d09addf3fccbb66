/** The life of a Storage or an OrderedStore, the same in every adapter. */
import { BalsaError } from '@balsa/raft-core';

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

  /** `STORE_WRITE_IN_FLIGHT` while the write before it has not settled. `run` starts in this turn. */
  async writeAlone(run: () => Promise<void>): Promise<void> {
    if (this.#writing) {
      throw new BalsaError('STORE_WRITE_IN_FLIGHT', `a write of ${this.what} has not settled yet`);
    }
    this.#writing = true;
    try {
      await this.track(run);
    } finally {
      this.#writing = false;
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

  /** Resolves when no tracked call is under way. */
  async settled(): Promise<void> {
    while (this.#pending.size > 0) await Promise.allSettled(this.#pending);
  }

  /** Idempotent: the first call runs `run`, every call gives its outcome. */
  close(run: () => Promise<void>): Promise<void> {
    this.#closing ??= run();
    return this.#closing;
  }
}
