/** Opening, as a user sees it: without the typings of the binding, of which it has none. */
import type { Engine } from '@balsa/raft-core';
import { checkCommonOptions } from '@balsa/storage-kit';
import { builtModule, openWorkerEngine } from '@balsa/storage-kit/worker';
import { Rocks } from './binding.ts';
import { openInThread } from './engine.ts';
import { settle, type RocksdbEngineOptions } from './options.ts';

/**
 * Opens, or creates, a store in a directory. Rejects with `STORE_LOCKED` (another engine has it),
 * `STORE_FORMAT_VERSION` (something else lives there; it stays untouched), `STORE_CORRUPT`,
 * `STORE_ACKNOWLEDGED_WRITE_LOST` or `STORE_IO`. When it resolves, everything that was found is durable anew.
 */
export async function openRocksdbEngine(options: RocksdbEngineOptions): Promise<Engine> {
  checkCommonOptions(options, 'directory');
  const settings = settle(options);
  if (options.worker ?? true) {
    const module = builtModule('./index.js', import.meta.url);
    const { env, ...rest } = settings;
    return openWorkerEngine({
      module,
      open: openRocksdbEngine.name,
      options: { ...rest, worker: false },
      env,
    });
  }
  return openInThread(settings, (path, rocksOptions) => Rocks.open(path, rocksOptions));
}
