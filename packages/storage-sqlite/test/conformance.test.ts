import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqliteEngine } from '@balsa/storage-sqlite';
import { orderedStoreConformance, storageConformance, type Target } from '@balsa/test-suite';
import { describe, test } from 'vitest';
import { env } from './support/index.ts';

const target = (worker: boolean): Target => ({
  name: worker ? 'sqlite in a worker' : 'sqlite',
  create: () => {
    const directory = mkdtempSync(join(tmpdir(), 'balsa-sqlite-'));
    return Promise.resolve({
      open: () => openSqliteEngine({ directory, env, worker }),
      destroy: () => {
        rmSync(directory, { recursive: true, force: true });
        return Promise.resolve();
      },
    });
  },
});

for (const worker of [false, true]) {
  storageConformance({ describe, test }, target(worker));
  orderedStoreConformance({ describe, test }, target(worker));
}
