import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { orderedStoreConformance, storageConformance, type Target } from '@balsa/test-suite';
import { describe, test } from 'vitest';
import { env, openInMode, worker } from './support/index.ts';

const target: Target = {
  name: worker ? 'sqlite in a worker' : 'sqlite',
  create: () => {
    const directory = mkdtempSync(join(tmpdir(), 'balsa-sqlite-'));
    return Promise.resolve({
      open: () => openInMode({ directory, env }),
      destroy: () => {
        rmSync(directory, { recursive: true, force: true });
        return Promise.resolve();
      },
    });
  },
};

storageConformance({ describe, test }, target);
orderedStoreConformance({ describe, test }, target);
