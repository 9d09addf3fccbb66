/** Keeps a row of calls that are each short from standing still together. */
import type { Env } from '@balsa/raft-core';
import { yieldTo } from '@balsa/storage-kit';

/** Synchronous work that may be done before everybody else has a turn, in milliseconds. */
const budgetMs = 4;

/**
 * A promise that settles at once gives nobody a turn: a caller that awaits one such call after another holds the
 * event loop for all of them. What goes through here waits for the next turn when enough was done in this one.
 */
export class Turns {
  readonly #env: Env;
  #busyMs = 0;
  #next: Promise<void> | undefined;

  constructor(env: Env) {
    this.#env = env;
  }

  /** Runs `work` in this turn or a later one. What it relies on is to be checked inside. */
  async run<T>(work: () => T): Promise<T> {
    while (this.#busyMs >= budgetMs) {
      this.#next ??= this.#turn();
      await this.#next;
    }
    const before = this.#env.now();
    try {
      return work();
    } finally {
      this.#busyMs += this.#env.now() - before;
    }
  }

  async #turn(): Promise<void> {
    await yieldTo(this.#env);
    this.#busyMs = 0;
    this.#next = undefined;
  }
}
