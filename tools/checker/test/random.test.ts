import { expect, test } from 'vitest';
import { checkHistory, kvModel, type Operation } from '../src/index.ts';
import { atomicHistory, randomSource } from './support.ts';

const seeds = Array.from({ length: 60 }, (_, i) => i + 1);

test.each(seeds)('seed %i: what an atomic store gave is explained', (seed) => {
  const history = atomicHistory({ seed, operations: 300, clients: 5, keys: 3, unknown: 0.05 });
  expect(checkHistory(history, kvModel).verdict).toBe('ok');
});

/** Every order of at most a few operations, tried one by one. */
function bruteForce(operations: readonly Operation[], state: string | null = null): boolean {
  const open = operations.filter((one) => one.return !== Infinity);
  if (open.length === 0) return true;
  const deadline = Math.min(...open.map((one) => one.return));
  return operations.some((one) => {
    if (one.call > deadline) return false;
    const next = kvModel.step(state, one);
    if (next === undefined) return false;
    return bruteForce(
      operations.filter((other) => other !== one),
      next,
    );
  });
}

test('small histories, honest or altered, are judged as by trying every order', () => {
  let wrong = 0;
  for (let seed = 1; seed <= 1500; seed++) {
    const random = randomSource(seed);
    const history = atomicHistory({ seed, operations: 6, clients: 3, keys: 1, unknown: 0.2 });
    const victim = Math.floor(random() * history.length);
    const altered = history.map((one, i) => {
      if (i !== victim || one.output === undefined || random() < 0.2) return one;
      return {
        ...one,
        output: one.op === 'get' ? String(Math.floor(random() * 7)) : one.output,
        call: one.call - 3,
      };
    });
    const expected = bruteForce(altered) ? 'ok' : 'violation';
    if (expected === 'violation') wrong++;
    expect([seed, checkHistory(altered, kvModel).verdict]).toEqual([seed, expected]);
  }
  expect(wrong).toBeGreaterThan(100);
});

test('a long history of many clients is judged within the budget', () => {
  const history = atomicHistory({ seed: 7, operations: 20_000, clients: 8, keys: 20, unknown: 0.002 });
  expect(checkHistory(history, kvModel).verdict).toBe('ok');
});
