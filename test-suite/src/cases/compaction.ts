/** Dropping the front of the log. */
import assert from 'node:assert/strict';
import { Entry, entryOverheadBytes, EntryType, NoLimit, type Storage } from '@balsa/raft-core';
import type { CaseContext, ConformanceCase } from '../case.ts';
import {
  readSnapshot,
  refuses,
  sameChunks,
  sameEntries,
  sameGroup,
  sameLog,
  sameSnapshot,
} from '../check.ts';
import {
  bytes,
  conf,
  confEntry,
  create,
  entry,
  hard,
  jointConf,
  meta,
  pattern,
  receive,
  run,
} from '../make.ts';

const log = [...run(1, 3, 1), ...run(4, 6, 2), ...run(7, 9, 5)];
const hardState = hard(5, 7, 1);
const termAt = (index: number): number => log[index - 1]?.term ?? 0;

async function nine(context: CaseContext): Promise<Storage> {
  const { storage } = await context.group();
  await storage.write({ entries: log, hardState });
  return storage;
}

const after = (index: number): Parameters<typeof sameGroup>[1] => ({
  boundary: { index, term: termAt(index) },
  entries: log.slice(index),
  hardState,
});

export const compactionCases: readonly ConformanceCase[] = [
  ...[1, 3, 4, 7].map((index): ConformanceCase => ({
    id: `compaction/to-${String(index)}`,
    title: 'entries up to the index go, the rest stays, and the boundary term stays known',
    level: 'durable',
    run: async (context) => {
      const storage = await nine(context);
      await storage.compactTo(index);
      await sameLog(storage, log.slice(index), index);
      await sameGroup(await context.regroup(), after(index));
      await sameGroup(await context.reopen(), after(index));
    },
  })),
  {
    id: 'compaction/idempotent',
    title: 'compacting to the boundary again, below it, or to 0, changes nothing',
    level: 'core',
    run: async (context) => {
      const storage = await nine(context);
      await storage.compactTo(0);
      await sameLog(storage, log);
      await storage.compactTo(5);
      for (const index of [5, 4, 1, 0, 5]) await storage.compactTo(index);
      await sameGroup(await context.regroup(), after(5));
    },
  },
  {
    id: 'compaction/in-steps',
    title: 'one step after another leads to the same place as one large step',
    level: 'durable',
    run: async (context) => {
      const storage = await nine(context);
      for (const index of [1, 2, 4, 6]) await storage.compactTo(index);
      await sameGroup(await context.reopen(), after(6));
    },
  },
  {
    id: 'compaction/beyond-commit',
    title: 'compacting beyond the commit, or beyond the log, is refused and changes nothing',
    level: 'core',
    run: async (context) => {
      const storage = await nine(context);
      for (const index of [8, 9, 10, 1000]) {
        await refuses(() => storage.compactTo(index), 'STORE_COMPACT_OUT_OF_RANGE');
      }
      await sameGroup(await context.regroup(), { entries: log, hardState });
    },
  },
  {
    id: 'compaction/everything-then-append',
    title: 'a log compacted to its end reports the boundary and takes entries behind it',
    level: 'durable',
    run: async (context) => {
      const { storage } = await context.group();
      await storage.write({ entries: run(1, 5, 3), hardState: hard(3, 5) });
      await storage.compactTo(5);
      const boundary = { index: 5, term: 3 };
      const again = await context.reopen();
      await sameGroup(again, { boundary, hardState: hard(3, 5) });
      await refuses(() => again.storage.write({ entries: run(7, 7, 3) }), 'STORE_GAP');
      await again.storage.write({ entries: run(6, 8, 4) });
      await sameGroup(await context.reopen(), { boundary, entries: run(6, 8, 4), hardState: hard(3, 5) });
    },
  },
  {
    id: 'compaction/truncate-behind-boundary',
    title: 'a suffix can be replaced from the first index on after a compaction',
    level: 'durable',
    run: async (context) => {
      const { storage } = await context.group();
      await storage.write({ entries: run(1, 8, 1), hardState: hard(1, 4) });
      await storage.compactTo(4);
      await storage.write({ entries: run(5, 6, 2) });
      await sameGroup(await context.reopen(), {
        boundary: { index: 4, term: 1 },
        entries: run(5, 6, 2),
        hardState: hard(1, 4),
      });
    },
  },
  {
    id: 'compaction/conf-unrecorded',
    title: 'compacting past a membership change whose conf state is not recorded is refused; up to it is not',
    level: 'durable',
    run: async (context) => {
      const { storage } = await context.group();
      const entries = [...run(1, 2, 1), confEntry(3, 1), entry(4, 1), confEntry(5, 1), entry(6, 1)];
      await storage.write({ entries, hardState: hard(1, 6) });
      await refuses(() => storage.compactTo(3), 'STORE_CONF_UNRECORDED');
      await refuses(() => storage.compactTo(6), 'STORE_CONF_UNRECORDED');
      await sameLog(storage, entries);
      await storage.compactTo(2);
      const confState = { index: 3, state: conf(1, 2) };
      await storage.write({ confState });
      await refuses(() => storage.compactTo(5), 'STORE_CONF_UNRECORDED');
      await storage.compactTo(4);
      const again = await context.reopen();
      await sameGroup(again, {
        boundary: { index: 4, term: 1 },
        entries: entries.slice(4),
        hardState: hard(1, 6),
        confState,
      });
      await refuses(() => again.storage.compactTo(5), 'STORE_CONF_UNRECORDED');
      const older = new Entry(1, 7, EntryType.ConfChange, bytes('conf'));
      const settled = { index: 5, state: conf(1, 2, 3) };
      await again.storage.write({ entries: [older], hardState: hard(1, 7), confState: settled });
      await again.storage.compactTo(6);
      await refuses(() => again.storage.compactTo(7), 'STORE_CONF_UNRECORDED');
    },
  },
  {
    id: 'compaction/to-a-membership-change',
    title: 'a boundary that is a membership change itself is no longer counted among those of the log',
    level: 'durable',
    run: async (context) => {
      const { storage } = await context.group();
      const entries = [...run(1, 2, 1), confEntry(3, 1), confEntry(4, 2), entry(5, 2), confEntry(6, 2)];
      const confState = { index: 4, state: conf(1, 2) };
      await storage.write({ entries, hardState: hard(2, 6), confState });
      for (const index of [3, 4]) {
        await (await context.regroup()).storage.compactTo(index);
        const expected = {
          boundary: { index, term: index - 2 },
          entries: entries.slice(index),
          hardState: hard(2, 6),
          confState,
        };
        await sameGroup(await context.regroup(), expected);
        await sameGroup(await context.reopen(), expected);
      }
      await refuses(async () => (await context.regroup()).storage.compactTo(6), 'STORE_CONF_UNRECORDED');
    },
  },
  {
    id: 'compaction/housekeeping-changes-nothing-else',
    title: 'housekeeping leaves entries of every kind, both states and the snapshots as they were',
    level: 'durable',
    run: async (context) => {
      const { storage } = await context.group();
      const large = Math.min(40_000, (context.maxEntryBytes ?? Infinity) - entryOverheadBytes);
      const kept = [
        new Entry(2, 31, EntryType.Normal, bytes('data'), bytes('context')),
        confEntry(32, 2),
        new Entry(3, 33, EntryType.Normal),
        new Entry(3, 34, EntryType.ConfChange, pattern(large), bytes('')),
      ];
      const confState = { index: 32, state: jointConf };
      await storage.write({ entries: [...run(1, 30, 1), ...kept], hardState: hard(4, 33, 2), confState });
      const made = await create(storage, meta(30, 1), [bytes('one'), pattern(9000)]);
      const taken = await receive(storage, meta(40, 3), [pattern(100)]);
      await storage.compactTo(30);
      let slices = 0;
      while (await storage.maintain()) assert.ok(++slices < 10_000, 'maintain never says that it is done');
      const expected = {
        boundary: { index: 30, term: 1 },
        entries: kept,
        hardState: hard(4, 33, 2),
        confState,
      };
      await sameLog(storage, kept, 30);
      const again = await context.reopen();
      await sameGroup(again, expected);
      const found = await again.storage.listSnapshots();
      sameSnapshot(found[0], taken);
      sameSnapshot(found[1], made);
      sameChunks(await readSnapshot(again.storage, made.id), [bytes('one'), pattern(9000)]);
    },
  },
  {
    id: 'compaction/many-cycles',
    title:
      'cycles of append and compact with housekeeping keep the log right, and housekeeping comes to an end',
    level: 'durable',
    run: async (context) => {
      const { storage } = await context.group();
      let last = 0;
      for (let cycle = 0; cycle < 20; cycle++) {
        await storage.write({ entries: run(last + 1, last + 30, 1), hardState: hard(1, last + 25) });
        last += 30;
        await storage.compactTo(last - 10);
        sameEntries(await storage.entries(last - 9, last + 1, NoLimit), run(last - 9, last, 1));
        let slices = 0;
        while (await storage.maintain()) assert.ok(++slices < 10_000, 'maintain never says that it is done');
      }
      await sameGroup(await context.reopen(), {
        boundary: { index: last - 10, term: 1 },
        entries: run(last - 9, last, 1),
        hardState: hard(1, last - 5),
      });
      assert.equal((await (await context.regroup()).storage.stats()).entryCount, 10);
    },
  },
];
