import { expect, test } from 'vitest';
import { profileNames, simulate } from '../src/index.ts';

/** More of them by `BALSA_SEEDS`, or much faster by `npm run simulate -- --seeds N`. */
const count = Number(process.env['BALSA_SEEDS'] ?? '4');

const runs = profileNames.flatMap((profile) =>
  Array.from({ length: count }, (_, i) => [profile, i + 1] as const),
);

test.each(runs)('%s, seed %i: no rule is broken', async (profile, seed) => {
  const { violation, trace } = await simulate(seed, { profile, events: 4000 });
  if (violation === undefined) return;
  const shown = [...trace.slice(-60), `${violation.rule}: ${violation.message}`, ...violation.details];
  expect.fail(
    `${shown.join('\n')}\nrun it again: npm run simulate -- --seed ${seed} --profile ${profile} --events 4000`,
  );
});
