import { describe, expect, test } from 'vitest';
import { storageCases } from '@balsa/test-suite';
import { judge } from '@balsa/test-suite/zoo';
import { scriptControl } from '../src/redis/broken-connections.ts';
import { naiveControls, redisFamily } from '../src/redis/family.ts';

/** What needs the shim or takes long is left to `npm run zoo`. */
const quick = redisFamily.animals.filter(({ killer }) => !/^(power|capabilities)\//.test(killer));
const isOfConnection = (killer: string): boolean => killer.startsWith('faults/');

test.each(quick)('$bug: killed by $killer', async ({ killer, target }) => {
  expect(await judge(killer, target)).toMatchObject({ status: 'killed' });
});

test.each(naiveControls)('$name is right where the others are wrong', async (target) => {
  for (const killer of new Set(quick.map((animal) => animal.killer))) {
    if (isOfConnection(killer)) continue;
    expect(await judge(killer, target), killer).toEqual({ status: 'survived' });
  }
});

describe(`${scriptControl.name}, is right wherever the connection breaks`, () => {
  const killers = new Set(quick.map(({ killer }) => killer).filter(isOfConnection));
  const cases = storageCases.filter(
    ({ needs, id }) => needs?.includes('connection') === true || killers.has(id),
  );

  test.each(cases)('$id', async ({ id }) => {
    // Opening it changes nothing by the command that the faults are on.
    const status = id === 'faults/opening-cut-off' ? 'not-applicable' : 'survived';
    expect(await judge(id, scriptControl)).toMatchObject({ status });
  });
});
