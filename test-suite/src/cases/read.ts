/** Reading ranges and cutting them by size. */
import { Entry, EntryType, entrySize, NoLimit } from '@balsa/raft-core';
import type { ConformanceCase } from '../case.ts';
import { refuses, sameEntries } from '../check.ts';
import { bytes, entry, hard, pattern, run } from '../make.ts';

/** Entries of uneven sizes, with context on some, so that a wrong way of counting shows. */
const uneven = [10, 0, 33, 7, 64, 1].map(
  (size, i) => new Entry(1, i + 1, EntryType.Normal, pattern(size, i), pattern(i % 2 === 0 ? 5 : 0)),
);
const sizeOf = (count: number): number =>
  uneven.slice(0, count).reduce((sum, item) => sum + entrySize(item), 0);

function limited(id: string, title: string, maxBytes: number, count: number): ConformanceCase {
  return {
    id,
    title,
    level: 'core',
    run: async (context) => {
      const { storage } = await context.group();
      await storage.write({ entries: uneven });
      sameEntries(await storage.entries(1, 7, maxBytes), uneven.slice(0, count));
    },
  };
}

export const readCases: readonly ConformanceCase[] = [
  limited('read/limit-zero-gives-one', 'a limit of 0 still gives one entry', 0, 1),
  limited('read/limit-exact', 'a limit that is exactly met cuts nothing inside it', sizeOf(3), 3),
  limited('read/limit-one-less', 'one byte less than the sum cuts the last entry', sizeOf(3) - 1, 2),
  limited('read/limit-one-more', 'one byte more gives no further entry', sizeOf(3) + 1, 3),
  limited(
    'read/limit-below-first',
    'a first entry larger than the limit is given alone',
    entrySize(entry(1, 1)) - 1,
    1,
  ),
  limited('read/limit-none', 'NoLimit gives everything', NoLimit, 6),
  {
    id: 'read/limit-large',
    title: 'limits of 31, 32 and more bits are as good as none',
    level: 'core',
    run: async (context) => {
      const { storage } = await context.group();
      await storage.write({ entries: uneven });
      for (const limit of [2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 40])
        sameEntries(await storage.entries(1, 7, limit), uneven, `limit ${String(limit)}`);
    },
  },
  {
    id: 'read/limit-counts-from-low',
    title: 'the limit counts the entries of the range alone, wherever it begins',
    level: 'core',
    run: async (context) => {
      const { storage } = await context.group();
      await storage.write({ entries: uneven });
      for (let low = 1; low <= 6; low++) {
        for (let count = 1; low + count <= 7; count++) {
          const wanted = uneven.slice(low - 1, low - 1 + count);
          const limit = wanted.reduce((sum, item) => sum + entrySize(item), 0);
          sameEntries(
            await storage.entries(low, 7, limit),
            wanted,
            `from ${String(low)} with ${String(limit)}`,
          );
        }
      }
    },
  },
  {
    id: 'read/every-range',
    title: 'every range gives exactly its entries; low = high gives none',
    level: 'core',
    run: async (context) => {
      const { storage } = await context.group();
      await storage.write({ entries: run(1, 7, 1), hardState: hard(1, 2) });
      await storage.compactTo(2);
      for (let low = 3; low <= 8; low++) {
        for (let high = low; high <= 8; high++) {
          sameEntries(await storage.entries(low, high, NoLimit), run(low, high - 1, 1));
        }
      }
    },
  },
  {
    id: 'read/outside-the-log',
    title:
      'below the first index is STORE_COMPACTED, beyond the last one STORE_UNAVAILABLE, never a shorter answer',
    level: 'core',
    run: async (context) => {
      const { storage } = await context.group();
      await storage.write({ entries: run(1, 7, 1), hardState: hard(1, 3) });
      await storage.compactTo(3);
      for (const low of [0, 1, 2, 3])
        await refuses(() => storage.entries(low, 6, NoLimit), 'STORE_COMPACTED');
      for (const high of [9, 10, 1000])
        await refuses(() => storage.entries(5, high, NoLimit), 'STORE_UNAVAILABLE');
      sameEntries(await storage.entries(4, 8, NoLimit), run(4, 7, 1));
    },
  },
  {
    id: 'read/empty-log',
    title: 'an empty log has nothing to read',
    level: 'core',
    run: async (context) => {
      const { storage } = await context.group();
      sameEntries(await storage.entries(1, 1, NoLimit), []);
      await refuses(() => storage.entries(1, 2, NoLimit), 'STORE_UNAVAILABLE');
    },
  },
  {
    id: 'read/sees-resolved-writes',
    title: 'a read sees every write that has resolved',
    level: 'core',
    run: async (context) => {
      const { storage } = await context.group();
      for (let i = 1; i <= 20; i++) {
        await storage.write({ entries: [entry(i, i)] });
        sameEntries(
          await storage.entries(Math.max(1, i - 3), i + 1, NoLimit),
          [i - 3, i - 2, i - 1, i].filter((n) => n > 0).map((n) => entry(n, n)),
        );
      }
      await storage.write({ entries: [entry(5, 30)] });
      sameEntries(await storage.entries(4, 6, NoLimit), [entry(4, 4), entry(5, 30)]);
    },
  },
  {
    id: 'read/result-is-the-callers',
    title: 'changing the bytes that a read gave changes nothing in the store',
    level: 'core',
    run: async (context) => {
      const { storage } = await context.group();
      const kept = (): Entry => new Entry(1, 1, EntryType.Normal, bytes('data'), bytes('context'));
      await storage.write({ entries: [kept()] });
      for (let i = 0; i < 2; i++) {
        const [found] = await storage.entries(1, 2, NoLimit);
        sameEntries(found === undefined ? [] : [found], [kept()]);
        found?.data.fill(0);
        found?.context.fill(0);
      }
      sameEntries(await (await context.regroup()).storage.entries(1, 2, NoLimit), [kept()]);
    },
  },
  {
    id: 'read/result-survives-later-writes',
    title: 'what a read gave is not a view of memory that the store writes to again',
    level: 'core',
    run: async (context) => {
      const { storage } = await context.group();
      await storage.write({ entries: run(1, 10, 1) });
      const before = await storage.entries(1, 11, NoLimit);
      await storage.write({ entries: run(1, 10, 2) });
      await storage.entries(1, 11, NoLimit);
      sameEntries(before, run(1, 10, 1));
    },
  },
];
