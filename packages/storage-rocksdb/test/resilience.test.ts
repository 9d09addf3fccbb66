import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openRocksdbEngine } from '@balsa/storage-rocksdb';
import { missingNeed, runCase, storageCases, type Target } from '@balsa/test-suite';
import { describe, expect, test } from 'vitest';
import { env } from './support/index.ts';

const module = fileURLToPath(new URL('./support/opener.mjs', import.meta.url));

interface Lie {
  readonly durability?: 'relaxed';
  readonly pretend?: Readonly<Record<string, unknown>>;
}

function target(options: Lie = {}): Target {
  const { pretend, ...real } = options;
  return {
    name: 'rocksdb',
    abilities: ['files', 'child'],
    create: () => {
      const directory = realpathSync(mkdtempSync(join(tmpdir(), 'balsa-rocksdb-')));
      return Promise.resolve({
        directory,
        child: { module, export: 'openStore', argument: { directory, ...options } },
        open: async () => {
          const engine = await openRocksdbEngine({ directory, env, worker: false, ...real });
          if (pretend !== undefined)
            Object.defineProperty(engine, 'capabilities', { value: { ...engine.capabilities, ...pretend } });
          return engine;
        },
        destroy: () => {
          rmSync(directory, { recursive: true, force: true });
          return Promise.resolve();
        },
      });
    },
  };
}

// Fewer than a run of the suite by itself tries: this is for every change. The environment says otherwise.
for (const [name, count] of [
  ['BALSA_POWER_STATES', 30],
  ['BALSA_KILLS', 3],
  ['BALSA_DAMAGES', 20],
  ['BALSA_FAULTS', 6],
] as const) {
  process.env[name] ??= String(count);
}

const levels = ['crash', 'power', 'corruption', 'faults'];
const cases = storageCases.filter(
  ({ id, needs }) => levels.includes(id.split('/')[0] ?? '') && missingNeed(target(), needs) === undefined,
);

describe('the RocksDB store', () => {
  test.each(cases.map((one) => [one.id, one.title, one] as const))('%s: %s', async (_id, _title, one) => {
    expect(await runCase(one, target())).toEqual({ status: 'passed' });
  });
});

describe('a RocksDB store that syncs too late, and says that it does not', () => {
  test('is found out, and let off when it says so', async () => {
    const one = cases.find(({ id }) => id === 'power/what-was-acknowledged-survives');
    if (one === undefined) throw new Error('the case that this is about is gone');
    const liar = target({ durability: 'relaxed', pretend: { durability: 'strict' } });
    await expect(runCase(one, liar)).rejects.toThrow(/a power cut after operation/);
    expect(await runCase(one, target({ durability: 'relaxed' }))).toMatchObject({ status: 'not-applicable' });
  });
});
