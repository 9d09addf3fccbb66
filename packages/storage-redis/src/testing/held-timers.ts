/** Timers of one length that go when they are told to: nothing is given up because the machine is slow. */
import type { Env } from '@balsa/raft-core';

export class HeldTimers {
  /** The given one, but for timers of `ms`. */
  readonly env: Env;
  readonly #held = new Set<() => void>();
  #hurrying = false;

  constructor(env: Env, ms: number) {
    this.env = {
      now: () => env.now(),
      random: () => env.random(),
      log: env.log,
      setTimer: (after, callback) => {
        if (after !== ms) return env.setTimer(after, callback);
        if (this.#hurrying) return env.setTimer(0, callback);
        this.#held.add(callback);
        return { cancel: () => this.#held.delete(callback) };
      },
    };
  }

  /** Those that are set go now. */
  fire(): void {
    const held = [...this.#held];
    this.#held.clear();
    for (const callback of held) callback();
  }

  /** Those that are set go now, and those that come at once, until `hold`. */
  hurry(): void {
    this.#hurrying = true;
    this.fire();
  }

  hold(): void {
    this.#hurrying = false;
  }
}
