/** The real world for the engines that are measured: clock, timers, chance. */
import { randomFillSync } from 'node:crypto';
import { silentLogger, type Env, type Timer } from '@balsa/raft-core';

export function createBenchEnv(): Env {
  const word = new Uint32Array(1);
  return {
    now: () => performance.now(),
    setTimer: (ms, callback): Timer => {
      if (ms <= 0) {
        const immediate = setImmediate(callback);
        return { cancel: () => clearImmediate(immediate) };
      }
      const timer = setTimeout(callback, ms);
      return { cancel: () => clearTimeout(timer) };
    },
    random: () => (randomFillSync(word)[0] ?? 0) / 2 ** 32,
    log: silentLogger,
  };
}

/** Lets the event loop take a turn. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
