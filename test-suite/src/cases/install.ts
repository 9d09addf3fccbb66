/** Installing a received snapshot as the base of the log. */
import assert from 'node:assert/strict';
import type { Entry } from '@balsa/raft-core';
import type { ConformanceCase } from '../case.ts';
import { refuses, sameGroup } from '../check.ts';
import { conf, confEntry, create, entry, hard, jointConf, meta, receive, run } from '../make.ts';

/** Installs a snapshot at (6, 3) over `log`, committed to `commit`, and says what entries are left. */
function installOver(
  id: string,
  title: string,
  log: readonly Entry[],
  commit: number,
  left: readonly Entry[],
): ConformanceCase {
  return {
    id,
    title,
    level: 'durable',
    run: async (context) => {
      const { storage } = await context.group();
      await storage.write({
        entries: log,
        hardState: hard(4, commit, 2),
        confState: { index: 1, state: conf(1) },
      });
      const snapshot = await receive(storage, meta(6, 3, jointConf));
      await storage.write({ install: snapshot.id });
      const expected = {
        boundary: { index: 6, term: 3 },
        entries: left,
        hardState: hard(4, 6, 2),
        confState: { index: 6, state: jointConf },
        pendingRestore: snapshot.id,
      };
      await sameGroup(await context.regroup(), expected);
      const again = await context.reopen();
      await sameGroup(again, expected);
      await again.storage.write({ entries: [...left, entry(7 + left.length, 4)] });
      await sameGroup(await context.reopen(), { ...expected, entries: [...left, entry(7 + left.length, 4)] });
    },
  };
}

export const installCases: readonly ConformanceCase[] = [
  installOver('install/over-empty', 'over an empty log, it is the whole log', [], 0, []),
  installOver('install/over-shorter', 'over a shorter log, nothing of that is left', run(1, 4, 3), 3, []),
  installOver(
    'install/over-same-end',
    'over a log that ends in the snapshot, nothing is left',
    run(1, 6, 3),
    3,
    [],
  ),
  installOver(
    'install/keeps-matching-suffix',
    'when the log holds the entry at (index, term), the suffix behind it stays',
    [...run(1, 7, 3), confEntry(8, 4), entry(9, 4)],
    5,
    [entry(7, 3), confEntry(8, 4), entry(9, 4)],
  ),
  installOver(
    'install/clears-conflicting-log',
    'when the entry at the index has another term, the whole log goes',
    [...run(1, 4, 1), ...run(5, 9, 2)],
    4,
    [],
  ),
  {
    id: 'install/over-compacted',
    title: 'over a compacted log whose suffix does not match, everything goes',
    level: 'durable',
    run: async (context) => {
      const { storage } = await context.group();
      await storage.write({ entries: run(1, 9, 1), hardState: hard(1, 5) });
      await storage.compactTo(4);
      const snapshot = await receive(storage, meta(20, 3));
      await storage.write({ install: snapshot.id });
      await sameGroup(await context.reopen(), {
        boundary: { index: 20, term: 3 },
        hardState: hard(1, 20),
        confState: { index: 20, state: conf(1, 2, 3) },
        pendingRestore: snapshot.id,
      });
    },
  },
  {
    id: 'install/with-everything',
    title: 'an installation with entries, conf state and hard state in one batch applies them in that order',
    level: 'durable',
    run: async (context) => {
      const { storage } = await context.group();
      await storage.write({ entries: run(1, 8, 1), hardState: hard(1, 3) });
      const snapshot = await receive(storage, meta(10, 2));
      const confState = { index: 12, state: conf(4, 5) };
      await storage.write({
        hardState: hard(3, 12, 1),
        confState,
        entries: run(11, 13, 2),
        install: snapshot.id,
      });
      await sameGroup(await context.reopen(), {
        boundary: { index: 10, term: 2 },
        entries: run(11, 13, 2),
        hardState: hard(3, 12, 1),
        confState,
        pendingRestore: snapshot.id,
      });
    },
  },
  {
    id: 'install/out-of-date',
    title: 'a snapshot at or below the commit is refused and changes nothing',
    level: 'core',
    run: async (context) => {
      const { storage } = await context.group();
      const before = { entries: run(1, 9, 1), hardState: hard(1, 5, 2) };
      await storage.write(before);
      for (const index of [1, 4, 5]) {
        const snapshot = await receive(storage, meta(index, 1));
        await refuses(() => storage.write({ install: snapshot.id }), 'STORE_SNAPSHOT_OUT_OF_DATE');
        await refuses(
          () => storage.write({ install: snapshot.id, hardState: hard(9, 7) }),
          'STORE_SNAPSHOT_OUT_OF_DATE',
        );
      }
      await sameGroup(await context.regroup(), before);
    },
  },
  {
    id: 'install/own-snapshot-is-refused',
    title:
      'a snapshot that this node made itself is nothing to install, and neither is one not yet committed',
    level: 'core',
    run: async (context) => {
      const { storage } = await context.group();
      const before = { entries: run(1, 4, 1), hardState: hard(1, 3) };
      await storage.write(before);
      const made = await create(storage, meta(9, 1));
      await refuses(() => storage.write({ install: made.id }), 'STORE_SNAPSHOT_NOT_FOUND');
      const unfinished = await storage.receiveSnapshot(meta(9, 1));
      await refuses(() => storage.write({ install: unfinished.id }), 'STORE_SNAPSHOT_NOT_FOUND');
      await sameGroup(await context.regroup(), before);
    },
  },
  {
    id: 'install/commit-is-raised',
    title:
      'the commit is raised to the snapshot also when its batch writes a lower one, and stays where it is higher',
    level: 'durable',
    run: async (context) => {
      const { storage } = await context.group();
      await storage.write({ entries: run(1, 4, 1), hardState: hard(1, 3) });
      const snapshot = await receive(storage, meta(9, 2));
      await storage.write({ install: snapshot.id, hardState: hard(2, 3, 1), entries: run(10, 11, 2) });
      await sameGroup(await context.reopen(), {
        boundary: { index: 9, term: 2 },
        entries: run(10, 11, 2),
        hardState: hard(2, 9, 1),
        confState: { index: 9, state: conf(1, 2, 3) },
        pendingRestore: snapshot.id,
      });
    },
  },
  {
    id: 'install/twice',
    title: 'the same snapshot cannot be installed twice; a newer one can, and then that one is pending',
    level: 'durable',
    run: async (context) => {
      const { storage } = await context.group();
      const one = await receive(storage, meta(5, 1));
      await storage.write({ install: one.id });
      await refuses(() => storage.write({ install: one.id }), 'STORE_SNAPSHOT_OUT_OF_DATE');
      const two = await receive(storage, meta(8, 2));
      await storage.write({ install: two.id });
      await storage.write({ restored: one.id });
      await sameGroup(await context.reopen(), {
        boundary: { index: 8, term: 2 },
        hardState: hard(0, 8),
        confState: { index: 8, state: conf(1, 2, 3) },
        pendingRestore: two.id,
      });
    },
  },
  {
    id: 'install/restored',
    title: 'a restore is pending until it is reported done; reporting is idempotent and keeps all else',
    level: 'durable',
    run: async (context) => {
      const { storage } = await context.group();
      const snapshot = await receive(storage, meta(5, 1));
      await storage.write({ install: snapshot.id });
      const pending = await context.reopen();
      assert.equal(pending.state.pendingRestore?.id, snapshot.id);
      await pending.storage.write({ restored: snapshot.id, entries: run(6, 7, 1) });
      await pending.storage.write({ restored: snapshot.id });
      const done = await context.reopen();
      await sameGroup(done, {
        boundary: { index: 5, term: 1 },
        entries: run(6, 7, 1),
        hardState: hard(0, 5),
        confState: { index: 5, state: conf(1, 2, 3) },
      });
      assert.equal(done.state.snapshot?.id, snapshot.id);
    },
  },
];
