import { AssertionError } from 'node:assert';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createMemoryDisk, openMemoryEngine } from '@balsa/raft-core/memory';
import { isBalsaError } from '@balsa/raft-core';
import { orderedCases, runCase, storageCases, type Target } from '@balsa/test-suite';
import { memoryTarget } from '../src/zoo/memory-target.ts';
import { engineMutants } from '../src/zoo/engine-mutants.ts';
import { logMutants } from '../src/zoo/log-mutants.ts';

// The rare bug wants more histories than the default, which is for stores on real disks.
beforeEach(() => vi.stubEnv('BALSA_RUNS', '100'));
afterEach(() => vi.unstubAllEnvs());

/** What the case says of the target; undefined when it passes. */
async function verdict(id: string, target: Target): Promise<unknown> {
  const found = [...storageCases, ...orderedCases].find((one) => one.id === id);
  if (found === undefined) throw new Error(`there is no case ${id}`);
  return runCase(found, target).then(
    () => undefined,
    (error: unknown) => error ?? new Error('rejected with nothing'),
  );
}

/** A check failed, or the store refused what it should do; as opposed to the mutant or the case breaking down. */
const isVerdict = (error: unknown): boolean => error instanceof AssertionError || isBalsaError(error);
const isCheck = (error: unknown): boolean =>
  isVerdict(error) || (error instanceof Error && isVerdict(error.cause));

describe('each broken store is killed by the case that names its rule', () => {
  test.each([...logMutants, ...engineMutants].map((mutant) => [mutant.bug, mutant] as const))(
    '%s',
    async (bug, { killer, change }) => {
      const error = await verdict(killer, memoryTarget(bug, change));
      expect(isCheck(error), `survived ${killer}, or broke otherwise: ${String(error)}`).toBe(true);
    },
  );

  test('lets two owners in', async () => {
    const target: Target = {
      name: 'without a lock',
      create: () => {
        const disk = createMemoryDisk();
        const open = async () => (disk.inUse ? openMemoryEngine() : openMemoryEngine({ disk }));
        return Promise.resolve({ open, destroy: () => Promise.resolve() });
      },
    };
    expect(isCheck(await verdict('open/one-owner', target))).toBe(true);
  });

  test('keeps nothing when it is closed', async () => {
    const target: Target = {
      name: 'forgetful',
      create: () =>
        Promise.resolve({ open: async () => openMemoryEngine(), destroy: () => Promise.resolve() }),
    };
    for (const id of [
      'reopen/whole-history',
      'identity/stamp-survives-reopen',
      'ordered/synced-writes-survive',
    ]) {
      expect(isCheck(await verdict(id, target)), id).toBe(true);
    }
  });
});

test('a failed history is shrunk and says how to run it again', async () => {
  const mutant = logMutants.find(({ killer }) => killer === 'model/group-histories');
  const error = await verdict('model/group-histories', memoryTarget('mutant', mutant?.change));
  const text = error instanceof Error ? error.message : '';
  const [, seed, path] = /run it again with: BALSA_SEED=(-?\d+) BALSA_PATH=([\d:]+)$/.exec(text) ?? [];
  expect(text).toContain('smallest history: ');
  vi.stubEnv('BALSA_SEED', seed);
  vi.stubEnv('BALSA_PATH', path);
  const again = await verdict('model/group-histories', memoryTarget('mutant', mutant?.change));
  expect(String(again)).toContain(/smallest history: .*/.exec(text)?.[0]);
  expect(await verdict('model/group-histories', memoryTarget())).toBeUndefined();
});

test('an error that is no BalsaError does not pass for a refusal', async () => {
  const target = memoryTarget('throws TypeErrors', () => (engine) => {
    const group = engine.group.bind(engine);
    engine.group = (id) => {
      try {
        return group(id);
      } catch (error) {
        throw isBalsaError(error) ? new TypeError(error.message) : error;
      }
    };
    return engine;
  });
  expect(isCheck(await verdict('open/group-id-length', target))).toBe(true);
});
