/** Large entries, many entries, and the limit. */
import assert from 'node:assert/strict';
import { defaultMaxEntryBytes, Entry, entryOverheadBytes, EntryType, NoLimit } from '@balsa/raft-core';
import type { ConformanceCase } from '../case.ts';
import { refuses, sameEntries, sameGroup } from '../check.ts';
import { entry, hard, pattern, run } from '../make.ts';

const ofSize = (index: number, size: number, inContext = 0): Entry =>
  new Entry(
    1,
    index,
    EntryType.Normal,
    pattern(size - entryOverheadBytes - inContext, index),
    pattern(inContext, 7),
  );

export const largeEntryCases: readonly ConformanceCase[] = [
  {
    id: 'large/sizes',
    title: 'entries of all magnitudes up to a megabyte come back as they were',
    level: 'scale',
    run: async (context) => {
      const { maxEntryBytes } = (await context.engine()).capabilities;
      const all = [24, 25, 100, 511, 4095, 4096, 4097, 65_535, 65_536, 65_537, 1_048_576];
      const sizes = all.filter((size) => size <= maxEntryBytes);
      const entries = sizes.map((size, i) => ofSize(i + 1, size));
      const { storage } = await context.group();
      await storage.write({ entries });
      sameEntries(await storage.entries(1, sizes.length + 1, NoLimit), entries);
      await sameGroup(await context.reopen(), { entries });
    },
  },
  {
    id: 'large/contexts',
    title: 'contexts of all magnitudes up to a megabyte come back as they were, beside data of any size',
    level: 'scale',
    run: async (context) => {
      const { maxEntryBytes } = (await context.engine()).capabilities;
      const all = [1, 127, 255, 256, 32_768, 65_535, 65_536, 1_048_576];
      const sizes = all.filter((size) => entryOverheadBytes + size + all.length <= maxEntryBytes);
      const entries = sizes.map((size, i) => ofSize(i + 1, entryOverheadBytes + size + i, size));
      const { storage } = await context.group();
      await storage.write({ entries });
      sameEntries(await storage.entries(1, sizes.length + 1, NoLimit), entries);
      await sameGroup(await context.reopen(), { entries });
    },
  },
  {
    id: 'large/at-the-limit',
    title: 'an entry of maxEntryBytes is taken (of 8 MiB, when the store takes far more)',
    level: 'scale',
    run: async (context) => {
      const { maxEntryBytes } = (await context.engine()).capabilities;
      const size = Math.min(maxEntryBytes, defaultMaxEntryBytes);
      const entries = [entry(1, 1), ofSize(2, size, 100), entry(3, 1)];
      const { storage } = await context.group();
      await storage.write({ entries });
      sameEntries(await storage.entries(2, 4, 0), entries.slice(1, 2));
      await sameGroup(await context.reopen(), { entries });
    },
  },
  {
    id: 'large/beyond-the-limit',
    title: 'an entry over maxEntryBytes is refused cleanly, with its whole batch, and the store stays usable',
    level: 'scale',
    run: async (context) => {
      const { maxEntryBytes } = (await context.engine()).capabilities;
      // A store that takes entries of gigabytes cannot be offered more than it takes within a test's memory.
      if (maxEntryBytes > 256 * 1024 * 1024)
        context.notApplicable(`the store says that it takes entries of ${String(maxEntryBytes)} bytes`);
      const { storage } = await context.group();
      await storage.write({ entries: run(1, 2, 1) });
      const batch = {
        entries: [entry(3, 1), ofSize(4, maxEntryBytes + 1, 3), entry(5, 1)],
        hardState: hard(2, 3),
      };
      await refuses(() => storage.write(batch), 'STORE_ENTRY_TOO_LARGE');
      await storage.write({ entries: run(3, 3, 1) });
      await sameGroup(await context.reopen(), { entries: run(1, 3, 1) });
    },
  },
  {
    id: 'large/many-entries',
    title: 'ten thousand entries, written in batches, are read in pages and recovered',
    level: 'scale',
    run: async (context) => {
      const count = 10_000;
      const { storage } = await context.group();
      for (let from = 1; from <= count; from += 1000) {
        await storage.write({ entries: run(from, from + 999, from), hardState: hard(from, from) });
      }
      let low = 1;
      while (low <= count) {
        const page = await storage.entries(low, count + 1, 20_000);
        assert.ok(page.length >= 1 && page.length < 1000, 'a page within its limit');
        assert.equal(page[0]?.index, low);
        low += page.length;
      }
      assert.equal(low, count + 1);
      await storage.compactTo(7777);
      const again = await context.reopen();
      assert.deepEqual([again.state.firstIndex, again.state.lastIndex], [7778, count]);
      assert.deepEqual(again.state.outline.runs.map(({ index }) => index), [7778, 8001, 9001]); // prettier-ignore
      assert.deepEqual({ ...again.state.outline.boundary }, { index: 7777, term: 7001 });
      sameEntries(await again.storage.entries(7999, 8003, NoLimit), [
        ...run(7999, 8000, 7001),
        ...run(8001, 8002, 8001),
      ]);
    },
  },
];
