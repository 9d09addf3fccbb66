import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type SqliteEngineOptions } from '@balsa/storage-sqlite';
import { missingNeed, runCase, storageCases, type Target } from '@balsa/test-suite';
import { describe, expect, test } from 'vitest';
import { env, openInMode, rounds, worker } from './support/index.ts';

const module = fileURLToPath(new URL('./support/opener.mjs', import.meta.url));

type Lie = Partial<SqliteEngineOptions> & { readonly pretend?: Readonly<Record<string, unknown>> };

function target(options: Lie = {}): Target {
  const { pretend, ...real } = options;
  return {
    name: worker ? 'sqlite in a worker' : 'sqlite',
    abilities: ['files', 'child'],
    create: () => {
      const directory = realpathSync(mkdtempSync(join(tmpdir(), 'balsa-sqlite-')));
      return Promise.resolve({
        directory,
        child: { module, export: 'openStore', argument: { directory, worker, ...options } },
        open: async () => {
          const engine = await openInMode({ directory, env, ...real });
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
  ['BALSA_POWER_STATES', 50],
  ['BALSA_KILLS', 4],
  ['BALSA_DAMAGES', 40],
  ['BALSA_FAULTS', 9],
] as const) {
  process.env[name] ??= String(rounds(count));
}

const levels = ['crash', 'power', 'corruption', 'faults'];
// There is no server behind it to be killed or cut off from.
const cases = storageCases.filter(
  ({ id, needs }) => levels.includes(id.split('/')[0] ?? '') && missingNeed(target(), needs) === undefined,
);

describe('the SQLite store', () => {
  test.each(cases.map((one) => [one.id, one.title, one] as const))('%s: %s', async (_id, _title, one) => {
    expect(await runCase(one, target())).toEqual({ status: 'passed' });
  });
});

describe('a SQLite store that syncs too late, and says that it does not', () => {
  test.each(['OFF', 'NORMAL'] as const)(
    'is found out with synchronous = %s, and let off when it says so',
    async (synchronous) => {
      const one = cases.find(({ id }) => id === 'power/what-was-acknowledged-survives');
      if (one === undefined) throw new Error('the case that this is about is gone');
      const options = { durability: 'relaxed', synchronous } as const;
      const liar = target({ ...options, pretend: { durability: 'strict' } });
      await expect(runCase(one, liar)).rejects.toThrow(/a power cut after operation/);
      expect(await runCase(one, target(options))).toMatchObject({ status: 'not-applicable' });
    },
  );
});
