import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { entries, key, openEngine, openGroup, temporaryDirectory } from './support/index.ts';

const bytesOf = (directory: string, prefix: string): number =>
  readdirSync(directory)
    .filter((name) => name.startsWith(prefix))
    .reduce((sum, name) => sum + statSync(join(directory, name)).size, 0);

describe('space', () => {
  test('stays bounded over 100 000 entries appended and compacted in cycles', async () => {
    const directory = temporaryDirectory();
    const engine = await openEngine(directory, { walLimitBytes: 1024 * 1024 });
    const storage = await openGroup(engine);
    const sizes: number[] = [];
    for (let last = 0; last < 100_000;) {
      for (let i = 0; i < 10; i++, last += 500) {
        await storage.write({
          entries: entries(last + 1, 500),
          hardState: { term: 1, vote: 1, commit: last + 500 },
        });
      }
      await storage.compactTo(last - 100);
      while (await storage.maintain());
      sizes.push(bytesOf(directory, 'log.db'));
    }
    expect(sizes).toHaveLength(20);
    expect(Math.max(...sizes.slice(5))).toBeLessThanOrEqual(1.25 * Math.max(...sizes.slice(0, 5)));
    expect((await storage.stats()).entryCount).toBe(100);
  });

  test('comes back after a large log is compacted and maintained', async () => {
    const directory = temporaryDirectory();
    const engine = await openEngine(directory);
    const storage = await openGroup(engine);
    for (let i = 0; i < 20; i++) {
      await storage.write({
        entries: entries(i * 500 + 1, 500, 1, new Uint8Array(2000)),
        hardState: { term: 1, vote: 1, commit: (i + 1) * 500 },
      });
    }
    await storage.compactTo(10_000);
    expect((await storage.stats()).garbageBytes).toBeGreaterThan(10 * 1024 * 1024);
    while (await storage.maintain());
    const stats = await storage.stats();
    expect(stats.garbageBytes).toBeLessThan(2 * 1024 * 1024);
    expect(statSync(join(directory, 'log.db')).size).toBeLessThan(3 * 1024 * 1024);
  });

  test('of a destroyed group and of a log that a snapshot replaced comes back', async () => {
    const engine = await openEngine(temporaryDirectory());
    const [storage, doomed] = [await openGroup(engine), await openGroup(engine, 'doomed')];
    for (const one of [storage, doomed])
      await one.write({ entries: entries(1, 3000, 1, new Uint8Array(1000)) });
    await doomed.close();
    await engine.destroyGroup('doomed');
    const confState = { voters: [1], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };
    const writer = await storage.receiveSnapshot({ index: 9000, term: 2, confState });
    const { id } = await writer.commit();
    await storage.write({ install: id });
    while (await storage.maintain());
    expect((await storage.stats()).logBytes).toBeLessThan(3 * 1024 * 1024);
    expect(await engine.listGroups()).toEqual(['g']);
  });

  test('pinned by a view is bounded: the oldest view is ended, and the log is reused', async () => {
    const directory = temporaryDirectory();
    const engine = await openEngine(directory, {
      walLimitBytes: 256 * 1024,
      checkpointBytes: 4096,
      maxPinnedBytes: 2 * 1024 * 1024,
    });
    const store = engine.orderedStore('kv');
    await store.open();
    const view = await store.view();
    for (let i = 1; i <= 200; i++) {
      const changes = Array.from(
        { length: 20 },
        (_, n) => [key(`k${String(n)}`), new Uint8Array(2000).fill(i)] as const,
      );
      await store.write({ changes, appliedIndex: i });
    }
    await expect(view.range({ limit: 1 })).rejects.toMatchObject({ code: 'STORE_SNAPSHOT_ABORTED' });
    await view.release();
    // Behind the copy that is under way: then the next write begins the log anew, within its bound.
    while (await store.maintain());
    await store.write({ changes: [], appliedIndex: 201 });
    expect(statSync(join(directory, 'state-1.db-wal')).size).toBeLessThan(4 * 1024 * 1024);
    expect(await store.count()).toBe(20);
  });

  test.each([
    ['its last view is released', true],
    ['the store is closed, whoever still holds a view', false],
  ])('of a replaced generation comes back when %s', async (_, releases) => {
    const directory = temporaryDirectory();
    const engine = await openEngine(directory);
    const store = engine.orderedStore('kv');
    await store.open();
    await store.write({ changes: [[key('old'), key('1')]], appliedIndex: 5 });
    const view = await store.view();
    const restore = await store.beginRestore();
    await restore.put([{ key: key('new'), value: key('2') }]);
    await restore.commit(9);
    expect(await view.range({ limit: 9 })).toEqual([{ key: key('old'), value: key('1') }]);
    if (releases) await view.release();
    await engine.close();
    await expect(view.range({ limit: 9 })).rejects.toMatchObject({ code: 'STORE_CLOSED' });
    expect(readdirSync(directory).filter((name) => name.startsWith('state-'))).toEqual([
      'state-2.db',
      'state-2.db.mark',
    ]);
  });

  test('views beyond the limit are refused, not queued', async () => {
    const engine = await openEngine(temporaryDirectory(), { maxViews: 2 });
    const store = engine.orderedStore('kv');
    await store.open();
    const views = [await store.view(), await store.view()];
    await expect(store.view()).rejects.toMatchObject({ code: 'OVERLOADED' });
    await views[0]?.release();
    await (await store.view()).release();
  });
});

describe('long reads', () => {
  test('let other work go on, and end with a clean prefix when the log is rewritten meanwhile', async () => {
    const engine = await openEngine(temporaryDirectory());
    const storage = await openGroup(engine);
    for (let i = 0; i < 10; i++) await storage.write({ entries: entries(i * 500 + 1, 500) });
    const reading = storage.entries(1, 5001, Number.MAX_SAFE_INTEGER);
    await storage.write({ entries: entries(1001, 1, 2), hardState: { term: 2, vote: 0, commit: 0 } });
    const read = await reading;
    expect(read.map((entry) => entry.index)).toEqual(read.map((_, i) => i + 1));
    expect(new Set(read.map((entry) => entry.term))).toEqual(new Set([1]));
    expect(read.length).toBeLessThan(5000);
  });
});
