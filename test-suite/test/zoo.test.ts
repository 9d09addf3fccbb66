import { AssertionError } from 'node:assert';
import { describe, expect, test, vi } from 'vitest';
import { isBalsaError } from '@balsa/raft-core';
import { orderedCases, runCase, storageCases } from '@balsa/test-suite';
import { logMutants } from '../src/zoo/log-mutants.ts';
import { memoryTarget } from '../src/zoo/memory-target.ts';
import { zooPage } from '../src/zoo/page.ts';
import { judge } from '../src/zoo/family.ts';
import { memoryFamily } from '../src/zoo/memory-family.ts';

// The rare bug wants more histories than the default, which is for stores on real disks.
const histories = { runs: 100 };
const { animals: zoo, correct: correctStores } = memoryFamily;

describe('each broken store is killed by the case that names its rule', () => {
  test.each(zoo.map((animal) => [animal.bug, animal] as const))('%s', async (_bug, { killer, target }) => {
    expect(await judge(killer, target, histories)).toMatchObject({ status: 'killed' });
  });

  test('there are at least 45, each with a name and a source of its own', () => {
    expect(zoo.length).toBeGreaterThanOrEqual(45);
    expect(new Set(zoo.map(({ bug }) => bug)).size).toBe(zoo.length);
    for (const { bug, cite } of zoo) expect(cite.length, bug).toBeGreaterThan(20);
  });
});

test('a store that keeps the rules and takes its time is not killed', async () => {
  const slow = correctStores[1];
  expect(slow).toBeDefined();
  const killers = [];
  for (const one of [...storageCases, ...orderedCases]) {
    if (one.long === true || one.level === 'scale' || slow === undefined) continue;
    if (['killed', 'broke'].includes((await judge(one.id, slow, { runs: 10 })).status)) killers.push(one.id);
  }
  expect(killers).toEqual([]);
});

test('a failed history is shrunk and says how to run it again', async () => {
  const mutant = logMutants.find(({ killer }) => killer === 'model/group-histories');
  const verdict = await judge('model/group-histories', memoryTarget('mutant', mutant?.change), histories);
  const text = verdict.status === 'killed' ? verdict.reason : '';
  const [, seed, path] = /run it again with: BALSA_SEED=(-?\d+) BALSA_PATH=([\d:]+)$/.exec(text) ?? [];
  expect(text).toContain('smallest history: ');
  vi.stubEnv('BALSA_SEED', seed);
  vi.stubEnv('BALSA_PATH', path);
  const again = await judge('model/group-histories', memoryTarget('mutant', mutant?.change), histories);
  vi.unstubAllEnvs();
  expect(JSON.stringify(again)).toContain(
    JSON.stringify(/smallest history: .*/.exec(text)?.[0]).slice(1, -1),
  );
  expect(await judge('model/group-histories', memoryTarget(), histories)).toEqual({ status: 'survived' });
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
  expect(await judge('open/group-id-length', target)).toMatchObject({ status: 'killed' });
});

test('a store that breaks down is not taken for one that was judged', async () => {
  const target = memoryTarget('breaks', () => () => {
    throw new TypeError('a bug of the test');
  });
  expect(await judge('open/fresh-store-is-empty', target)).toEqual({
    status: 'broke',
    reason: 'a bug of the test',
  });
});

test('a case that the target cannot be asked for has a reason, and does not pass', async () => {
  const lacking = { ...memoryTarget(), abilities: [] };
  const crash = storageCases.find(({ needs }) => needs?.includes('crash'));
  expect(crash).toBeDefined();
  if (crash === undefined) throw new AssertionError({ message: 'no case needs a crash' });
  expect(await runCase(crash, lacking)).toEqual({
    status: 'not-applicable',
    reason: 'the target memory does not give: crash',
  });
});

test('the page names the killer first and counts the rest', () => {
  const [animal] = zoo;
  if (animal === undefined) throw new AssertionError({ message: 'the zoo is empty' });
  const killers = [animal.killer, 'a/b', 'a/c', 'a/d', 'a/e', 'a/f'];
  const family = { name: 'memory', correct: ['memory'], matrix: ['core'], rows: [{ animal, killers }] };
  const row = `| \`${animal.killer}\` | \`a/b\`, \`a/c\`, \`a/d\`, \`a/e\`, 1 more |`;
  expect(zooPage([family])).toContain(row);
});
