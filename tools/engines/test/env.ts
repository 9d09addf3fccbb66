/** The machine's own time and chance, for tests. */
import { silentLogger, type Env } from '@balsa/raft-core';

export const env: Env = {
  now: () => performance.now(),
  random: () => Math.random(),
  setTimer: (ms, callback) => {
    const timer = setTimeout(callback, ms);
    return { cancel: () => clearTimeout(timer) };
  },
  log: silentLogger,
};
