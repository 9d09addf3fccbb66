import { describe, expect, test } from 'vitest';
import { judge } from '@balsa/test-suite/zoo';
import { servedFamily } from '../src/served/family.ts';

/** All that needs a server, in few tries: the whole is what `npm run zoo` does. */
const needed = [
  'crash/killed-at-random-moments',
  'crash/client-killed-while-the-server-lives',
  'power/the-record-explains-the-directory',
  'capabilities/watermark-covers-votes',
];

describe('a server that holds the data', () => {
  const [correct] = servedFamily.correct;

  test.each(needed)('is not killed by %s when it keeps the rules', async (id) => {
    expect(correct).toBeDefined();
    if (correct !== undefined) expect(await judge(id, correct)).toEqual({ status: 'survived' });
  });

  test.each(servedFamily.animals)('$bug: killed by $killer', async ({ killer, target }) => {
    expect(await judge(killer, target)).toMatchObject({ status: 'killed' });
  });
});
