import type { Env, Storage } from '@balsa/raft-core';
import { openChangedEngine } from '@balsa/storage-rocksdb/testing';
import { describe, expect, test } from 'vitest';
import { Throttle, maxDelayMs } from '../src/throttle.ts';
import { entries, env, key, temporaryDirectory } from './support/index.ts';

const megabyte = 1024 * 1024;

describe('the throttle', () => {
  function throttled(debt: { bytes: number }): {
    throttle: Throttle;
    clock: { now: number };
    looks: string[];
  } {
    const clock = { now: 1000 };
    const looks: string[] = [];
    const rocks = {
      property: (name: string): number => {
        looks.push(name);
        return debt.bytes;
      },
    };
    return { throttle: new Throttle(rocks, () => clock.now, 100 * megabyte), clock, looks };
  }

  test('holds nothing back up to its bound, and seldom looks', () => {
    const { throttle, looks } = throttled({ bytes: 100 * megabyte });
    for (let i = 0; i < 1024; i++) {
      throttle.wrote(4096);
      expect(throttle.delayMs()).toBe(0);
    }
    expect(looks).toEqual(new Array(16).fill('estimate-pending-compaction-bytes'));
  });

  test('lets 8 MiB a second through at twice the bound, half of it at thrice', () => {
    const debt = { bytes: 200 * megabyte };
    const { throttle, clock } = throttled(debt);
    throttle.wrote(megabyte);
    expect(throttle.delayMs()).toBe(125);
    clock.now += 125;
    expect(throttle.delayMs()).toBe(0);
    debt.bytes = 300 * megabyte;
    throttle.wrote(megabyte / 2);
    expect(throttle.delayMs()).toBe(125);
  });

  test('adds up what small batches owe, and makes up for what was waited', () => {
    const { throttle, clock } = throttled({ bytes: 200 * megabyte });
    throttle.wrote(256 * 1024);
    for (let i = 0; i < 64; i++) throttle.wrote(4096);
    expect(throttle.delayMs()).toBe(62);
    clock.now += 40;
    expect(throttle.delayMs()).toBe(22);
  });

  test('never holds a batch back for more than a quarter of a second, whatever it weighs and however large the debt is', () => {
    const { throttle } = throttled({ bytes: 1e15 });
    for (let i = 0; i < 10; i++) throttle.wrote(512 * megabyte);
    expect(throttle.delayMs()).toBe(maxDelayMs);
  });

  test('ends with the debt', () => {
    const debt = { bytes: 1e15 };
    const { throttle } = throttled(debt);
    throttle.wrote(megabyte);
    expect(throttle.delayMs()).toBe(maxDelayMs);
    debt.bytes = 0;
    throttle.wrote(1);
    expect(throttle.delayMs()).toBe(0);
  });
});

describe('a store whose compactions are behind', () => {
  /** An engine that is told of a debt, with a clock that stands still and timers that go when the test says so. */
  async function indebted(): Promise<{
    engine: Awaited<ReturnType<typeof openChangedEngine>>;
    delays: number[];
    release: () => void;
  }> {
    const delays: number[] = [];
    const held: (() => void)[] = [];
    const heldEnv: Env = {
      ...env,
      now: () => 1000,
      setTimer: (ms, callback) => {
        if (ms === 0) return env.setTimer(0, callback);
        delays.push(ms);
        held.push(callback);
        return { cancel: () => undefined };
      },
    };
    const engine = await openChangedEngine({ directory: temporaryDirectory(), env: heldEnv }, (rocks) =>
      Object.assign(rocks, {
        property: (name: string) => (name === 'estimate-pending-compaction-bytes' ? 1e15 : 0),
      }),
    );
    return {
      engine,
      delays,
      release: () => {
        for (const callback of held.splice(0)) callback();
      },
    };
  }

  const settledNow = async (work: Promise<unknown>): Promise<boolean> => {
    let settled = false;
    void work.then(() => {
      settled = true;
    });
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
    return settled;
  };

  const large = (storage: Storage, first: number): Promise<void> =>
    storage.write({ entries: entries(first, 1, 1, new Uint8Array(megabyte)) });

  test('holds the next write back, for a quarter of a second at most, and does not block its thread', async () => {
    const { engine, delays, release } = await indebted();
    const storage = engine.group('g');
    await storage.open();
    await large(storage, 1);
    const held = large(storage, 2);
    expect(await settledNow(held)).toBe(false);
    expect(delays).toEqual([maxDelayMs]);
    expect(
      (await storage.entries(1, 2, 1)).map(({ index }) => index),
      'reads go on',
    ).toEqual([1]);
    release();
    await held;
    expect((await storage.stats()).entryCount).toBe(2);
    await engine.close();
  });

  test('holds back writes of ordered stores and of restores, too', async () => {
    const { engine, delays, release } = await indebted();
    const store = engine.orderedStore('kv');
    await store.open();
    const value = new Uint8Array(megabyte);
    await store.write({ changes: [[key('a'), value]], appliedIndex: 1 });
    const held = store.write({ changes: [[key('b'), value]], appliedIndex: 2 });
    expect(await settledNow(held)).toBe(false);
    release();
    await held;
    expect(await store.count()).toBe(2);
    const restore = await store.beginRestore();
    const filled = restore.put(['a', 'b', 'c'].map((name) => ({ key: key(name), value })));
    expect(await settledNow(filled)).toBe(false);
    while (!(await settledNow(filled))) release();
    expect(delays.length).toBeGreaterThan(2);
    await restore.abort();
    await engine.close();
  });

  test('closes when it is asked to: what is held back is written first', async () => {
    const { engine, release } = await indebted();
    const storage = engine.group('g');
    await storage.open();
    await large(storage, 1);
    const held = large(storage, 2);
    const closed = engine.close();
    expect(await settledNow(closed)).toBe(false);
    release();
    await Promise.all([held, closed]);
  });
});
