import { isSocketLocked } from '@balsa/storage-kit';
import { directoryPlace } from './adapter.ts';
import { commonOptions } from './common-options.ts';
import type { EngineDefinition } from './definition.ts';

export const rocksdb: EngineDefinition = {
  name: 'rocksdb',
  description: 'RocksDB through @nxtedition/rocksdb, in the directory',
  persistent: true,
  optionSpecs: {
    worker: { type: 'boolean', meaning: 'write on a thread of its own (the default), or on this one' },
    ...commonOptions,
    walLimitBytes: { type: 'bytes', meaning: 'write-ahead log that is kept at most' },
    maxDebtBytes: { type: 'bytes', meaning: 'waiting to be compacted before writing is slowed' },
    maxPinnedBytes: { type: 'bytes', meaning: 'files and memory that views may keep from being freed' },
    maxViewMs: { type: 'count', meaning: 'milliseconds after which a view is ended' },
  },
  isOpen: isSocketLocked,
  prepare: async (place, options) =>
    directoryPlace('rocksdb', place, options, {
      notData: /^(LOG|LOCK|OPTIONS-)|(^|[-.])(lock|owner)/,
      advice: 'docs/decisions/ names the platforms that it is built for; take sqlite or file elsewhere',
      load: async () => (await import('@balsa/storage-rocksdb')).openRocksdbEngine,
    }),
};
