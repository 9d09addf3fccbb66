/** One history with everything in it, and the state it has to leave after each restart. */
import assert from 'node:assert/strict';
import type { ConformanceCase } from '../case.ts';
import { readSnapshot, sameChunks, sameGroup } from '../check.ts';
import { bytes, conf, confEntry, create, entry, hard, jointConf, meta, receive, run } from '../make.ts';

export const reopenCases: readonly ConformanceCase[] = [
  {
    id: 'reopen/no-ghost-tail',
    title: 'a long suffix replaced by a short one never comes back, also when the log grows over its place',
    level: 'durable',
    run: async (context) => {
      const { storage } = await context.group();
      await storage.write({ entries: run(1, 50, 1) });
      await storage.write({ entries: run(10, 11, 2) });
      const kept = [...run(1, 9, 1), ...run(10, 11, 2)];
      const again = await context.reopen();
      await sameGroup(again, { entries: kept });
      await again.storage.write({ entries: run(12, 13, 2) });
      const third = await context.reopen();
      await sameGroup(third, { entries: [...kept, ...run(12, 13, 2)] });
    },
  },
  {
    id: 'reopen/boundary-term',
    title: 'the term of the boundary is known after any number of restarts',
    level: 'durable',
    run: async (context) => {
      const { storage } = await context.group();
      await storage.write({ entries: [...run(1, 3, 2), ...run(4, 6, 9)], hardState: hard(9, 6) });
      await storage.compactTo(3);
      for (let i = 0; i < 3; i++) {
        const { state } = await context.reopen();
        assert.deepEqual({ ...state.outline.boundary }, { index: 3, term: 2 });
      }
      await (await context.regroup()).storage.compactTo(6);
      for (let i = 0; i < 3; i++) {
        const { state } = await context.reopen();
        assert.deepEqual({ ...state.outline.boundary }, { index: 6, term: 9 });
        assert.deepEqual([state.firstIndex, state.lastIndex], [7, 6]);
      }
    },
  },
  {
    id: 'reopen/whole-history',
    title: 'a history of every kind of change leaves the same state after each restart as before it',
    level: 'durable',
    run: async (context) => {
      let { storage } = await context.group();
      const chunks = [bytes('a'), bytes('b')];
      await storage.write({ entries: [confEntry(1, 1), ...run(2, 6, 1)], hardState: hard(1, 1, 1) });
      await storage.write({ confState: { index: 1, state: conf(1, 2, 3) }, hardState: hard(1, 5, 1) });
      const own = await create(storage, meta(4, 1), chunks);
      await storage.compactTo(3);
      await storage.write({ entries: run(6, 8, 3), hardState: hard(3, 5) });
      let expected: Parameters<typeof sameGroup>[1] = {
        boundary: { index: 3, term: 1 },
        entries: [...run(4, 5, 1), ...run(6, 8, 3)],
        hardState: hard(3, 5),
        confState: { index: 1, state: conf(1, 2, 3) },
      };
      for (let i = 0; i < 2; i++) {
        const opened = await context.reopen();
        await sameGroup(opened, expected);
        assert.equal(opened.state.snapshot?.id, own.id);
        storage = opened.storage;
      }
      const received = await receive(storage, meta(7, 3, jointConf), chunks);
      await storage.write({ install: received.id, hardState: hard(4, 7, 2) });
      expected = {
        boundary: { index: 7, term: 3 },
        entries: [entry(8, 3)],
        hardState: hard(4, 7, 2),
        confState: { index: 7, state: jointConf },
        pendingRestore: received.id,
      };
      for (let i = 0; i < 2; i++) {
        const opened = await context.reopen();
        await sameGroup(opened, expected);
        sameChunks(await readSnapshot(opened.storage, received.id), chunks);
        storage = opened.storage;
      }
      await storage.write({ restored: received.id });
      await storage.pruneSnapshots(1);
      const last = await context.reopen();
      await sameGroup(last, { ...expected, pendingRestore: undefined });
      assert.deepEqual(
        (await last.storage.listSnapshots()).map(({ id }) => id),
        [received.id],
      );
    },
  },
  {
    id: 'reopen/group-alone',
    title: 'a group closed and opened again in the same engine finds what it had',
    level: 'core',
    run: async (context) => {
      const { storage } = await context.group();
      await storage.write({ entries: run(1, 5, 1), hardState: hard(1, 4, 1) });
      await storage.compactTo(2);
      const expected = { boundary: { index: 2, term: 1 }, entries: run(3, 5, 1), hardState: hard(1, 4, 1) };
      await sameGroup(await context.regroup(), expected);
      await sameGroup(await context.regroup(), expected);
    },
  },
];
