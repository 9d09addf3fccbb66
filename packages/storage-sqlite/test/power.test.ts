import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openSqliteEngine, type SqliteEngineOptions } from '@balsa/storage-sqlite';
import { runCase, storageCases, type Target } from '@balsa/test-suite';
import { describe, expect, test } from 'vitest';
import { env } from './support/index.ts';

const module = fileURLToPath(new URL('./support/opener.mjs', import.meta.url));

type Lie = Partial<SqliteEngineOptions> & { readonly pretend?: Readonly<Record<string, unknown>> };

function target(options: Lie = {}): Target {
  const { pretend, ...real } = options;
  return {
    name: 'sqlite',
    abilities: ['files', 'child'],
    create: () => {
      const directory = realpathSync(mkdtempSync(join(tmpdir(), 'balsa-sqlite-')));
      return Promise.resolve({
        directory,
        child: { module, export: 'openStore', argument: { directory, ...options } },
        open: async () => {
          const engine = await openSqliteEngine({ directory, env, ...real });
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

const powerCases = storageCases.filter((one) => one.level === 'power');

describe('power', () => {
  test.each(powerCases)(
    '$id',
    async (one) => {
      expect(await runCase(one, target())).toEqual({ status: 'passed' });
    },
    120_000,
  );
  test.each(['OFF', 'NORMAL'] as const)(
    'a store that syncs too late is found out: synchronous = %s',
    async (synchronous) => {
      const one = powerCases.find(({ id }) => id === 'power/what-was-acknowledged-survives');
      if (one === undefined) throw new Error('gone');
      await expect(
        runCase(one, target({ durability: 'relaxed', synchronous, pretend: { durability: 'strict' } })),
      ).rejects.toThrow(/a power cut after operation/);
      expect(await runCase(one, target({ durability: 'relaxed', synchronous }))).toMatchObject({
        status: 'not-applicable',
      });
    },
    120_000,
  );
});
