/** Closing groups and engines. */
import assert from 'node:assert/strict';
import { NoLimit } from '@balsa/raft-core';
import type { ConformanceCase } from '../case.ts';
import { descriptors, hasSettled, readSnapshot, refuses, rejects, sameGroup } from '../check.ts';
import { bytes, create, hard, meta, run } from '../make.ts';

export const closeCases: readonly ConformanceCase[] = [
  {
    id: 'close/later-calls-are-refused',
    title: 'after close every call but close is refused with STORE_CLOSED',
    level: 'core',
    run: async (context) => {
      const { storage } = await context.group();
      await storage.write({ entries: run(1, 2, 1) });
      const writer = await storage.createSnapshot(meta(1, 1));
      const reader = await storage.openSnapshot((await create(storage, meta(2, 1))).id);
      await storage.close();
      await storage.close();
      await refuses(() => storage.write({ entries: run(3, 3, 1) }), 'STORE_CLOSED');
      await refuses(() => storage.entries(1, 2, NoLimit), 'STORE_CLOSED');
      await refuses(() => storage.compactTo(0), 'STORE_CLOSED');
      await refuses(() => storage.createSnapshot(meta(1, 1)), 'STORE_CLOSED');
      await refuses(() => storage.listSnapshots(), 'STORE_CLOSED');
      await refuses(() => storage.stats(), 'STORE_CLOSED');
      await refuses(() => storage.open(), 'STORE_CLOSED');
      await rejects(() => writer.write(bytes('late')), 'a writer of a closed group');
      await rejects(() => writer.commit(), 'commit of a closed group');
      await rejects(() => reader.chunk(0), 'a reader of a closed group');
      const again = await context.group();
      await sameGroup(again, { entries: run(1, 2, 1) });
      assert.equal((await again.storage.listSnapshots()).length, 1);
    },
  },
  {
    id: 'close/engine-closes-its-parts',
    title:
      'closing the engine closes its groups and stores; later calls of each are refused, closing again is not',
    level: 'core',
    run: async (context) => {
      const engine = await context.engine();
      const { storage } = await context.group();
      const store = context.hasOrderedStore ? engine.orderedStore('kv') : undefined;
      await store?.open();
      await engine.close();
      // Nobody has closed the parts: it was the engine.
      await refuses(() => storage.write({ entries: run(1, 1, 1) }), 'STORE_CLOSED');
      await refuses(() => storage.listSnapshots(), 'STORE_CLOSED');
      if (store !== undefined) {
        await refuses(() => store.count(), 'STORE_CLOSED');
        await refuses(() => store.write({ appliedIndex: 1, changes: [] }), 'STORE_CLOSED');
      }
      await storage.close();
      await store?.close();
      await refuses(() => engine.identity(), 'STORE_CLOSED');
      await refuses(() => engine.listGroups(), 'STORE_CLOSED');
      await refuses(() => engine.group('group'), 'STORE_CLOSED');
      if (store !== undefined) await refuses(() => engine.orderedStore('kv'), 'STORE_CLOSED');
    },
  },
  {
    id: 'close/settles-what-is-in-flight',
    title: 'closing while calls are in flight settles every one; a write that resolved is there afterwards',
    level: 'durable',
    run: async (context) => {
      for (const closeIt of ['group', 'engine'] as const) {
        const { storage, state } = await context.reopen();
        const from = state.lastIndex + 1;
        const engine = await context.engine();
        const calls: Promise<unknown>[] = [
          storage.write({ entries: run(from, from + 4, from), hardState: hard(from, from + 2) }),
          storage.entries(from, from, NoLimit),
          storage.createSnapshot(meta(3, 1)),
          storage.stats(),
        ];
        // Any of them may be refused for the closing.
        for (const call of calls) call.catch(() => undefined);
        await (closeIt === 'group' ? storage.close() : engine.close());
        for (const [i, call] of calls.entries())
          await hasSettled(call, `the ${closeIt} is closed, but call ${String(i + 1)} that was under way`);
        const [write] = await Promise.allSettled(calls);
        const again = await context.reopen();
        const wrote = again.state.lastIndex === from + 4 && again.state.hardState.commit === from + 2;
        const nothing = again.state.lastIndex === from - 1;
        assert.ok(
          write?.status === 'fulfilled' ? wrote : wrote || nothing,
          'an acknowledged write is there, whole',
        );
        assert.deepEqual(await again.storage.listSnapshots(), []);
      }
    },
  },
  {
    id: 'close/async-dispose',
    title: 'disposing of a group, a store and an engine closes them',
    level: 'core',
    run: async (context) => {
      const engine = await context.engine();
      const { storage } = await context.group();
      const store = context.hasOrderedStore ? engine.orderedStore('kv') : undefined;
      await store?.open();
      await storage[Symbol.asyncDispose]();
      await refuses(() => storage.stats(), 'STORE_CLOSED');
      await store?.[Symbol.asyncDispose]();
      if (store !== undefined) await refuses(() => store.count(), 'STORE_CLOSED');
      await engine[Symbol.asyncDispose]();
      await refuses(() => engine.listGroups(), 'STORE_CLOSED');
    },
  },
  {
    id: 'close/many-lives',
    title:
      'thirty lives of one database, each with a little work, end in the sum of them, and leave no files open',
    level: 'durable',
    run: async (context) => {
      let before: number | undefined;
      for (let life = 1; life <= 30; life++) {
        const { storage, state } = await context.reopen();
        assert.equal(state.lastIndex, life - 1);
        await storage.write({ entries: run(life, life, life), hardState: hard(life, life) });
        if (life === 10) before = await descriptors();
      }
      const now = await descriptors();
      // Some slack, for what other tests of the same process do meanwhile.
      if (before !== undefined && now !== undefined)
        assert.ok(now <= before + 12, `from ${String(before)} open files to ${String(now)} in 20 lives`);
      const entries = Array.from({ length: 30 }, (_, i) => run(i + 1, i + 1, i + 1)).flat();
      await sameGroup(await context.reopen(), { entries, hardState: hard(30, 30) });
    },
  },
  {
    id: 'close/snapshots-leave-no-files-open',
    title: 'snapshots that were written, aborted and read again and again leave no files open',
    level: 'core',
    run: async (context) => {
      const { storage } = await context.group();
      const rounds = 30;
      const warm = 5;
      let before: number | undefined;
      for (let round = 1; round <= rounds; round++) {
        const { id } = await create(storage, meta(round, 1), [bytes('one'), bytes('two')]);
        await (await storage.receiveSnapshot(meta(round + rounds, 2))).abort();
        for (let n = 0; n < 2; n++) await readSnapshot(storage, id);
        await storage.pruneSnapshots(1);
        if (round === warm) before = await descriptors();
      }
      const after = await descriptors();
      if (before === undefined || after === undefined)
        return context.notApplicable('this machine does not list open files in /proc');
      const count = `${String(rounds - warm)} snapshots`;
      // Some slack, for what other tests of the same process do meanwhile.
      assert.ok(
        after <= before + 12,
        `from ${String(before)} open files to ${String(after)} after ${count} in one life`,
      );
    },
  },
];
