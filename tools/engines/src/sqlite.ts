import { directoryPlace, withBinding } from './adapter.ts';
import { commonOptions } from './common-options.ts';
import type { EngineDefinition } from './definition.ts';

const advice =
  'run "npm rebuild better-sqlite3"; where there is no binary for this Node, that needs Python 3 and a C++ compiler';

export const sqlite: EngineDefinition = {
  name: 'sqlite',
  description: 'SQLite through better-sqlite3, in the directory',
  persistent: true,
  optionSpecs: {
    worker: { type: 'boolean', meaning: 'write on a thread of its own, so that the event loop stays free' },
    ...commonOptions,
    synchronous: {
      type: 'choice',
      choices: ['OFF', 'NORMAL', 'FULL', 'EXTRA'],
      meaning: 'how often the log syncs (default FULL; less needs durability=relaxed)',
    },
    blockMs: {
      type: 'count',
      meaning: 'syncs of the log that take longer, in milliseconds, leave the event loop free (default 1)',
    },
    walLimitBytes: { type: 'bytes', meaning: 'write-ahead log above which it is checkpointed' },
    checkpointBytes: { type: 'bytes', meaning: 'write-ahead log above which maintenance checkpoints' },
    maxPinnedBytes: { type: 'bytes', meaning: 'write-ahead log that views may keep from reuse' },
  },
  isOpen: (directory) =>
    withBinding('sqlite', advice, async () =>
      (await import('@balsa/storage-sqlite')).isSqliteStoreOpen(directory),
    ),
  prepare: async (place, options) =>
    directoryPlace('sqlite', place, options, {
      notData: /(^|[-.])(lock|owner|shm)/,
      advice,
      load: async () => (await import('@balsa/storage-sqlite')).openSqliteEngine,
    }),
};
