import { readdirSync } from 'node:fs';
import { nodeFileSystem, type FileSystem } from '@balsa/storage-kit';
import { describe, expect, test } from 'vitest';
import { entries, key, openEngine, openGroup, temporaryDirectory } from './support/index.ts';

const files = (directory: string, end: string): string[] =>
  readdirSync(directory).filter((name) => name.endsWith(end));

describe('space', () => {
  test('a few old entries of one group do not pin the segments of another', async () => {
    const directory = temporaryDirectory();
    const engine = await openEngine(directory, { segmentBytes: 8192 });
    const [quiet, busy] = [await openGroup(engine, 'quiet'), await openGroup(engine, 'busy')];
    await quiet.write({ entries: entries(1, 3) });
    for (let i = 1; i <= 100; i++) {
      await busy.write({
        entries: entries(i, 1, 1, 'x'.repeat(1000)),
        hardState: { term: 1, vote: 1, commit: i },
      });
    }
    const before = files(directory, '.seg').length;
    await busy.compactTo(98);
    let slices = 0;
    while (await busy.maintain()) expect(++slices).toBeLessThan(200);
    expect(files(directory, '.seg').length).toBeLessThan(before / 3);
    expect((await busy.stats()).garbageBytes).toBeLessThan(3 * 8192);
    await engine.close();
    const again = await openEngine(directory);
    expect(await (await openGroup(again, 'quiet')).entries(1, 4, Infinity)).toEqual(entries(1, 3));
    expect(await (await openGroup(again, 'busy')).entries(99, 101, Infinity)).toHaveLength(2);
  });

  test('a segment that cannot be read while it is emptied is an error with a code', async () => {
    const directory = temporaryDirectory();
    let failing = false;
    const fs: FileSystem = {
      ...nodeFileSystem,
      async open(path, mode) {
        const handle = await nodeFileSystem.open(path, mode);
        const read = handle.read.bind(handle);
        handle.read = (buffer, position) =>
          failing && path.endsWith('.seg') ? Promise.reject(new Error('EIO')) : read(buffer, position);
        return handle;
      },
    };
    const engine = await openEngine(directory, { segmentBytes: 8192, fs });
    const [quiet, busy] = [await openGroup(engine, 'quiet'), await openGroup(engine, 'busy')];
    await quiet.write({ entries: entries(1, 3) });
    for (let i = 1; i <= 100; i++) {
      await busy.write({
        entries: entries(i, 1, 1, 'x'.repeat(1000)),
        hardState: { term: 1, vote: 1, commit: i },
      });
    }
    await busy.compactTo(98);
    failing = true;
    await expect(busy.maintain()).rejects.toMatchObject({ code: 'STORE_IO' });
  });

  test('many openings do not leave many segments', async () => {
    const directory = temporaryDirectory();
    for (let life = 1; life <= 40; life++) {
      const engine = await openEngine(directory);
      const storage = await openGroup(engine);
      await storage.write({ entries: entries(life, 1) });
      while (await storage.maintain());
      await engine.close();
    }
    expect(files(directory, '.seg').length).toBeLessThan(25);
    expect(await (await openGroup(await openEngine(directory))).entries(1, 41, Infinity)).toEqual(
      entries(1, 40),
    );
  });

  test('a read that began before a compaction and its removals gives what it was asked for', async () => {
    const directory = temporaryDirectory();
    const engine = await openEngine(directory, { segmentBytes: 4096 });
    const storage = await openGroup(engine);
    for (let i = 1; i <= 30; i++) {
      await storage.write({
        entries: entries(i, 1, 1, 'x'.repeat(500)),
        hardState: { term: 1, vote: 1, commit: i },
      });
    }
    const compaction = storage.compactTo(29);
    const read = storage.entries(1, 31, Infinity);
    await compaction;
    while (await storage.maintain());
    expect(await read).toHaveLength(30);
    await expect(storage.entries(29, 31, Infinity)).rejects.toMatchObject({ code: 'STORE_COMPACTED' });
  });

  test('an ordered store whose files are mostly garbage is rewritten, and views go on', async () => {
    const directory = temporaryDirectory();
    const engine = await openEngine(directory);
    const store = engine.orderedStore('kv');
    await store.open();
    const value = new Uint8Array(10_000);
    for (let i = 1; i <= 300; i++)
      await store.write({ changes: [[key(`k${String(i % 3)}`), value]], appliedIndex: i });
    const view = await store.view();
    const before = await store.bytes();
    await store.maintain();
    expect(await store.bytes()).toBeLessThan(before / 10);
    await store.write({ changes: [[key('k0'), undefined]], appliedIndex: 301 });
    expect(view.count).toBe(3);
    expect(await view.range({ limit: 10 })).toHaveLength(3);
    await engine.close();
    const again = (await openEngine(directory)).orderedStore('kv');
    expect(await again.open()).toEqual({ appliedIndex: 301 });
    expect(await again.count()).toBe(2);
    expect(files(directory, '.dat')).toHaveLength(2);
  });
});
