import { silentLogger, type Env } from '@balsa/raft-core';
import { expect, test } from 'vitest';
import { TokenBucket } from '../src/token-bucket.ts';

function clock(): Env & { at: number } {
  return {
    at: 0,
    now() {
      return this.at;
    },
    setTimer: () => ({ cancel: () => undefined }),
    random: () => 0,
    log: silentLogger,
  };
}

test('a tenth of a second is free; beyond it each byte is waited for', () => {
  const env = clock();
  const bucket = new TokenBucket(env, 1000);
  expect(bucket.take(100)).toBe(0);
  expect(bucket.take(50)).toBe(50);
  expect(bucket.take(50)).toBe(100);
});

test('time pays debts off, and a rest saves up no more than the burst', () => {
  const env = clock();
  const bucket = new TokenBucket(env, 1000);
  bucket.take(300);
  env.at = 150;
  expect(bucket.take(0)).toBe(50);
  env.at = 60_000;
  expect(bucket.take(101)).toBe(1);
});

test('whoever waits as told gets the rate, over any time', () => {
  const env = clock();
  const bucket = new TokenBucket(env, 1000);
  let taken = 0;
  while (env.at < 10_000) {
    taken += 70;
    env.at += bucket.take(70);
  }
  expect(taken).toBeGreaterThanOrEqual(10_000);
  expect(taken).toBeLessThanOrEqual(10_000 + 100 + 70);
});
