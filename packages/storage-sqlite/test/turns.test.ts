import { cpSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { yieldTo } from '@balsa/storage-kit';
import { expect, test } from 'vitest';
import {
  entries,
  env,
  inThreadOnly,
  key,
  openEngine,
  openGroup,
  temporaryDirectory,
} from './support/index.ts';

const text = (value: Uint8Array | undefined): string => Buffer.from(value ?? []).toString();

/** The turns of the event loop that passed meanwhile. */
async function turnsDuring(run: () => Promise<void>): Promise<number> {
  let [turns, over] = [0, false];
  const count = (): void => {
    turns++;
    if (!over) env.setTimer(0, count);
  };
  env.setTimer(0, count);
  await run();
  over = true;
  return turns;
}

test('a row of housekeeping slices leaves turns to everybody else', async () => {
  const engine = await openEngine(temporaryDirectory());
  const storage = await openGroup(engine);
  for (let i = 0; i < 60; i++) {
    const last = (i + 1) * 500;
    await storage.write({
      entries: entries(i * 500 + 1, 500, 1, new Uint8Array(2000)),
      hardState: { term: 1, vote: 1, commit: last },
    });
  }
  await storage.compactTo(30_000);
  const turns = await turnsDuring(async () => {
    while (await storage.maintain());
  });
  expect(turns).toBeGreaterThan(2);
});

test('a row of applied batches and of pages of a view leaves turns to everybody else', async () => {
  const engine = await openEngine(temporaryDirectory());
  const store = engine.orderedStore('kv');
  await store.open();
  const value = new Uint8Array(500);
  const writing = await turnsDuring(async () => {
    for (let n = 1; n <= 60; n++) {
      const changes = Array.from(
        { length: 200 },
        (_, i) => [key(`${String(n)} ${String(i)}`), value] as const,
      );
      await store.write({ changes, appliedIndex: n });
    }
  });
  expect(writing).toBeGreaterThan(2);
  const view = await store.view();
  const reading = await turnsDuring(async () => {
    for (let i = 0; i < 10; i++) expect(await view.range({ limit: 12_000 })).toHaveLength(12_000);
  });
  expect(reading).toBeGreaterThan(2);
  await view.release();
});

inThreadOnly(
  'its turns are not those of this thread',
  'a large batch is applied in several turns, and nobody sees a part of it',
  async () => {
    const directory = temporaryDirectory();
    const engine = await openEngine(directory);
    const store = engine.orderedStore('kv');
    await store.open();
    const changes = (text: string): (readonly [Uint8Array, Uint8Array])[] =>
      Array.from({ length: 8000 }, (_, i) => [key(String(i).padStart(5, '0')), key(text)] as const);
    const ends = [key('00000'), key('07999')];
    await store.write({ changes: changes('old'), appliedIndex: 1 });
    const seen = new Set<string>();
    let over = false;
    const turns = await turnsDuring(async () => {
      const writing = store.write({ changes: changes('new'), appliedIndex: 2 }).then(() => {
        over = true;
      });
      while (!over) {
        const values = await store.getMany(ends);
        const pairs = await store.range({ limit: 8000 });
        const texts = [...values, ...pairs.map(({ value }) => value)].map((value) => text(value));
        // Either a read saw all of it, or none; those of one round may lie on both sides of the commit.
        expect(new Set(texts.slice(0, 2)).size).toBe(1);
        expect(new Set(texts.slice(2)).size).toBe(1);
        for (const one of texts) seen.add(one);
        const view = await store.view();
        const page = await view.range({ limit: 8000 });
        expect(new Set(page.map(({ value }) => text(value)))).toEqual(
          new Set([view.appliedIndex === 2 ? 'new' : 'old']),
        );
        await view.release();
        await store.bytes();
        await store.maintain();
        await new Promise<void>((resolve) => void env.setTimer(0, resolve));
      }
      await writing;
    });
    expect(turns).toBeGreaterThan(2);
    expect(seen.has('old')).toBe(true);
    expect((await store.getMany(ends)).map(text)).toEqual(['new', 'new']);
    expect(await store.count()).toBe(8000);
    // What a process leaves that ends within a large batch is the state before it.
    const copy = temporaryDirectory();
    const last = store.write({ changes: changes('lost'), appliedIndex: 3 });
    await new Promise<void>((resolve) => void env.setTimer(0, resolve));
    cpSync(directory, copy, { recursive: true });
    await last;
    const found = (await openEngine(copy)).orderedStore('kv');
    const { appliedIndex } = await found.open();
    expect([2, 3]).toContain(appliedIndex);
    const left = await found.range({ limit: 8000 });
    expect(new Set(left.map(({ value }) => text(value)))).toEqual(
      new Set([appliedIndex === 3 ? 'lost' : 'new']),
    );
  },
);

test('a large batch and the replacement of all contents go one after the other', async () => {
  const engine = await openEngine(temporaryDirectory());
  const store = engine.orderedStore('kv');
  await store.open();
  const restore = await store.beginRestore();
  await restore.put([{ key: key('only'), value: key('restored') }]);
  const changes = Array.from({ length: 3000 }, (_, i) => [key(String(i)), key('written')] as const);
  await Promise.all([store.write({ changes, appliedIndex: 9 }), restore.commit(9)]);
  expect([1, 3001]).toContain(await store.count());
  expect((await store.getMany([key('only')])).map(text)).toEqual(['restored']);
  await store.write({ changes, appliedIndex: 10 });
  expect(await store.count()).toBe(3001);
});

inThreadOnly(
  'its turns are not those of this thread',
  'a checkpoint is made elsewhere, after who waits for the write was told',
  async () => {
    const directory = temporaryDirectory();
    const engine = await openEngine(directory, { walLimitBytes: 512 * 1024 });
    const storage = await openGroup(engine);
    const size = (): number => statSync(join(directory, 'log.db')).size;
    await storage.write({ entries: entries(1, 1) });
    const before = size();
    await storage.write({ entries: entries(2, 600, 1, new Uint8Array(2000)) });
    expect(size()).toBe(before);
    // Nobody asks for it, and this thread is free meanwhile.
    while (size() < before + 1024 * 1024) await yieldTo(env);
  },
);

test('an engine that is closed while a checkpoint waits for its turn closes well', async () => {
  const directory = temporaryDirectory();
  const engine = await openEngine(directory, { walLimitBytes: 512 * 1024 });
  const storage = await openGroup(engine);
  const store = engine.orderedStore('kv');
  await store.open();
  const value = new Uint8Array(600_000);
  await store.write({ changes: [[key('a'), value]], appliedIndex: 1 });
  await storage.write({ entries: entries(1, 600, 1, new Uint8Array(2000)) });
  await engine.close();
  const again = await openEngine(directory);
  expect((await again.group('g').open()).lastIndex).toBe(600);
  expect(await again.orderedStore('kv').open()).toEqual({ appliedIndex: 1 });
});
