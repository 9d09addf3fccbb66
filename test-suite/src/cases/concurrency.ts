/** Reads beside writes and compactions. */
import assert from 'node:assert/strict';
import { isBalsaError, NoLimit, type Entry } from '@balsa/raft-core';
import type { ConformanceCase } from '../case.ts';
import { sameEntries, sameGroup } from '../check.ts';
import { entry, hard, run } from '../make.ts';

/** What a read gave, or undefined when it was told that the entries are compacted. */
async function readOrCompacted(reading: Promise<Entry[]>): Promise<Entry[] | undefined> {
  try {
    return await reading;
  } catch (error) {
    assert.ok(isBalsaError(error, 'STORE_COMPACTED'), `expected STORE_COMPACTED, found ${String(error)}`);
    return undefined;
  }
}

export const concurrencyCases: readonly ConformanceCase[] = [
  {
    id: 'concurrency/read-beside-append',
    title: 'a read beside an append gives the entries that were there, whole',
    level: 'concurrency',
    run: async (context) => {
      const { storage } = await context.group();
      await storage.write({ entries: run(1, 20, 1) });
      for (let last = 20; last < 60; last += 4) {
        const write = storage.write({ entries: run(last + 1, last + 4, 1) });
        const reads = await Promise.all([
          storage.entries(1, last + 1, NoLimit),
          storage.entries(last - 5, last + 1, 100),
          storage.entries(last, last + 1, NoLimit),
        ]);
        await write;
        sameEntries(reads[0], run(1, last, 1));
        sameEntries(reads[1], run(last - 5, last - 6 + reads[1].length, 1));
        assert.ok(reads[1].length >= 1);
        sameEntries(reads[2], run(last, last, 1));
      }
    },
  },
  {
    id: 'concurrency/read-beside-overwrite',
    title:
      'a read beside an overwrite gives a clean prefix of the old log or of the new one, never a mixture',
    level: 'concurrency',
    run: async (context) => {
      const { storage } = await context.group();
      let old = run(1, 30, 1);
      await storage.write({ entries: old });
      for (let term = 2; term < 12; term++) {
        const from = 5 + term;
        const next = [...old.slice(0, from - 1), ...run(from, 30, term)];
        const lows = [1, from - 2, from, 28];
        const read = async (low: number) => ({ low, found: await storage.entries(low, 31, NoLimit) });
        const before = lows.map(read);
        const write = storage.write({ entries: next.slice(from - 1) });
        const reads = await Promise.all([...before, ...lows.map(read)]);
        await write;
        for (const { low, found } of reads) {
          assert.ok(found.length >= 1, 'at least one entry');
          const source = found.some((item) => item.term === term) ? next : old;
          sameEntries(found, source.slice(low - 1, low - 1 + found.length), 'one log or the other');
        }
        sameEntries(await storage.entries(1, 31, NoLimit), next);
        old = next;
      }
    },
  },
  {
    id: 'concurrency/read-beside-compaction',
    title: 'a read beside a compaction gives a clean prefix or STORE_COMPACTED, never a hole',
    level: 'concurrency',
    run: async (context) => {
      const { storage } = await context.group();
      await storage.write({ entries: run(1, 200, 1), hardState: hard(1, 200) });
      for (let to = 10; to < 200; to += 10) {
        const reading = [to - 9, to - 3, to, to + 1].map((low) =>
          readOrCompacted(storage.entries(low, 201, NoLimit)),
        );
        const compaction = storage.compactTo(to);
        const more = [to - 9, to, to + 1].map((low) => readOrCompacted(storage.entries(low, 201, NoLimit)));
        const found = await Promise.all([...reading, ...more]);
        await compaction;
        for (const [n, low] of [to - 9, to - 3, to, to + 1, to - 9, to, to + 1].entries()) {
          const entries = found[n];
          if (low > to) assert.ok(entries !== undefined, 'what stays is readable');
          if (entries === undefined) continue;
          assert.ok(entries.length >= 1, 'at least one entry');
          sameEntries(entries, run(low, low - 1 + entries.length, 1));
        }
        assert.equal(
          await readOrCompacted(storage.entries(to, 201, NoLimit)),
          undefined,
          'compacted when resolved',
        );
      }
    },
  },
  {
    id: 'concurrency/compaction-beside-write',
    title: 'a compaction beside a write harms neither',
    level: 'concurrency',
    run: async (context) => {
      const { storage } = await context.group();
      await storage.write({ entries: run(1, 10, 1), hardState: hard(1, 10) });
      for (let last = 10; last < 40; last += 3) {
        await Promise.all([
          storage.write({ entries: run(last + 1, last + 3, 1), hardState: hard(1, last + 3) }),
          storage.compactTo(last - 5),
          storage.compactTo(last - 6),
        ]);
      }
      await sameGroup(await context.reopen(), {
        boundary: { index: 32, term: 1 },
        entries: run(33, 40, 1),
        hardState: hard(1, 40),
      });
    },
  },
  {
    id: 'concurrency/groups-beside-each-other',
    title: 'groups that append, truncate and compact at the same time do not disturb each other',
    level: 'concurrency',
    run: async (context) => {
      const ids = ['1', '10', '2', '*'];
      await Promise.all(
        ids.map(async (id, n) => {
          const { storage } = await context.group(id);
          for (let last = 0; last < 40; last += 4) {
            await storage.write({
              entries: run(last + 1, last + 6, n + 1),
              hardState: hard(n + 1, last + 2),
            });
            await storage.write({ entries: [entry(last + 3, n + 1), entry(last + 4, n + 1)] });
            await storage.compactTo(last + 1);
          }
        }),
      );
      await context.closeEngine();
      for (const [n, id] of ids.entries()) {
        await sameGroup(await context.group(id), {
          boundary: { index: 37, term: n + 1 },
          entries: run(38, 40, n + 1),
          hardState: hard(n + 1, 38),
        });
      }
    },
  },
];
