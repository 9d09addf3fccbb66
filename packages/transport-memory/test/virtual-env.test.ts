import { isBalsaError } from '@balsa/raft-core';
import { describe, expect, test } from 'vitest';
import { createRandom, createVirtualEnv } from '../src/index.ts';

describe('virtual time', () => {
  test('timers run in order of time, then of setting, and see their own time', async () => {
    const env = createVirtualEnv({ seed: 1 });
    const ran: string[] = [];
    env.setTimer(10, () => ran.push(`b@${String(env.now())}`));
    env.setTimer(5, () => ran.push(`a@${String(env.now())}`));
    env.setTimer(10, () => ran.push(`c@${String(env.now())}`));
    env.setTimer(11, () => ran.push('late'));
    await env.advance(10);
    expect(ran).toEqual(['a@5', 'b@10', 'c@10']);
    expect(env.now()).toBe(10);
    expect(env.pendingTimers).toBe(1);
  });

  test('a random order of many timers comes out sorted', async () => {
    const env = createVirtualEnv({ seed: 42 });
    const ran: number[] = [];
    for (let i = 0; i < 500; i++) {
      const due = Math.floor(env.random() * 100);
      const timer = env.setTimer(due, () => ran.push(due));
      if (i % 7 === 0) timer.cancel();
    }
    await env.advance(100);
    expect(ran).toEqual([...ran].sort((a, b) => a - b));
    expect(ran.length).toBe(428);
    expect(env.pendingTimers).toBe(0);
  });

  test('promises settle between two timers of one instant', async () => {
    const env = createVirtualEnv({ seed: 1 });
    const ran: string[] = [];
    const chain = async (): Promise<void> => {
      for (let i = 0; i < 50; i++) await Promise.resolve();
      ran.push('promise');
    };
    env.setTimer(1, () => {
      ran.push('first');
      void chain();
    });
    env.setTimer(1, () => ran.push('second'));
    await env.advance(1);
    expect(ran).toEqual(['first', 'promise', 'second']);
  });

  test('a cancelled timer never runs, and cancelling twice is harmless', async () => {
    const env = createVirtualEnv({ seed: 1 });
    let ran = false;
    const timer = env.setTimer(1, () => (ran = true));
    timer.cancel();
    timer.cancel();
    await env.advance(5);
    expect(ran).toBe(false);
    expect(env.pendingTimers).toBe(0);
  });

  test('runUntil stops at the timer that makes the condition hold', async () => {
    const env = createVirtualEnv({ seed: 1 });
    let ticks = 0;
    const tick = (): void => {
      ticks++;
      env.setTimer(10, tick);
    };
    env.setTimer(10, tick);
    await env.runUntil(() => ticks === 3, 1000);
    expect(env.now()).toBe(30);
  });

  test('runUntil gives up with TIMEOUT, naming the condition', async () => {
    const env = createVirtualEnv({ seed: 1 });
    const failure: unknown = await env.runUntil(() => false, 100, 'a leader').catch((e: unknown) => e);
    expect(isBalsaError(failure, 'TIMEOUT')).toBe(true);
    expect(String(failure)).toContain('a leader');
    expect(env.now()).toBe(100);
  });

  test('moving time twice at once is refused', async () => {
    const env = createVirtualEnv({ seed: 1 });
    const first = env.advance(1);
    await expect(env.advance(1)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await first;
  });

  test('what a timer throws rejects the call that ran it', async () => {
    const env = createVirtualEnv({ seed: 1 });
    env.setTimer(1, () => {
      throw new Error('boom');
    });
    await expect(env.advance(1)).rejects.toThrow('boom');
    await env.advance(1);
    expect(env.now()).toBe(2);
  });
});

describe('seeded chance', () => {
  test('the same seed gives the same numbers, another seed others, all in [0, 1)', () => {
    const take = (seed: number): number[] => {
      const random = createRandom(seed);
      return Array.from({ length: 1000 }, random);
    };
    expect(take(7)).toEqual(take(7));
    expect(take(7)).not.toEqual(take(8));
    expect(take(7)).not.toEqual(take(7 + 2 ** 32));
    const mean = take(7).reduce((a, b) => a + b) / 1000;
    expect(mean).toBeGreaterThan(0.45);
    expect(mean).toBeLessThan(0.55);
    expect(take(7).every((x) => x >= 0 && x < 1)).toBe(true);
  });
});
