/** Engines for a worker thread: the memory engine, and one that fails in chosen ways. */
import { BroadcastChannel, threadId } from 'node:worker_threads';
import { BalsaError, LogLevel } from '@balsa/raft-core';
import { openMemoryEngine } from '@balsa/raft-core/memory';

export async function openMemory({ maxEntryBytes }) {
  return openMemoryEngine(maxEntryBytes === undefined ? {} : { maxEntryBytes });
}

export async function openRefused({ env }) {
  env.log.log(LogLevel.Warn, 'about to refuse');
  throw new BalsaError('STORE_LOCKED', 'held by another', { details: { path: '/data' } });
}

export async function openDying() {
  throw process.exit(3);
}

const never = new Promise(() => undefined);

/** What `destroyGroup(name)` does. */
const tricks = {
  exit: () => process.exit(7),
  'die later': () => {
    process.nextTick(() => {
      throw new Error('nobody caught this');
    });
    return never;
  },
  'fail with causes': async () => {
    const sqlite = Object.assign(new Error('disk I/O error'), { code: 'SQLITE_IOERR', errno: 10 });
    throw new BalsaError('STORE_UNKNOWN_OUTCOME', 'a commit failed', {
      cause: new AggregateError(
        [sqlite, new BalsaError('STORE_IO', 'inner', { details: { path: 'x' } })],
        'two',
      ),
      details: { index: 5, error: new BalsaError('STORE_CORRUPT', 'deep'), run: () => undefined },
    });
  },
  'fail foreign': async () => {
    throw new TypeError('not one of ours');
  },
};

export async function openTricky({ env }) {
  const engine = openMemoryEngine();
  env.log.log(LogLevel.Info, 'opened', { error: new BalsaError('STORE_IO', 'a field') });
  const held = [];
  return {
    capabilities: engine.capabilities,
    identity: () => new Promise((resolve) => held.push(resolve)),
    stamp: async () => {
      for (const resolve of held.splice(0)) resolve(undefined);
    },
    group: (id) => engine.group(id),
    orderedStore: (name) => engine.orderedStore(name),
    listGroups: async () => [String(env.random() < 1), String(env.now() >= 0)],
    destroyGroup: async (name) => tricks[name](),
    close: async () => {
      for (const resolve of held.splice(0)) resolve(undefined);
      await engine.close();
    },
  };
}

/** What engines before this one have left behind in the thread. */
let logBefore;

/** `listGroups` says which thread it is in. How it ends is told by the options. */
export async function openEnding({ env, opening, closing }) {
  logBefore?.log(LogLevel.Warn, 'late');
  logBefore = env.log;
  if (opening === 'refuses') throw new BalsaError('STORE_LOCKED', String(threadId));
  if (opening === 'fails') throw new BalsaError('STORE_UNKNOWN_OUTCOME', String(threadId));
  if (opening === 'is foreign') throw new TypeError(String(threadId));
  const engine = openMemoryEngine();
  return {
    capabilities: engine.capabilities,
    listGroups: async () => [String(threadId)],
    close: async () => {
      if (closing === 'fails') throw new BalsaError('STORE_IO', 'the closing failed');
      if (closing === 'throws when told') {
        new BroadcastChannel('behind the end').onmessage = () => {
          throw new Error('behind the end');
        };
      }
    },
  };
}
