/**
 * Threads whose engine was closed, kept for the next one: to start a thread and to load an adapter into it costs a
 * hundred milliseconds of processor time, and a store that is closed is often opened again.
 */
import type { Timer } from '@balsa/raft-core';

/** What can be kept. */
export interface Keepable {
  readonly isDead: boolean;
  end(): Promise<void>;
}

export interface IdleThreadsOptions {
  /** Threads kept at once; beyond it the one that has been idle longest is ended. */
  readonly max: number;
  /** Milliseconds after which an idle thread is ended. */
  readonly ms: number;
  /** Must not keep the process alive. */
  readonly setTimer: (ms: number, callback: () => void) => Timer;
}

interface Kept<T> {
  readonly key: string;
  readonly thread: T;
  readonly timer: Timer;
}

export class IdleThreads<T extends Keepable> {
  readonly #options: IdleThreadsOptions;
  /** Longest idle first. */
  #kept: Kept<T>[] = [];

  constructor(options: IdleThreadsOptions) {
    this.#options = options;
  }

  /** A living thread that was given under this key, the newest first. It is the caller's from then on. */
  take(key: string): T | undefined {
    const found = this.#kept.findLast((kept) => kept.key === key && !kept.thread.isDead);
    if (found === undefined) return undefined;
    this.#remove(found);
    return found.thread;
  }

  /** A thread that serves nobody. It must not keep the process alive. */
  give(key: string, thread: T): void {
    const timer = this.#options.setTimer(this.#options.ms, () => this.#end(kept));
    const kept: Kept<T> = { key, thread, timer };
    this.#kept.push(kept);
    const [oldest] = this.#kept;
    if (this.#kept.length > this.#options.max && oldest !== undefined) this.#end(oldest);
  }

  #end(kept: Kept<T>): void {
    this.#remove(kept);
    void kept.thread.end();
  }

  #remove(kept: Kept<T>): void {
    kept.timer.cancel();
    this.#kept = this.#kept.filter((one) => one !== kept);
  }
}
