import { crc32 } from 'node:zlib';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { assertSqliteVersion } from '@balsa/storage-sqlite';
import { describe, expect, test } from 'vitest';
import { entries, env, key, openEngine, openGroup, openInMode, temporaryDirectory } from './support/index.ts';
import { Child } from './support/child.ts';

describe('one owner', () => {
  test('a second opener in the same process is refused, and let in after the close', async () => {
    const directory = temporaryDirectory();
    const engine = await openEngine(directory);
    await expect(openInMode({ directory, env })).rejects.toMatchObject({ code: 'STORE_LOCKED' });
    await engine.close();
    await openEngine(directory);
  });

  test('a second opener in another process is refused until the first is killed', async () => {
    const directory = temporaryDirectory();
    const child = new Child('hold', directory);
    await child.said('held');
    await expect(openInMode({ directory, env })).rejects.toMatchObject({ code: 'STORE_LOCKED' });
    await child.kill();
    await openEngine(directory);
  });

  test('a writer whose epoch was raised by another is fenced, in the log and in ordered stores', async () => {
    const directory = temporaryDirectory();
    const engine = await openEngine(directory);
    const storage = await openGroup(engine);
    const store = engine.orderedStore('kv');
    await store.open();
    await storage.write({ entries: entries(1, 1) });
    const rival = new Database(join(directory, 'log.db'));
    const crc = crc32('99', crc32('owner_epoch\0'));
    rival.prepare(`UPDATE meta SET value = '99', crc = ? WHERE key = 'owner_epoch'`).run(crc);
    rival.close();
    await expect(storage.write({ entries: entries(2, 1) })).rejects.toMatchObject({ code: 'STORE_FENCED' });
    await expect(store.write({ changes: [[key('a'), key('b')]], appliedIndex: 1 })).rejects.toMatchObject({
      code: 'STORE_FENCED',
    });
    await engine.close();
    const again = await openEngine(directory);
    expect((await again.group('g').open()).lastIndex).toBe(1);
  });
});

describe('unsafe settings', () => {
  test.each(['OFF', 'NORMAL'] as const)(
    'synchronous %s is refused with the fix in the message',
    async (synchronous) => {
      const directory = temporaryDirectory();
      const opening = openInMode({ directory, env, synchronous });
      await expect(opening).rejects.toMatchObject({ code: 'STORE_UNSAFE_SETTING' });
      await expect(opening).rejects.toThrow(/set synchronous to FULL.*durability: 'relaxed'/);
      await openEngine(directory);
    },
  );

  test('relaxed has to be said, and is then said by the capabilities', async () => {
    const engine = await openEngine(temporaryDirectory(), { durability: 'relaxed' });
    expect(engine.capabilities.durability).toBe('relaxed');
    await (await openGroup(engine)).write({ entries: entries(1, 1) });
    expect((await openEngine(temporaryDirectory())).capabilities.durability).toBe('strict');
  });

  test.each([
    ['3.40.1', false],
    ['3.51.2', false],
    ['3.51.3', true],
    ['3.53.2', true],
    ['4.0.0', true],
  ] as const)('SQLite %s is taken: %s', (version, taken) => {
    const check = (): void => {
      assertSqliteVersion(version);
    };
    if (taken) expect(check).not.toThrow();
    else expect(check).toThrow(/3\.51\.3/);
  });

  test('a database of something else is left alone', async () => {
    const directory = temporaryDirectory();
    const other = new Database(join(directory, 'log.db'));
    other.exec('CREATE TABLE customers (id INTEGER)');
    other.close();
    await expect(openInMode({ directory, env })).rejects.toMatchObject({
      code: 'STORE_FORMAT_VERSION',
    });
  });

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
    await expect(openInMode({ directory, env, maxEntryBytes: 1000 })).rejects.toMatchObject({
      code: 'STORE_ENTRY_TOO_LARGE',
    });
    expect(await (await openEngine(directory)).identity()).toEqual(identity);
  });
});

test('a durability that there is not is refused rather than taken for one that loses writes', async () => {
  const durability = 'Strict' as 'strict';
  const opening = openInMode({ directory: temporaryDirectory(), env, durability });
  await expect(opening).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', details: { field: 'durability' } });
});
