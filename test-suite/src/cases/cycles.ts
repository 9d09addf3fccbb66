/** Long lives: cycles of append and compact, many openings, a million entries. */
import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { entryOverheadBytes, NoLimit, type StorageStats } from '@balsa/raft-core';
import type { CaseContext, ConformanceCase } from '../case.ts';
import { descriptors, sameEntries } from '../check.ts';
import { create, entry, hard, meta, pattern, run } from '../make.ts';
import { bytesHeld, maintainToEnd, milliseconds, spaceAtRest } from '../space.ts';

const megabyte = 1024 * 1024;

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

/** Cycles of append, compact and housekeeping; the bytes held and the time of the append of each. */
async function cycle(context: CaseContext, cycles: number): Promise<{ held: number[]; took: number[] }> {
  const { storage } = await context.group();
  const held: number[] = [];
  const took: number[] = [];
  const data = pattern(1000);
  for (let n = 0; n < cycles; n++) {
    const first = n * 50 + 1;
    const entries = Array.from({ length: 50 }, (_, i) => entry(first + i, 1, data));
    const began = milliseconds();
    await storage.write({ entries, hardState: hard(1, first + 40) });
    took.push(milliseconds() - began);
    await storage.compactTo(first + 40);
    await maintainToEnd(storage);
    held.push(await bytesHeld(context, storage));
  }
  return { held, took };
}

/** What an operator sees: each is a figure at all times. */
const statNames = [
  'entryCount',
  'logBytes',
  'snapshotCount',
  'snapshotBytes',
  'garbageBytes',
  'lastSyncMs',
  'writeCount',
] as const satisfies readonly (keyof StorageStats)[];

export const cycleCases: readonly ConformanceCase[] = [
  {
    id: 'scale/cycles-stay-flat',
    title: 'two hundred cycles of append and compact end as small and as quick as they began',
    level: 'scale',
    run: async (context) => {
      const { held, took } = await cycle(context, 200);
      const early = Math.max(...held.slice(20, 60));
      const late = Math.max(...held.slice(160));
      assert.ok(late <= 2 * early + megabyte, `from ${String(early)} to ${String(late)} bytes`);
      // A wide bound: it finds what grows with every cycle, not what is slow.
      const [begin, end] = [median(took.slice(20, 60)), median(took.slice(160))];
      assert.ok(
        end <= 10 * begin + 50,
        `an append took ${begin.toFixed(2)} ms, and ${end.toFixed(2)} ms at last`,
      );
    },
  },
  {
    id: 'scale/space-comes-back',
    title:
      'after a large log is compacted, housekeeping gives most of its space back or says that it can be reused',
    level: 'scale',
    run: async (context) => {
      const { storage } = await context.group();
      // Eight mebibytes, in larger entries or in more.
      const size = Math.min(64 * 1024, (context.maxEntryBytes ?? Infinity) - entryOverheadBytes);
      const last = Math.ceil((8 * megabyte) / size / 16) * 16;
      for (let first = 1; first <= last; first += 16) {
        const entries = Array.from({ length: 16 }, (_, i) => entry(first + i, 1, pattern(size, first + i)));
        await storage.write({ entries, hardState: hard(1, first + 15) });
      }
      const { held: full } = await spaceAtRest(context, storage);
      await storage.compactTo(last);
      await maintainToEnd(storage);
      const { held, garbage } = await spaceAtRest(context, storage);
      const left = held - garbage;
      assert.ok(
        left <= full / 2,
        `of ${String(full)} bytes ${String(left)} are still held; maintain gives them back, or garbageBytes of stats says that they can be used again`,
      );
    },
  },
  {
    id: 'scale/stats-count',
    title: 'stats count entries and snapshots as they are, and durable writes as they come',
    level: 'scale',
    run: async (context) => {
      const { storage } = await context.group();
      assert.equal((await storage.stats()).entryCount, 0);
      await storage.write({ entries: run(1, 30, 1), hardState: hard(1, 20) });
      await storage.write({ entries: run(28, 29, 2) });
      await storage.compactTo(9);
      const stats = await storage.stats();
      assert.equal(stats.entryCount, 20, 'entries behind the boundary and before the truncation');
      assert.ok(stats.writeCount >= 2, 'durable writes');
      assert.ok(stats.logBytes > 0, 'bytes of the log');
      assert.equal(stats.snapshotCount, 0);
      for (const index of [10, 12, 15]) await create(storage, meta(index, 1), [pattern(700), pattern(300)]);
      const withThree = await storage.stats();
      for (const name of statNames) {
        const figure: unknown = withThree[name];
        const is = `${name} is ${inspect(figure)}; expected a finite number, not below 0`;
        assert.ok(typeof figure === 'number' && Number.isFinite(figure) && figure >= 0, is);
      }
      assert.equal(withThree.snapshotCount, 3, 'snapshots');
      assert.ok(withThree.snapshotBytes >= 3000, `bytes of snapshots: ${String(withThree.snapshotBytes)}`);
      await storage.pruneSnapshots(1);
      assert.equal((await storage.stats()).snapshotCount, 1, 'snapshots after pruning');
    },
  },
  {
    id: 'scale/thousand-lives',
    title: 'a thousand openings and closings keep the number of open files',
    level: 'scale',
    long: true,
    run: async (context) => {
      if ((await descriptors()) === undefined)
        context.notApplicable('this machine does not list open files in /proc');
      let before = 0;
      for (let life = 0; life < 1000; life++) {
        const { storage, state } = await context.reopen();
        assert.equal(state.lastIndex, life, 'what all lives before wrote');
        await storage.write({ entries: run(life + 1, life + 1, 1) });
        if (life === 20) before = (await descriptors()) ?? 0;
      }
      const now = (await descriptors()) ?? 0;
      assert.ok(now <= before + 8, `from ${String(before)} open files to ${String(now)}`);
    },
  },
  {
    id: 'scale/million-entries',
    title: 'a million entries are written, recovered, read anywhere and compacted',
    level: 'scale',
    long: true,
    run: async (context) => {
      const { storage } = await context.group();
      for (let first = 1; first <= 1_000_000; first += 2000)
        await storage.write({ entries: run(first, first + 1999, 1), hardState: hard(1, first + 1999) });
      const again = await context.reopen();
      assert.equal(again.state.lastIndex, 1_000_000);
      for (const low of [1, 2, 99_999, 524_288, 999_990])
        sameEntries(await again.storage.entries(low, low + 10, NoLimit), run(low, low + 9, 1));
      await again.storage.compactTo(999_000);
      await maintainToEnd(again.storage);
      const last = await context.reopen();
      assert.equal(last.state.firstIndex, 999_001);
      sameEntries(await last.storage.entries(999_001, 999_003, NoLimit), run(999_001, 999_002, 1));
    },
  },
];
