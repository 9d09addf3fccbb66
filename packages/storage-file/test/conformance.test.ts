import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openFileEngine } from '@balsa/storage-file';
import { orderedStoreConformance, storageConformance, type Runner, type Target } from '@balsa/test-suite';
import { describe, test } from 'vitest';
import { FaultyFileSystem } from './support/faulty-file-system.ts';
import { env } from './support/index.ts';
import { seededRandom } from './support/random.ts';

const onDisk: Target = {
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

const seed = Number(process.env['BALSA_SEED'] ?? 1);

/** A disk that loses, keeps and tears what was not synced; small segments, so that there are many. */
const thatLosesPower: Target = {
  name: `file on a disk that loses power (seed ${String(seed)})`,
  abilities: ['crash'],
  create: () => {
    const fs = new FaultyFileSystem();
    const random = seededRandom(seed);
    return Promise.resolve({
      open: () => openFileEngine({ directory: '/data/store', env, fs, segmentBytes: 64 * 1024 }),
      crash: () => {
        fs.reboot('some', random);
        return Promise.resolve();
      },
      destroy: () => Promise.resolve(),
    });
  },
};

storageConformance({ describe, test }, onDisk);
orderedStoreConformance({ describe, test }, onDisk);

/**
 * What needs power cuts: the other cases were run above. The slow ones, which cut at every turn of one call,
 * only when asked for: power.test.ts cuts at every operation.
 */
const chosen =
  process.env['BALSA_ALL_CUTS'] === undefined
    ? /^(crash-in-process\/(acknowledged|vote|synced)|model\/)/
    : /^(crash-in-process|model)\//;
const cuts: Runner = {
  describe,
  test: Object.assign(
    (name: string, body: () => Promise<void>, timeoutMs?: number) => {
      if (chosen.test(name)) test(name, body, timeoutMs);
    },
    { skip: () => undefined },
  ),
};

storageConformance(cuts, thatLosesPower);
orderedStoreConformance(cuts, thatLosesPower);
