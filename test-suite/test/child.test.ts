import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { makePlan } from '../src/child/plan.ts';
import { endedWell, runChild } from '../src/child/process.ts';

const module = fileURLToPath(new URL('./support/slow-reader.mjs', import.meta.url));

test('a child whose announcements are read slowly makes them all, whole and in order', async () => {
  const plan = { seed: 1, rounds: 5, orderedStore: false };
  const opener = { module, export: 'openStore' };
  const lines = endedWell(await runChild({ kind: 'run', opener, directory: '/nowhere', plan }));
  const begun = lines.filter((line) => line.startsWith('will'));
  expect(begun).toEqual(
    makePlan(plan)
      .rounds.flat()
      .map(({ id }) => `will ${String(id)}`),
  );
  expect([lines[0], ...lines.slice(-2)]).toEqual(['open', 'end', 'closed']);
});
