/** What the tests share. */
import type { Engine } from '@balsa/raft-core';
import { TestHome, env } from '@balsa/storage-kit/testing';
import { openRocksdbEngine, type RocksdbEngineOptions } from '@balsa/storage-rocksdb';
import { afterEach } from 'vitest';

export { entries, entry, env, key, openGroup } from '@balsa/storage-kit/testing';

const home = new TestHome(afterEach, 'balsa-rocksdb-');

export const { temporaryDirectory } = home;

/** Opens an engine on this thread, which is closed when the test ends, if it is not before. */
export async function openEngine(
  directory: string,
  options: Partial<RocksdbEngineOptions> = {},
): Promise<Engine> {
  return home.closing(await openRocksdbEngine({ directory, env, worker: false, ...options }));
}
