/** All or nothing: refused batches change nothing, accepted ones change everything in them. */
import assert from 'node:assert/strict';
import type { ErrorCode, WriteBatch } from '@balsa/raft-core';
import type { ConformanceCase } from '../case.ts';
import { refuses, refusesSecondWrite, sameGroup, sameLog } from '../check.ts';
import { conf, entry, hard, jointConf, meta, receive, run } from '../make.ts';

const before = {
  entries: [...run(1, 4, 1), ...run(5, 6, 2)],
  hardState: hard(2, 4, 1),
  confState: { index: 3, state: conf(1, 2) },
};
const newConf = { index: 6, state: jointConf };

/** Each has good parts beside the bad one; a store that applies as it checks will show. */
const bad: readonly (readonly [name: string, batch: WriteBatch, code: ErrorCode])[] = [
  ['commit-beyond-last', { entries: run(6, 7, 3), confState: newConf, hardState: hard(3, 8) }, 'STORE_COMMIT_OUT_OF_RANGE'],
  ['commit-falls', { entries: run(7, 8, 2), confState: newConf, hardState: hard(2, 3, 1) }, 'STORE_COMMIT_OUT_OF_RANGE'],
  ['term-falls', { entries: run(7, 8, 2), confState: newConf, hardState: hard(1, 5) }, 'STORE_TERM_REGRESSION'],
  ['gap', { entries: run(8, 9, 2), confState: newConf, hardState: hard(4, 5, 3) }, 'STORE_GAP'],
  ['gap-after-good-entries', { entries: [entry(5, 3), entry(6, 3), entry(8, 3)], hardState: hard(4, 5, 3) }, 'STORE_GAP'],
  ['falling-entry-term', { entries: [entry(6, 4), entry(7, 3)], confState: newConf, hardState: hard(5, 5) }, 'STORE_TERM_REGRESSION'],
  ['unknown-snapshot', { install: 'no-such-snapshot', hardState: hard(5, 5), confState: newConf }, 'STORE_SNAPSHOT_NOT_FOUND'],
  ['truncation-below-commit', { entries: run(2, 3, 2), hardState: hard(2, 4, 1), confState: newConf }, 'STORE_COMMIT_OUT_OF_RANGE'],
]; // prettier-ignore

export const atomicityCases: readonly ConformanceCase[] = [
  ...bad.map(([name, batch, code]): ConformanceCase => ({
    id: `atomicity/refused-${name}`,
    title: `a batch refused for one part (${code}) changes nothing, now or later, and the store stays usable`,
    level: 'durable',
    run: async (context) => {
      const { storage } = await context.group();
      await storage.write(before);
      await refuses(() => storage.write(batch), code);
      await sameLog(storage, before.entries);
      await sameGroup(await context.regroup(), before);
      await sameGroup(await context.reopen(), before);
      const again = await context.regroup();
      await again.storage.write({ entries: run(7, 7, 2) });
      await sameGroup(await context.reopen(), { ...before, entries: [...before.entries, ...run(7, 7, 2)] });
    },
  })),
  {
    id: 'atomicity/refused-install-with-bad-entries',
    title: 'an installation refused for its entries leaves the log, the states and the snapshot as they were',
    level: 'durable',
    run: async (context) => {
      const { storage } = await context.group();
      await storage.write(before);
      const snapshot = await receive(storage, meta(10, 3));
      await refuses(
        () => storage.write({ install: snapshot.id, entries: run(12, 13, 3), hardState: hard(3, 10) }),
        'STORE_GAP',
      );
      await sameGroup(await context.regroup(), before);
      const again = await context.reopen();
      await sameGroup(again, before);
      assert.equal((await again.storage.listSnapshots())[0]?.id, snapshot.id);
    },
  },
  {
    id: 'atomicity/all-parts-together',
    title: 'entries, conf state and hard state of one batch are all there afterwards',
    level: 'durable',
    run: async (context) => {
      const { storage } = await context.group();
      await storage.write(before);
      const next = { entries: run(5, 8, 3), hardState: hard(3, 8, 2), confState: newConf };
      await storage.write(next);
      await sameGroup(await context.reopen(), { ...next, entries: [...run(1, 4, 1), ...run(5, 8, 3)] });
    },
  },
  {
    id: 'atomicity/empty-batch',
    title: 'an empty batch resolves and does nothing',
    level: 'core',
    run: async (context) => {
      const { storage } = await context.group();
      await storage.write({});
      await storage.write(before);
      await storage.write({});
      await storage.write({ entries: [] });
      await sameGroup(await context.regroup(), before);
    },
  },
  {
    id: 'atomicity/one-write-at-a-time',
    title:
      'a second write before the first settles is refused without effect, or the first had settled already',
    level: 'core',
    run: async (context) => {
      const { storage } = await context.group();
      const refused = await refusesSecondWrite(
        () => storage.write({ entries: run(1, 2, 1) }),
        () => storage.write({ entries: run(3, 4, 1) }),
        'in the same turn',
      );
      const last = refused ? 2 : 4;
      await sameLog(storage, run(1, last, 1));
      await storage.write({ entries: run(last + 1, last + 1, 1) });
      const next = last + 2;
      const taken = !(await refusesSecondWrite(
        () => storage.write({ entries: run(next, next, 1) }),
        () => storage.write({ entries: run(next + 1, next + 1, 1) }),
      ));
      await sameGroup(await context.regroup(), { entries: run(1, taken ? next + 1 : next, 1) });
    },
  },
  {
    id: 'atomicity/groups-overlap',
    title: 'writes of different groups may be in flight together, and one refused among them harms none',
    level: 'durable',
    run: async (context) => {
      const ids = Array.from({ length: 8 }, (_, i) => `g${String(i)}`);
      const opened = await Promise.all(ids.map((id) => context.group(id)));
      for (let round = 1; round <= 5; round++) {
        const settled = await Promise.allSettled(
          opened.map(({ storage }, i) =>
            storage.write({ entries: i === 3 && round > 1 ? run(50, 51, 1) : [entry(round, i + 1)] }),
          ),
        );
        assert.deepEqual(
          settled.map(({ status }) => status === 'fulfilled'),
          ids.map((_, i) => !(i === 3 && round > 1)),
        );
      }
      await context.closeEngine();
      for (const [i, id] of ids.entries()) {
        const entries = Array.from({ length: i === 3 ? 1 : 5 }, (_, n) => entry(n + 1, i + 1));
        await sameGroup(await context.group(id), { entries });
      }
    },
  },
];
