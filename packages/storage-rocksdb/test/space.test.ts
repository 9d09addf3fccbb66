import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { randomFillSync } from 'node:crypto';
import type { Engine, Env, Storage } from '@balsa/raft-core';
import { describe, expect, test } from 'vitest';
import { override } from '@balsa/test-suite/zoo';
import { openChangedEngine } from '@balsa/storage-rocksdb/testing';
import { Rocks } from '../src/binding.ts';
import { metaKey } from '../src/keys.ts';
import { entry, entries, env, key, openEngine, openGroup, temporaryDirectory } from './support/index.ts';

const megabyte = 1024 * 1024;

function bytesOf(directory: string, ending = ''): number {
  const path = join(directory, 'db');
  let sum = 0;
  for (const name of readdirSync(path)) {
    if (!name.endsWith(ending)) continue;
    // RocksDB removes files while this looks at them.
    sum += statSync(join(path, name), { throwIfNoEntry: false })?.size ?? 0;
  }
  return sum;
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Finds what never comes: threads in the background compact, and remove files one by one, as fast as the disk is. */
const patienceMs = 240_000;

/** Waits for a background compaction: RocksDB says nothing when it is done. */
async function eventually(holds: () => boolean, what: string): Promise<void> {
  const until = env.now() + patienceMs;
  while (!holds()) {
    if (env.now() > until) throw new Error(`not within ${String(patienceMs / 1000)} s: ${what}`);
    await turn();
  }
}

/** Appends `bytes` in batches of 64 KiB, each entry with bytes of its own. Returns the last index. */
async function append(storage: Storage, last: number, bytes: number): Promise<number> {
  for (let written = 0; written < bytes; written += 256 * 256) {
    const batch = Array.from({ length: 256 }, (_, i) =>
      entry(last + i + 1, 1, randomFillSync(new Uint8Array(232))),
    );
    last += batch.length;
    await storage.write({ entries: batch, hardState: { term: 1, vote: 1, commit: last } });
  }
  return last;
}

describe('the write-ahead log', () => {
  test('is back within its limit, apart from a batch, whatever is written', async () => {
    const directory = temporaryDirectory();
    const walLimitBytes = 2 * megabyte;
    const engine = await openEngine(directory, { walLimitBytes });
    const storage = await openGroup(engine);
    let [last, most] = [0, 0];
    for (let i = 0; i < 160; i++) {
      last = await append(storage, last, 65_536);
      most = Math.max(most, bytesOf(directory, '.log'));
      // A log that is needed no more is removed behind the writer.
      const isWithin = (): boolean => bytesOf(directory, '.log') <= walLimitBytes + 2 * 65_536;
      await eventually(isWithin, 'what is needed of the log fits its limit');
    }
    expect(most).toBeGreaterThan(megabyte / 4);
  });
});

describe('space', () => {
  test('of a compacted log is back within twice the limit of the write-ahead log of further writes', async () => {
    const directory = temporaryDirectory();
    const walLimitBytes = 2 * megabyte;
    const engine = await openEngine(directory, { walLimitBytes });
    const storage = await openGroup(engine);
    const last = await append(storage, 0, 24 * megabyte);
    await storage.compactTo(last);
    expect(await storage.maintain(), 'a deleted range is to be brought on its way').toBe(true);
    expect((await storage.stats()).garbageBytes).toBeGreaterThan(20 * megabyte);
    await append(storage, last, 2 * walLimitBytes);
    await eventually(() => bytesOf(directory) < 6 * walLimitBytes, 'the files shrink');
    expect((await storage.stats()).entryCount).toBe((2 * walLimitBytes) / 256);
  });

  test('of a compacted log is back by housekeeping alone when nobody writes', async () => {
    const directory = temporaryDirectory();
    const walLimitBytes = 2 * megabyte;
    const engine = await openEngine(directory, { walLimitBytes });
    const storage = await openGroup(engine);
    const last = await append(storage, 0, 24 * megabyte);
    await storage.compactTo(last);
    while (await storage.maintain());
    await eventually(() => bytesOf(directory, '.sst') < 2.5 * walLimitBytes, 'the files shrink');
    expect((await storage.stats()).entryCount).toBe(0);
  });

  test('of what an earlier life compacted is given back, too', async () => {
    const directory = temporaryDirectory();
    const walLimitBytes = 2 * megabyte;
    const first = await openEngine(directory, { walLimitBytes });
    const storage = await openGroup(first);
    const last = await append(storage, 0, 24 * megabyte);
    await storage.compactTo(last);
    await storage.maintain();
    await first.close();
    const second = await openGroup(await openEngine(directory, { walLimitBytes }));
    while (await second.maintain());
    await eventually(() => bytesOf(directory, '.sst') < 2.5 * walLimitBytes, 'the files shrink');
  });

  /** An engine that counts the filler it writes; `property` is what the database says of itself. */
  async function counted(
    directory: string,
    walLimitBytes: number,
    property?: (name: string) => number,
  ): Promise<{ readonly engine: Engine; readonly storage: Storage; readonly filled: () => number }> {
    let filled = 0;
    const hasty: Env = { ...env, setTimer: (_ms, callback) => env.setTimer(0, callback) };
    const engine = await openChangedEngine({ directory, env: hasty, walLimitBytes }, (rocks) =>
      override(rocks, {
        property: property ?? ((name) => rocks.property(name)),
        batch: () => {
          const batch = rocks.batch();
          return override(batch, {
            put: (at, value) => {
              if (Buffer.from(at).equals(metaKey('filler'))) filled += value.length;
              batch.put(at, value);
            },
          });
        },
      }),
    );
    return { engine, storage: await openGroup(engine), filled: () => filled };
  }

  async function slicesOf(storage: Storage): Promise<number> {
    let slices = 0;
    while (await storage.maintain()) slices++;
    return slices;
  }

  test('that cannot be had back makes housekeeping write no more than twice the limit, and than was deleted', async () => {
    const walLimitBytes = 2 * megabyte;
    const held = (name: string): number => (name === 'live-sst-files-size' ? 1e9 : 0);
    const { engine, storage, filled } = await counted(temporaryDirectory(), walLimitBytes, held);
    expect(await slicesOf(storage)).toBeLessThanOrEqual(50);
    expect(filled()).toBeGreaterThan(walLimitBytes);
    expect(filled()).toBeLessThanOrEqual(2.5 * walLimitBytes);
    const before = filled();
    const last = await append(storage, 0, megabyte);
    await storage.compactTo(last);
    await slicesOf(storage);
    const more = filled() - before;
    expect(more, 'no more than was deleted, and the rest of a slice').toBeLessThanOrEqual(1.2 * megabyte);
    expect(more).toBeGreaterThan(megabyte / 2);
    await engine.close();
  });

  test('is not looked for among the pairs of a store that nobody opened', async () => {
    const directory = temporaryDirectory();
    const walLimitBytes = megabyte;
    const first = await openEngine(directory, { walLimitBytes });
    const store = first.orderedStore('kv');
    await store.open();
    for (let batch = 1; batch <= 40; batch++) {
      const changes = Array.from(
        { length: 100 },
        (_, i) => [key(String(batch * 100 + i)), randomFillSync(new Uint8Array(1000))] as const,
      );
      await store.write({ changes, appliedIndex: batch });
    }
    expect(bytesOf(directory, '.sst'), 'enough to be looked at').toBeGreaterThan(3 * walLimitBytes);
    await first.close();
    const { engine, storage, filled } = await counted(directory, walLimitBytes);
    await slicesOf(storage);
    expect(filled()).toBe(0);
    await engine.close();
  });

  test('that compactions never end with makes housekeeping wait, and not for ever', async () => {
    const names = ['live-sst-files-size', 'num-running-compactions'];
    const held = (name: string): number => (names.includes(name) ? 1e9 : 0);
    const { engine, storage, filled } = await counted(temporaryDirectory(), 2 * megabyte, held);
    expect(await slicesOf(storage)).toBe(4000);
    expect(filled()).toBe(0);
    await engine.close();
  });

  test('that compactions on a slow disk are busy with is waited for as long as they get on', async () => {
    let pending = 100 * megabyte;
    // More looks than may be in vain.
    const slow = (name: string): number => {
      if (name === 'estimate-pending-compaction-bytes') return (pending = Math.max(0, pending - 20_000));
      return name === 'num-running-compactions' || name === 'live-sst-files-size' ? 1e9 : 0;
    };
    const { engine, storage } = await counted(temporaryDirectory(), megabyte, slow);
    expect(await slicesOf(storage)).toBeGreaterThan((100 * megabyte) / 20_000);
    await engine.close();
  });

  test('stays bounded over cycles of append and compact, and the head is read as ever', async () => {
    const directory = temporaryDirectory();
    const engine = await openEngine(directory, { walLimitBytes: 2 * megabyte });
    const storage = await openGroup(engine);
    let last = 0;
    for (let cycle = 0; cycle < 20; cycle++) {
      last = await append(storage, last, 2 * megabyte);
      await storage.compactTo(last - 100);
      while (await storage.maintain());
      // A third of what all cycles append.
      await eventually(() => bytesOf(directory) < 14 * megabyte, 'the files of all cycles before are gone');
      expect(await storage.entries(last - 99, last + 1, 1e9)).toHaveLength(100);
    }
  });

  test('a few compacted entries are not worth a range: they go with the next ones', async () => {
    const directory = temporaryDirectory();
    const engine = await openEngine(directory);
    const storage = await openGroup(engine);
    await storage.write({ entries: entries(1, 100), hardState: { term: 1, vote: 1, commit: 100 } });
    await storage.compactTo(90);
    await storage.maintain();
    await engine.close();
    const rocks = await Rocks.open(join(directory, 'db'), { create: false, walLimitBytes: megabyte });
    const rows = rocks.iterate({ gte: Buffer.of(3), lt: Buffer.of(4) }, megabyte);
    expect(rows.next(1000)).toHaveLength(100);
    await rocks.close();
  });

  test('of a destroyed group, a replaced log and an aborted restore is given back', async () => {
    const directory = temporaryDirectory();
    const engine = await openEngine(directory);
    const [storage, doomed] = [await openGroup(engine), await openGroup(engine, 'doomed')];
    for (const one of [storage, doomed])
      await one.write({ entries: entries(1, 300, 1, new Uint8Array(1000)) });
    await doomed.close();
    await engine.destroyGroup('doomed');
    const confState = { voters: [1], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };
    const writer = await storage.receiveSnapshot({ index: 9000, term: 2, confState });
    const { id } = await writer.commit();
    await storage.write({ install: id });
    const store = engine.orderedStore('kv');
    await store.open();
    const restore = await store.beginRestore();
    await restore.put([{ key: key('half'), value: key('done') }]);
    await restore.abort();
    await storage.maintain();
    await engine.close();
    const rocks = await Rocks.open(join(directory, 'db'), { create: false, walLimitBytes: megabyte });
    const count = (first: number): number => {
      const rows = rocks.iterate({ gte: Buffer.of(first), lt: Buffer.of(first + 1) }, megabyte);
      return rows.next(10_000).length;
    };
    expect([count(3), count(5)], 'entries; the summary of the present generation').toEqual([0, 1]);
    await rocks.close();
  });

  test('of a restore that a crash cut short is given back after the next opening', async () => {
    const directory = temporaryDirectory();
    await (await openEngine(directory)).close();
    const rocks = await Rocks.open(join(directory, 'db'), { create: false, walLimitBytes: megabyte });
    const batch = rocks.batch();
    batch.put(Buffer.of(5, 0, 0, 0, 9, 1, 7), key('left over'));
    batch.write({ sync: true });
    await rocks.close();
    const engine = await openEngine(directory);
    const store = engine.orderedStore('kv');
    await store.open();
    await store.maintain();
    await engine.close();
    const again = await Rocks.open(join(directory, 'db'), { create: false, walLimitBytes: megabyte });
    expect(again.get([Buffer.of(5, 0, 0, 0, 9, 1, 7)])).toEqual([undefined]);
    await again.close();
  });
});

describe('views', () => {
  test('that pin more than the bound end, the oldest first, and the store goes on', async () => {
    const directory = temporaryDirectory();
    const engine = await openEngine(directory, { walLimitBytes: megabyte, maxPinnedBytes: 500_000 });
    const store = engine.orderedStore('kv');
    await store.open();
    const write = async (round: number): Promise<void> => {
      const changes = Array.from(
        { length: 50 },
        (_, n) => [key(`k${String(round % 10)}-${String(n)}`), randomFillSync(new Uint8Array(4000))] as const,
      );
      await store.write({ changes, appliedIndex: round });
    };
    // A view pins what there is when it is made: tables of two megabytes, which are then replaced.
    for (let round = 1; round <= 10; round++) await write(round);
    const view = await store.view();
    expect(await view.range({ limit: 1 })).toHaveLength(1);
    for (let round = 11; round <= 60; round++) await write(round);
    await expect(view.range({ limit: 1 })).rejects.toMatchObject({ code: 'STORE_SNAPSHOT_ABORTED' });
    await view.release();
    expect(await store.count()).toBe(500);
  });

  test('that are open for too long end', async () => {
    const engine = await openEngine(temporaryDirectory(), { maxViewMs: 1 });
    const store = engine.orderedStore('kv');
    await store.open();
    const view = await store.view();
    let refusal: unknown;
    while (refusal === undefined) {
      refusal = await view.range({ limit: 1 }).then(
        () => undefined,
        (error: unknown) => error,
      );
      await turn();
    }
    expect(refusal).toMatchObject({ code: 'STORE_SNAPSHOT_ABORTED' });
  });

  test('beyond the limit are refused, not queued', async () => {
    const engine = await openEngine(temporaryDirectory(), { maxViews: 2 });
    const store = engine.orderedStore('kv');
    await store.open();
    const views = [await store.view(), await store.view()];
    await expect(store.view()).rejects.toMatchObject({ code: 'OVERLOADED' });
    await views[0]?.release();
    await (await store.view()).release();
  });
});

describe('one turn of the event loop', () => {
  const sequenceAfter = async (bytes: number): Promise<number> => {
    const directory = temporaryDirectory();
    const engine = await openEngine(directory);
    const groups = await Promise.all(['a', 'b', 'c', 'd'].map((id) => openGroup(engine, id)));
    await Promise.all(groups.map((group) => group.write({ entries: [entry(1, 1, new Uint8Array(bytes))] })));
    await engine.close();
    const rocks = await Rocks.open(join(directory, 'db'), { create: false, walLimitBytes: megabyte });
    const [value] = rocks.get([Buffer.from('\u0001sequence')]);
    await rocks.close();
    return (JSON.parse(value?.toString('utf8', 4) ?? '[0]') as number[])[0] ?? 0;
  };

  test('writes what groups want together, when it is little', async () => {
    expect(await sequenceAfter(1000)).toBe(1);
  });

  test('writes no more than 4 MiB of several groups: the rest waits for the next turn', async () => {
    expect(await sequenceAfter(1_500_000)).toBe(2);
  });
});
