import {
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Engine } from '@balsa/raft-core';
import { Watermark, nodeFileSystem } from '@balsa/storage-kit';
import { describe, expect, test } from 'vitest';
import { Rocks } from '../src/binding.ts';
import { logKey, witnessKey } from '../src/keys.ts';
import { entries, entry, key, openEngine, openGroup, temporaryDirectory } from './support/index.ts';

const database = (directory: string): string => join(directory, 'db');

/** Files of the database with this ending, each behind its path, the newest first. */
function files(directory: string, ending: string): string[] {
  return readdirSync(database(directory))
    .filter((name) => name.endsWith(ending))
    .sort()
    .reverse()
    .map((name) => join(database(directory), name));
}

/** The write-ahead log that counts: those before it are removed in the background. */
function logFile(directory: string): string {
  const [newest] = files(directory, '.log');
  if (newest === undefined) throw new Error('there is no write-ahead log');
  return newest;
}

function flip(path: string, offset: number): void {
  const bytes = readFileSync(path);
  bytes[offset] = (bytes[offset] ?? 0) ^ 4;
  writeFileSync(path, bytes);
}

/** Changes what RocksDB holds behind the store's back, with intact checksums of RocksDB's own. */
async function tamper(
  directory: string,
  change: (rocks: Rocks, batch: ReturnType<Rocks['batch']>) => void,
): Promise<void> {
  const rocks = await Rocks.open(database(directory), { create: false, walLimitBytes: 1_000_000 });
  const batch = rocks.batch();
  change(rocks, batch);
  batch.write({ sync: true });
  await rocks.close();
}

/** Reopening moves the write-ahead log into tables. */
async function flushed(directory: string): Promise<void> {
  await (await openEngine(directory)).close();
}

/** The same, and waits for the compaction that two tables on the first level bring about: the tables stay what they are. */
async function settled(directory: string): Promise<void> {
  const rocks = await Rocks.open(database(directory), { create: false, walLimitBytes: 1_000_000 });
  while (rocks.property('num-files-at-level0') > 1) await nextTurn();
  await rocks.close();
}

/** A store with a group of twenty entries, closed. */
async function prepare(write?: (engine: Engine) => Promise<void>): Promise<string> {
  const directory = temporaryDirectory();
  const engine = await openEngine(directory);
  await (await openGroup(engine)).write({ entries: entries(1, 20) });
  await write?.(engine);
  await engine.close();
  return directory;
}

describe('the manifest', () => {
  test('that a power cut took from a database in creation is made anew', async () => {
    const directory = temporaryDirectory();
    const watermark = { fs: nodeFileSystem, directory, name: 'watermark', lag: 4 };
    await (await Watermark.create(watermark, '0123456789abcdef')).close();
    mkdirSync(database(directory));
    writeFileSync(join(database(directory), 'CURRENT'), 'MANIFEST-000001\n');
    writeFileSync(join(database(directory), 'IDENTITY'), 'unborn');
    const engine = await openEngine(directory);
    await (await openGroup(engine)).write({ entries: entries(1, 3) });
    await engine.close();
    await openGroup(await openEngine(directory));
  });

  test('that is gone from a database that was born is refused, also where nothing is noted as acknowledged', async () => {
    const directory = await prepare();
    const manifests = readdirSync(database(directory)).filter((name) => name.startsWith('MANIFEST-'));
    for (const manifest of manifests) rmSync(join(database(directory), manifest));
    rmSync(join(directory, 'watermark'));
    const watermark = { fs: nodeFileSystem, directory, name: 'watermark', lag: 4 };
    await (await Watermark.create(watermark, '0123456789abcdef')).close();
    await expect(openEngine(directory)).rejects.toMatchObject({ code: 'STORE_CORRUPT' });
  });
});

describe('an entry', () => {
  test('whose table is damaged while it is open is STORE_CORRUPT naming the index', async () => {
    const directory = temporaryDirectory();
    const engine = await openEngine(directory);
    const storage = await openGroup(engine);
    // Incompressible enough that each entry is found by its own bytes, and large enough for a block each.
    const payload = (index: number): Buffer => Buffer.alloc(6000, index);
    await storage.write({ entries: Array.from({ length: 20 }, (_, i) => entry(i + 1, 1, payload(i + 1))) });
    await engine.close();
    await settled(directory);
    const damaged = await openGroup(await openEngine(directory));
    const path = files(directory, '.sst').find((one) => readFileSync(one).includes(payload(13)));
    if (path === undefined) throw new Error('no table holds the entry');
    flip(path, readFileSync(path).indexOf(payload(13)) + 3000);
    await expect(damaged.entries(1, 21, 1e9)).rejects.toMatchObject({
      code: 'STORE_CORRUPT',
      details: { index: 13 },
    });
    expect(await damaged.entries(1, 13, 1e9)).toHaveLength(12);
  });

  test.each([
    ['with a changed byte', 'does not match its checksum'],
    ['that belongs elsewhere', 'does not match its checksum'],
    ['that is missing', 'is missing'],
    ['behind the last one', 'lies beyond the last one'],
  ])('%s is STORE_CORRUPT when its group is opened', async (what, message) => {
    const directory = await prepare();
    await tamper(directory, (rocks, batch) => {
      const [at, other] = [logKey(1, 7), logKey(1, 8)];
      const [value, neighbour] = rocks.get([at, other]);
      if (value === undefined || neighbour === undefined) throw new Error('the entries are not there');
      if (what === 'that belongs elsewhere') batch.put(at, neighbour);
      else if (what === 'that is missing') batch.delete(at);
      else if (what === 'behind the last one') batch.put(logKey(1, 21), value);
      else batch.put(at, Buffer.concat([value.subarray(0, -1), Buffer.of(1)]));
    });
    const opening = openGroup(await openEngine(directory));
    await expect(opening).rejects.toMatchObject({ code: 'STORE_CORRUPT' });
    await expect(opening).rejects.toThrow(message);
  });

  test('that comes back from an older time does not follow from the one before it', async () => {
    const directory = await prepare();
    const saved: Buffer[] = [];
    const keys = [logKey(1, 10), logKey(1, 11)];
    await tamper(directory, (rocks) => saved.push(...rocks.get(keys).map((one) => one ?? Buffer.alloc(0))));
    const engine = await openEngine(directory);
    await (await openGroup(engine)).write({ entries: entries(10, 11, 1, key('rewritten')) });
    await engine.close();
    await tamper(directory, (_, batch) => {
      keys.forEach((one, i) => batch.put(one, saved[i] ?? Buffer.alloc(0)));
    });
    await expect(openGroup(await openEngine(directory))).rejects.toThrow(
      /does not follow from the entry before/,
    );
  });
});

describe('the write-ahead log', () => {
  const contents = (directory: string): string[] =>
    readdirSync(database(directory))
      .filter((name) => name !== 'LOCK')
      .map((name) => `${name} ${readFileSync(join(database(directory), name)).toString('base64')}`);

  /** Forty writes and a change of term, all of them in the write-ahead log. */
  const fill = async (engine: Engine): Promise<void> => {
    const storage = await openGroup(engine, 'h');
    for (let i = 1; i <= 40; i++) await storage.write({ entries: entries(i, 1) });
    await storage.write({ hardState: { term: 2, vote: 1, commit: 0 } });
  };

  test('with a flipped bit is refused, and every file is left as it was, as often as it is tried', async () => {
    const directory = await prepare(fill);
    const log = logFile(directory);
    flip(log, Math.floor(statSync(log).size / 2));
    const before = contents(directory);
    for (let i = 0; i < 2; i++) {
      await expect(openEngine(directory)).rejects.toMatchObject({ code: 'STORE_ACKNOWLEDGED_WRITE_LOST' });
      expect(contents(directory)).toEqual(before);
    }
    expect(readdirSync(directory).sort()).toEqual(['db', 'snapshots', 'watermark']);
  });

  test('with a flipped bit is opened by a relaxed store, which says what is lost', async () => {
    const directory = await prepare(fill);
    const log = logFile(directory);
    flip(log, Math.floor(statSync(log).size / 2));
    const engine = await openEngine(directory, { durability: 'relaxed' });
    expect((await engine.group('h').open()).lastIndex).toBeLessThan(40);
    // What is written now counts from the watermark, not from what was found.
    await engine.group('h').write({ hardState: { term: 3, vote: 1, commit: 0 } });
    await engine.close();
    expect((await (await openEngine(directory)).group('h').open()).hardState.term).toBe(3);
  });

  test('that goes back behind a sync of an ordered store is refused', async () => {
    const directory = await prepare();
    const engine = await openEngine(directory);
    const store = engine.orderedStore('kv');
    await store.open();
    const log = logFile(directory);
    const before = readFileSync(log);
    await store.write({ changes: [[key('a'), key('1')]], appliedIndex: 5 });
    await store.sync();
    await engine.close();
    writeFileSync(log, before);
    await expect(openEngine(directory)).rejects.toMatchObject({ code: 'STORE_ACKNOWLEDGED_WRITE_LOST' });
  });

  test('is not compressed: that would double the cost of a synced batch', async () => {
    const directory = temporaryDirectory();
    const engine = await openEngine(directory);
    await (await openGroup(engine)).write({ entries: [entry(1, 1, new Uint8Array(500_000))] });
    expect(statSync(logFile(directory)).size).toBeGreaterThan(500_000);
  });
});

describe('tables that RocksDB forgot', () => {
  test('because its manifest lost its end are noticed', async () => {
    const directory = await prepare();
    await flushed(directory);
    // An older one may still lie there.
    const manifest = join(
      database(directory),
      readFileSync(join(database(directory), 'CURRENT'), 'utf8').trim(),
    );
    truncateSync(manifest, Math.floor(statSync(manifest).size / 2));
    await expect(openEngine(directory)).rejects.toMatchObject({ code: 'STORE_CORRUPT' });
  });

  test('are noticed by a witness that is not there', async () => {
    const directory = await prepare();
    await flushed(directory);
    await tamper(directory, (_, batch) => {
      batch.delete(witnessKey(1));
    });
    await expect(openEngine(directory)).rejects.toThrow(/tables are missing from its middle/);
  });

  test('leave a witness in every flush, and only so many are kept', async () => {
    const directory = temporaryDirectory();
    const engine = await openEngine(directory, { walLimitBytes: 1024 * 1024 });
    const storage = await openGroup(engine);
    for (let i = 0; i < 400; i++)
      await storage.write({ entries: entries(i * 100 + 1, 100, 1, new Uint8Array(256)) });
    await engine.close();
    await tamper(directory, (rocks) => {
      const rows = rocks.iterate({ gte: witnessKey(0), lt: witnessKey(1_000_000) }, 1e6);
      const found = rows.next(100_000).length;
      rows.close();
      expect(found).toBeGreaterThan(100);
      expect(found).toBeLessThanOrEqual(260);
    });
    await openEngine(directory);
  });
});

describe('what is not there', () => {
  test.each(['watermark', 'db/CURRENT'])('%s missing is refused', async (name) => {
    const directory = await prepare();
    rmSync(join(directory, name));
    const refusal = openEngine(directory);
    await expect(refusal).rejects.toMatchObject({
      code: name === 'watermark' ? 'STORE_CORRUPT' : 'STORE_ACKNOWLEDGED_WRITE_LOST',
    });
  });

  test('an opening that was cut short between two renames is finished', async () => {
    const directory = await prepare();
    renameSync(database(directory), join(directory, 'rollback'));
    expect((await (await openEngine(directory)).group('g').open()).lastIndex).toBe(20);
  });
});
