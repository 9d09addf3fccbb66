/** The one place of the test server that waits by the clock. */
import { randomFillSync } from 'node:crypto';
import { silentLogger, type Env, type Timer } from '@balsa/raft-core';

/** Env for what runs beside a real server: monotonic clock, real timers, cryptographic randomness. */
export const realEnv: Env = {
  now: () => performance.now(),
  setTimer: (ms, callback): Timer => {
    if (ms <= 0) {
      const immediate = setImmediate(callback);
      return { cancel: () => clearImmediate(immediate) };
    }
    const timer = setTimeout(callback, ms);
    return { cancel: () => clearTimeout(timer) };
  },
  random: () => (randomFillSync(new Uint32Array(1))[0] ?? 0) / 2 ** 32,
  log: silentLogger,
};

export function delay(ms: number): Promise<void> {
  return new Promise((resolve) => {
    realEnv.setTimer(ms, resolve);
  });
}
