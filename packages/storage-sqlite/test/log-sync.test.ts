/** Where the sync of a commit is made, and what can be seen meanwhile. */
import { silentLogger, type Env } from '@balsa/raft-core';
import type { FileHandle } from '@balsa/storage-kit';
import { describe, expect, test } from 'vitest';
import { LogSync } from '../src/log-sync.ts';
import { entries, openEngine, openGroup, temporaryDirectory } from './support/index.ts';

/** A log whose syncs take `ms` each, by a clock of its own. */
function bench(ms: number, more: { readonly blockMs?: number; readonly here?: boolean } = {}) {
  const clock = { now: 0, ms };
  const env = { now: () => clock.now, log: silentLogger } as Env;
  const calls: string[] = [];
  const spend = (where: string): void => {
    clock.now += clock.ms;
    calls.push(where);
  };
  const wal = {
    dataSync: () => {
      spend('elsewhere');
      return Promise.resolve();
    },
    ...(more.here === false ? {} : { dataSyncNow: () => spend('here') }),
  } as unknown as FileHandle;
  return { clock, calls, sync: new LogSync({ env, wal, blockMs: more.blockMs ?? 1 }) };
}

describe('the sync of a commit', () => {
  test('is made in place while it is short, elsewhere once it is long, and in place again', async () => {
    const { clock, calls, sync } = bench(0.1);
    for (let i = 0; i < 20; i++) expect(sync.run()).toBeUndefined();
    clock.ms = 5;
    for (let i = 0; i < 20; i++) await sync.run();
    expect(calls.slice(-15)).toEqual(Array.from({ length: 15 }, () => 'elsewhere'));
    clock.ms = 0.1;
    for (let i = 0; i < 40; i++) await sync.run();
    expect(calls.at(-1)).toBe('here');
  });

  test('is made elsewhere with blockMs 0, however short it is', async () => {
    const { calls, sync } = bench(0, { blockMs: 0 });
    for (let i = 0; i < 3; i++) await sync.run();
    expect(calls).toEqual(['elsewhere', 'elsewhere', 'elsewhere']);
  });

  test('is made elsewhere on a file system that has no other', async () => {
    const { calls, sync } = bench(0.1, { here: false });
    await sync.run();
    expect(calls).toEqual(['elsewhere']);
  });
});

describe('while a commit is synced elsewhere', () => {
  test('readers of what it replaces or deletes wait, and get the present or a refusal', async () => {
    const engine = await openEngine(temporaryDirectory(), { blockMs: 0 });
    const storage = await openGroup(engine);
    await storage.write({ entries: entries(1, 10, 1), hardState: { term: 1, vote: 1, commit: 5 } });
    const terms = async (): Promise<number[]> =>
      (await storage.entries(1, 11, Infinity)).map(({ term }) => term);

    const shortened = storage.write({
      entries: entries(7, 1, 2),
      hardState: { term: 2, vote: 1, commit: 5 },
    });
    const seen: (number[] | string)[] = [];
    let over = false;
    const look = async (): Promise<void> => {
      while (!over) {
        try {
          seen.push(await terms());
        } catch (error) {
          seen.push((error as { code: string }).code);
        }
        await new Promise<void>((resolve) => setImmediate(resolve));
      }
    };
    const looking = look();
    await shortened;
    const compacted = storage.compactTo(4);
    await compacted;
    over = true;
    await looking;
    expect(seen).not.toEqual([]);
    for (const one of seen) {
      if (typeof one === 'string') expect(['STORE_UNAVAILABLE', 'STORE_COMPACTED']).toContain(one);
      else expect(one).toEqual(Array.from({ length: 10 }, () => 1));
    }
    expect((await storage.entries(5, 8, Infinity)).map(({ term }) => term)).toEqual([1, 1, 2]);
  });
});
