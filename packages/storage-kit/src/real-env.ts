/** The one place of this package that reads a clock, sets timers and rolls dice: for an engine in a worker, and for tests. */
import { randomFillSync } from 'node:crypto';
import type { Env, Logger, Timer } from '@balsa/raft-core';

/** Monotonic clock, real timers, randomness of cryptographic quality. */
export function realEnv(log: Logger): Env {
  const words = new Uint32Array(2);
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
    random: () => {
      randomFillSync(words);
      // 53 bits, as many as a double below 1 can tell apart.
      return ((words[0] ?? 0) * 0x20_0000 + ((words[1] ?? 0) >>> 11)) / 2 ** 53;
    },
    log,
  };
}

/** Calls back once, after `ms`; the process does not stay alive for it. */
export function unheededTimer(ms: number, callback: () => void): Timer {
  const timer = setTimeout(callback, ms);
  timer.unref();
  return { cancel: () => clearTimeout(timer) };
}
