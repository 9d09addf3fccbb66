import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openRocksdbEngine } from '@balsa/storage-rocksdb';
import { describe, expect, test } from 'vitest';
import { Rocks } from '../src/binding.ts';
import { metaKey } from '../src/keys.ts';
import { seal } from '../src/records.ts';
import { entries, env, key, openEngine, openGroup, temporaryDirectory } from './support/index.ts';

const child = fileURLToPath(new URL('./support/child-main.mjs', import.meta.url));

describe('one owner', () => {
  test.each([false, true])(
    'a second opener in the same process is refused, and let in after the close (worker: %s)',
    async (worker) => {
      const directory = temporaryDirectory();
      const engine = await openEngine(directory);
      const second = openRocksdbEngine({ directory, env, worker });
      await expect(second).rejects.toMatchObject({ code: 'STORE_LOCKED' });
      await engine.close();
      await openEngine(directory, { worker });
    },
  );

  test('a second opener in another process is refused until the first is killed', async () => {
    const directory = temporaryDirectory();
    const holder = spawn(process.execPath, [child, 'hold', directory], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(holder.stdout, 'data');
    await expect(openEngine(directory)).rejects.toMatchObject({ code: 'STORE_LOCKED' });
    holder.kill('SIGKILL');
    await once(holder, 'close');
    await openEngine(directory);
  });

  test("RocksDB's own lock refuses who cannot see ours, and the database is as it was", async () => {
    const directory = temporaryDirectory();
    const first = await openEngine(directory);
    await (await openGroup(first)).write({ entries: entries(1, 3) });
    await first.close();
    const rocks = await Rocks.open(join(directory, 'db'), { create: false, walLimitBytes: 1_000_000 });
    await expect(openEngine(directory)).rejects.toMatchObject({ code: 'STORE_LOCKED' });
    await rocks.close();
    expect((await (await openEngine(directory)).group('g').open()).lastIndex).toBe(3);
  });

  test('calls after the close are refused and do not reach the database that is gone', async () => {
    const engine = await openEngine(temporaryDirectory());
    const storage = await openGroup(engine);
    const store = engine.orderedStore('kv');
    await store.open();
    await storage.write({ entries: entries(1, 3) });
    const view = await store.view();
    await engine.close();
    const calls = [
      storage.entries(1, 2, 1),
      storage.write({ entries: entries(4, 1) }),
      store.getMany([key('a')]),
      store.range({ limit: 1 }),
      view.range({ limit: 1 }),
      engine.identity(),
    ];
    for (const call of calls) await expect(call).rejects.toMatchObject({ code: 'STORE_CLOSED' });
  });
});

describe('a directory of something else', () => {
  const refusal = { code: 'STORE_FORMAT_VERSION' };

  test('is refused and stays untouched', async () => {
    const directory = temporaryDirectory();
    writeFileSync(join(directory, 'thesis.txt'), 'chapter one');
    await expect(openEngine(directory)).rejects.toMatchObject(refusal);
    expect(readdirSync(directory)).toEqual(['thesis.txt']);
  });

  test.each([false, true])(
    'is refused and stays untouched when it is a RocksDB of somebody else (watermark beside it: %s)',
    async (watermark) => {
      const directory = temporaryDirectory();
      if (watermark) await (await openEngine(directory)).close();
      const path = join(directory, watermark ? 'other' : '');
      mkdirSync(path, { recursive: true });
      const rocks = await Rocks.open(join(path, 'db'), { create: true, walLimitBytes: 1_000_000 });
      const batch = rocks.batch();
      batch.put(key('customer-1'), key('Ada'));
      batch.write({ sync: true });
      await rocks.close();
      const before = contents(join(path, 'db'));
      await expect(openEngine(path)).rejects.toMatchObject(refusal);
      expect(contents(join(path, 'db'))).toEqual(before);
    },
  );

  test('is refused when its format is of another version', async () => {
    const directory = temporaryDirectory();
    await (await openEngine(directory)).close();
    const rocks = await Rocks.open(join(directory, 'db'), { create: false, walLimitBytes: 1_000_000 });
    const batch = rocks.batch();
    const format = metaKey('format');
    batch.put(format, seal(format, 2));
    batch.write({ sync: true });
    await rocks.close();
    await expect(openEngine(directory)).rejects.toThrow(/format 2; this version reads and writes format 1/);
  });
});

/** Names and bytes of all files but RocksDB's lock, which has none. */
function contents(directory: string): Record<string, string> {
  const names = readdirSync(directory).filter((name) => name !== 'LOCK');
  return Object.fromEntries(
    names.map((name) => [name, readFileSync(join(directory, name)).toString('base64')]),
  );
}

describe('settings', () => {
  test('a cluster whose entries do not fit is refused, at stamping and at opening', async () => {
    const directory = temporaryDirectory();
    const identity = {
      clusterId: '0123456789abcdef',
      nodeId: 1,
      incarnation: 'fedcba9876543210',
      maxEntryBytes: 1_000_000,
    };
    const small = await openEngine(directory, { maxEntryBytes: 1000 });
    await expect(small.stamp(identity)).rejects.toMatchObject({ code: 'STORE_ENTRY_TOO_LARGE' });
    await small.close();
    const large = await openEngine(directory);
    await large.stamp(identity);
    await large.close();
    await expect(openEngine(directory, { maxEntryBytes: 1000 })).rejects.toMatchObject({
      code: 'STORE_ENTRY_TOO_LARGE',
    });
    expect(await (await openEngine(directory)).identity()).toEqual(identity);
  });

  test('relaxed has to be said, and is then said by the capabilities', async () => {
    const engine = await openEngine(temporaryDirectory(), { durability: 'relaxed' });
    expect(engine.capabilities).toMatchObject({ durability: 'relaxed', watermarkLag: Infinity });
    await (await openGroup(engine)).write({ entries: entries(1, 1) });
    expect((await openEngine(temporaryDirectory())).capabilities).toMatchObject({
      durability: 'strict',
      watermarkLag: 1024,
    });
  });
});
