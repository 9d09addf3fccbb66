/** What the tests share: a real Env, directories that go away, entries. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Entry, EntryType, silentLogger, type Engine, type Env, type Storage } from '@balsa/raft-core';
import { openRocksdbEngine, type RocksdbEngineOptions } from '@balsa/storage-rocksdb';
import { afterEach } from 'vitest';

export const env: Env = {
  now: () => performance.now(),
  setTimer: (ms, callback) => {
    if (ms === 0) {
      const immediate = setImmediate(callback);
      return {
        cancel: () => {
          clearImmediate(immediate);
        },
      };
    }
    const timeout = setTimeout(callback, ms);
    return {
      cancel: () => {
        clearTimeout(timeout);
      },
    };
  },
  random: Math.random,
  log: silentLogger,
};

const cleanups: (() => void | Promise<void>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'balsa-rocksdb-'));
  cleanups.push(() => {
    rmSync(directory, { recursive: true, force: true });
  });
  return directory;
}

/** Opens an engine on this thread, which is closed when the test ends, if it is not before. */
export async function openEngine(
  directory: string,
  options: Partial<RocksdbEngineOptions> = {},
): Promise<Engine> {
  const engine = await openRocksdbEngine({ directory, env, worker: false, ...options });
  cleanups.push(() => engine.close().catch(() => undefined));
  return engine;
}

export async function openGroup(engine: Engine, id = 'g'): Promise<Storage> {
  const storage = engine.group(id);
  await storage.open();
  return storage;
}

export function entry(
  index: number,
  term: number,
  data: string | Uint8Array = `data-${String(index)}`,
): Entry {
  return new Entry(
    term,
    index,
    EntryType.Normal,
    typeof data === 'string' ? new TextEncoder().encode(data) : data,
  );
}

export function entries(first: number, count: number, term = 1, data?: Uint8Array): Entry[] {
  return Array.from({ length: count }, (_, i) => entry(first + i, term, data));
}

export const key = (text: string): Uint8Array => new TextEncoder().encode(text);
