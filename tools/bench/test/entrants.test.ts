import { expect, test } from 'vitest';
import { findEntrants, parseEntrant } from '../src/entrants.ts';

test.each([
  ['sqlite', { name: 'sqlite', options: {} }],
  [
    'sqlite:worker=true,synchronous=EXTRA',
    { name: 'sqlite', options: { worker: 'true', synchronous: 'EXTRA' } },
  ],
  ['./my-store.js', { name: './my-store.js', options: {} }],
  ['./my:store.js:cache=1', { name: './my:store.js', options: { cache: '1' } }],
])('%s is read as a name and options', (text, expected) => {
  expect(parseEntrant(text)).toEqual(expected);
});

test('without a choice the four adapters take part, and workers are rows of their own', async () => {
  const labels = (await findEntrants([])).map(({ label }) => label);
  expect(labels).toEqual([
    'memory',
    'sqlite',
    'sqlite worker=true',
    'redis',
    'rocksdb worker=false',
    'rocksdb worker=true',
  ]);
});

test('a wrong name is refused with those that there are', async () => {
  await expect(findEntrants(['oracle'])).rejects.toThrow(/oracle.*sqlite/);
});
