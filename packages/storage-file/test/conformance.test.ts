import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openFileEngine } from '@balsa/storage-file';
import { orderedStoreConformance, storageConformance, type Target } from '@balsa/test-suite';
import { describe, test } from 'vitest';
import { env } from './support/index.ts';

const target: Target = {
  name: 'file',
  create: () => {
    const directory = mkdtempSync(join(tmpdir(), 'balsa-file-'));
    return Promise.resolve({
      open: () => openFileEngine({ directory, env }),
      destroy: () => {
        rmSync(directory, { recursive: true, force: true });
        return Promise.resolve();
      },
    });
  },
};

storageConformance({ describe, test }, target);
orderedStoreConformance({ describe, test }, target);
