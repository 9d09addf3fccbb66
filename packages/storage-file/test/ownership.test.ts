import { mkdirSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { noLock, openFileEngine } from '@balsa/storage-file';
import { describe, expect, test } from 'vitest';
import { entries, env, key, openEngine, openGroup, temporaryDirectory } from './support/index.ts';

describe('one owner', () => {
  test('a second opener is refused, whatever path it takes, and let in after the close', async () => {
    const root = temporaryDirectory();
    const directory = join(root, 'data');
    mkdirSync(directory);
    symlinkSync(directory, join(root, 'link'));
    const engine = await openEngine(directory);
    for (const path of [directory, join(root, 'link')]) {
      await expect(openFileEngine({ directory: path, env })).rejects.toMatchObject({ code: 'STORE_LOCKED' });
    }
    await engine.close();
    await openEngine(directory);
  });

  test('an opener whom the lock does not see fences the first, whose next writes are refused', async () => {
    const directory = temporaryDirectory();
    const first = await openEngine(directory, { lock: noLock });
    const storage = await openGroup(first);
    const store = first.orderedStore('kv');
    await store.open();
    await storage.write({ entries: entries(1, 2) });
    const second = await openEngine(directory, { lock: noLock });
    await expect(storage.write({ entries: entries(3, 1) })).rejects.toMatchObject({ code: 'STORE_FENCED' });
    await expect(store.write({ changes: [[key('a'), key('b')]], appliedIndex: 1 })).rejects.toMatchObject({
      code: 'STORE_FENCED',
    });
    await expect(storage.maintain()).rejects.toMatchObject({ code: 'STORE_FENCED' });
    expect((await second.group('g').open()).lastIndex).toBe(2);
  });

  test('a fenced owner that closes changes nothing for the new one', async () => {
    const directory = temporaryDirectory();
    const first = await openEngine(directory, { lock: noLock });
    await (await openGroup(first)).write({ entries: entries(1, 2) });
    const second = await openEngine(directory, { lock: noLock });
    const storage = await openGroup(second);
    await storage.write({ entries: entries(3, 2), hardState: { term: 2, vote: 1, commit: 4 } });
    await first.close();
    await storage.write({ entries: entries(5, 1, 2) });
    await second.close();
    const third = await openEngine(directory);
    expect(await third.group('g').open()).toMatchObject({ lastIndex: 5, hardState: { term: 2 } });
  });

  test('files of other names in the directory stay untouched', async () => {
    const directory = temporaryDirectory();
    mkdirSync(join(directory, 'log-mine'));
    await (await openEngine(directory)).close();
    expect(readdirSync(directory)).toContain('log-mine');
  });
});

test('a durability that there is not is refused rather than taken for one that does not sync', async () => {
  const durability = 'Strict' as 'strict';
  const opening = openFileEngine({ directory: temporaryDirectory(), env, durability });
  await expect(opening).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', details: { field: 'durability' } });
});

test('a directory with a watermark and nothing else is not told to be a loss alone', async () => {
  const directory = temporaryDirectory();
  const engine = await openEngine(directory);
  await (await openGroup(engine)).write({ entries: entries(1, 1) });
  await engine.close();
  for (const name of readdirSync(directory))
    if (name !== 'watermark') rmSync(join(directory, name), { recursive: true });
  await expect(openFileEngine({ directory, env })).rejects.toMatchObject({
    code: 'STORE_ACKNOWLEDGED_WRITE_LOST',
    message: expect.stringContaining('is the directory that of another engine') as string,
  });
});
