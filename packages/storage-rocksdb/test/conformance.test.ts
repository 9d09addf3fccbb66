/**
 * The cases that need nothing but an engine, in both modes. Those that damage files and kill processes are in
 * resilience.test.ts. `npx balsa conformance rocksdb` runs all of them at full volume.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openRocksdbEngine } from '@balsa/storage-rocksdb';
import { missingNeed, orderedCases, runCase, storageCases, type Target } from '@balsa/test-suite';
import { describe, expect, test } from 'vitest';
import { env } from './support/index.ts';

/**
 * The least there is. What the files hold beyond the entries goes with it, up to three times as much, and background
 * threads decide when they have as much: with the default the cases of scale would be over before that, on a busy
 * machine in the middle of it.
 */
const walLimitBytes = 1024 * 1024;

function target(name: string, worker: boolean): Target {
  return {
    name,
    create: () => {
      const directory = mkdtempSync(join(tmpdir(), 'balsa-rocksdb-'));
      return Promise.resolve({
        open: () => openRocksdbEngine({ directory, env, worker, walLimitBytes }),
        destroy: () => {
          rmSync(directory, { recursive: true, force: true });
          return Promise.resolve();
        },
      });
    },
  };
}

/** Random histories of each model case. Opening RocksDB is slow: fewer than the suite's own number. */
const runs = Number(process.env['BALSA_HISTORIES'] ?? 5);

describe.each([
  ['in-thread', false],
  ['in a worker', true],
] as const)('the RocksDB store %s', (name, worker) => {
  const one = target(`rocksdb ${name}`, worker);
  const cases = [...storageCases, ...orderedCases].filter(
    ({ needs, long, id }) =>
      long !== true && missingNeed(one, needs) === undefined && id !== 'capabilities/no-ordered-store',
  );

  test.each(cases.map((each) => [each.id, each.title, each] as const))(
    '%s: %s',
    async (_id, _title, each) => {
      expect(await runCase(each, one, { runs })).toEqual({ status: 'passed' });
    },
  );
});
