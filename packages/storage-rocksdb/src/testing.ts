/**
 * For tests that break the store on purpose: an engine whose database is somebody's own.
 * @packageDocumentation
 */
import type { Engine } from '@balsa/raft-core';
import { Rocks, type OpenRocks } from './binding.ts';
import { openInThread } from './engine.ts';
import { settle, type RocksdbEngineOptions } from './options.ts';

export { indexOf, logKey, numberOf } from './keys.ts';
export { Rocks, RocksBatch, RocksIterator, type KeyRange, type Row } from './binding.ts';

/** An engine on this thread. `change` gives what stands in for the database; it sees every call. */
export function openChangedEngine(
  options: Omit<RocksdbEngineOptions, 'worker'>,
  change: (rocks: Rocks) => Rocks,
): Promise<Engine> {
  const open: OpenRocks = async (path, rocksOptions) => change(await Rocks.open(path, rocksOptions));
  return openInThread(settle(options), open);
}
