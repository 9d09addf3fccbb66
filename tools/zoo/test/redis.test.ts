import { expect, test } from 'vitest';
import { judge } from '@balsa/test-suite/zoo';
import { naiveControls, redisFamily } from '../src/redis/family.ts';

/** What needs the shim or takes long is left to `npm run zoo`. */
const quick = redisFamily.animals.filter(({ killer }) => !/^(power|capabilities)\//.test(killer));

test.each(quick)('$bug: killed by $killer', async ({ killer, target }) => {
  expect(await judge(killer, target)).toMatchObject({ status: 'killed' });
});

test.each(naiveControls)('$name is right where the others are wrong', async (target) => {
  for (const killer of new Set(quick.map((animal) => animal.killer))) {
    expect(await judge(killer, target), killer).toEqual({ status: 'survived' });
  }
});
