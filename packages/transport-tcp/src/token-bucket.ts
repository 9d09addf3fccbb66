/** Limits a rate, on average, without ever refusing: who takes too much waits until it is paid off. */
import type { Env } from '@balsa/raft-core';

export class TokenBucket {
  readonly #env: Env;
  readonly #perMs: number;
  readonly #burst: number;
  #tokens: number;
  #filledAt: number;

  /** Up to a tenth of a second's worth may be taken at once after a rest. */
  constructor(env: Env, perSecond: number) {
    this.#env = env;
    this.#perMs = perSecond / 1000;
    this.#burst = perSecond / 10;
    this.#tokens = this.#burst;
    this.#filledAt = env.now();
  }

  /** Takes `count` now; returns how long to wait before going on, in milliseconds. */
  take(count: number): number {
    const now = this.#env.now();
    this.#tokens = Math.min(this.#burst, this.#tokens + (now - this.#filledAt) * this.#perMs);
    this.#filledAt = now;
    this.#tokens -= count;
    return this.#tokens >= 0 ? 0 : -this.#tokens / this.#perMs;
  }
}
