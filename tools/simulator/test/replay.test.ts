import { expect, test } from 'vitest';
import { simulate } from '../src/index.ts';

test.each([
  ['swarm', 3],
  ['storage', 11],
  ['membership', 5],
] as const)('two runs of one seed do the same, event for event: %s, seed %i', async (profile, seed) => {
  const lines: string[][] = [[], []];
  const results = [];
  for (const kept of lines) {
    results.push(await simulate(seed, { profile, events: 3000, onLine: (line) => kept.push(line) }));
  }
  const [first, second] = results;
  expect(first?.violation).toBeUndefined();
  expect(second?.digest).toBe(first?.digest);
  expect(second?.operations).toEqual(first?.operations);
  expect(lines[1]).toEqual(lines[0]);
});

test('another seed does something else', async () => {
  const one = await simulate(1, { profile: 'swarm', events: 500 });
  const two = await simulate(2, { profile: 'swarm', events: 500 });
  expect(two.digest).not.toBe(one.digest);
});
