/** The real world, for a benchmark. */
import { performance } from 'node:perf_hooks';
import { silentLogger } from '@balsa/raft-core';

const { setImmediate, setTimeout, clearImmediate, clearTimeout } = globalThis;

export const env = {
  now: () => performance.now(),
  setTimer: (ms, callback) => {
    const timer = ms <= 0 ? setImmediate(callback) : setTimeout(callback, ms);
    return { cancel: () => (ms <= 0 ? clearImmediate(timer) : clearTimeout(timer)) };
  },
  random: Math.random,
  log: silentLogger,
};
