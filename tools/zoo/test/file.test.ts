import { expect, test } from 'vitest';
import { judge } from '@balsa/test-suite/zoo';
import { families } from '../src/families.ts';
import { fileFamily } from '../src/file/family.ts';

/** One for each kind of carelessness; `npm run zoo` runs them all. */
const chosen = [
  'no sync of directories',
  'no sync of what was recovered',
  'failed syncs tried again',
  'one write more than it states',
  'watermark synced before the log',
];

test.each(fileFamily.animals.filter(({ target }) => chosen.some((name) => target.name.endsWith(name))))(
  '$bug: killed by $killer',
  async ({ killer, target }) => {
    expect(await judge(killer, target)).toMatchObject({ status: 'killed' });
  },
);

test('every broken store of every family has a name of its own and a source', () => {
  const animals = families.flatMap((family) => family.animals);
  expect(new Set(animals.map(({ bug }) => bug)).size).toBe(animals.length);
  expect(new Set(families.map(({ name }) => name)).size).toBe(families.length);
  for (const { bug, cite } of animals) expect(cite.length, bug).toBeGreaterThan(20);
});
