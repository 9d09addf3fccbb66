/** How a child process opens a store: plain JavaScript, on the built packages. */
import { performance } from 'node:perf_hooks';
import { clearImmediate, clearTimeout, setImmediate, setTimeout } from 'node:timers';
import { silentLogger } from '@balsa/raft-core';
import { openRocksdbEngine } from '@balsa/storage-rocksdb';

export const env = {
  now: () => performance.now(),
  setTimer: (ms, callback) => {
    const timer = ms === 0 ? setImmediate(callback) : setTimeout(callback, ms);
    return { cancel: () => (ms === 0 ? clearImmediate(timer) : clearTimeout(timer)) };
  },
  random: Math.random,
  log: silentLogger,
};

/** `pretend` says other capabilities than the store has: how a store that lies is made. */
export async function openStore({ pretend, ...options }) {
  const engine = await openRocksdbEngine({ env, worker: false, ...options });
  if (pretend === undefined) return engine;
  const capabilities = { ...engine.capabilities, ...pretend };
  return new Proxy(engine, {
    get: (target, name) => {
      if (name === 'capabilities') return capabilities;
      const found = Reflect.get(target, name, target);
      return typeof found === 'function' ? found.bind(target) : found;
    },
  });
}
