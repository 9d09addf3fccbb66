import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openRocksdbEngine } from '@balsa/storage-rocksdb';
import { orderedStoreConformance, storageConformance, type Target } from '@balsa/test-suite';
import { describe, test } from 'vitest';
import { env } from './support/index.ts';

function target(name: string, worker: boolean): Target {
  return {
    name,
    create: () => {
      const directory = mkdtempSync(join(tmpdir(), 'balsa-rocksdb-'));
      return Promise.resolve({
        open: () => openRocksdbEngine({ directory, env, worker }),
        destroy: () => {
          rmSync(directory, { recursive: true, force: true });
          return Promise.resolve();
        },
      });
    },
  };
}

for (const one of [target('rocksdb in-thread', false), target('rocksdb in a worker', true)]) {
  storageConformance({ describe, test }, one);
  orderedStoreConformance({ describe, test }, one);
}
