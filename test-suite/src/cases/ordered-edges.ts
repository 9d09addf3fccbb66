/** The ordered store at its edges: bounds of ranges, bounds of numbers, restores that meet something else. */
import assert from 'node:assert/strict';
import { maxKeyBytes, type KeyValue, type OrderedStore } from '@balsa/raft-core';
import type { ConformanceCase } from '../case.ts';
import { refuses } from '../check.ts';
import { bytes, hard, pattern, run } from '../make.ts';
import { all, openStore, put, raw, samePairs } from './ordered-pairs.ts';

const pair = (key: string | Uint8Array, value = ''): KeyValue => ({ key: raw(key), value: bytes(value) });

/** Each key with itself as its value. */
const putKeys = (store: OrderedStore, appliedIndex: number, ...keys: string[]): Promise<void> =>
  put(
    store,
    appliedIndex,
    keys.map((key) => [key, key] as const),
  );

export const orderedEdgeCases: readonly ConformanceCase[] = [
  {
    id: 'ordered/range-of-nothing',
    title: 'a limit of 0 gives no pair, and so does an upper bound of no bytes',
    level: 'core',
    run: async (context) => {
      const store = await openStore(context);
      await putKeys(store, 1, 'a', 'b', 'c');
      const view = await store.view();
      for (const source of [store, view]) {
        assert.deepEqual(await source.range({ limit: 0 }), []);
        assert.deepEqual(await source.range({ limit: 0, maxBytes: 0, gte: bytes('b') }), []);
        assert.deepEqual(await source.range({ limit: 9, lt: new Uint8Array(0) }), []);
        assert.deepEqual(await source.range({ limit: 9, gte: bytes('c'), lt: bytes('a') }), []);
        assert.deepEqual(await source.range({ limit: 9, gt: Uint8Array.of(0xff, 0xff) }), []);
        assert.equal((await source.range({ limit: 9, gte: new Uint8Array(0) })).length, 3);
      }
      await view.release();
    },
  },
  {
    id: 'ordered/range-large-limits',
    title: 'limits of 31, 32 and 53 bits are as good as none',
    level: 'core',
    run: async (context) => {
      const store = await openStore(context);
      await putKeys(store, 1, 'a', 'b', 'c');
      for (const large of [2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
        assert.equal((await store.range({ limit: large })).length, 3, `limit ${String(large)}`);
        const found = await store.range({ limit: 9, maxBytes: large });
        assert.equal(found.length, 3, `maxBytes ${String(large)}`);
      }
    },
  },
  {
    id: 'ordered/large-applied-index',
    title: 'an applied index keeps its value up to the largest, by a write and by a restore',
    level: 'durable',
    run: async (context) => {
      let store = await openStore(context);
      for (const index of [2 ** 31, 2 ** 32 + 1, 2 ** 40 + 3, Number.MAX_SAFE_INTEGER]) {
        await putKeys(store, index, 'a');
        assert.equal(await store.sync(), index);
        await context.closeEngine();
        store = (await context.engine()).orderedStore('kv');
        assert.equal((await store.open()).appliedIndex, index);
      }
      const restore = await store.beginRestore();
      await restore.commit(2 ** 33 + 5);
      await context.closeEngine();
      assert.equal((await (await context.engine()).orderedStore('kv').open()).appliedIndex, 2 ** 33 + 5);
    },
  },
  {
    id: 'ordered/restore-keeps-the-rules',
    title:
      'a restore refuses keys that a write refuses, takes nothing of a put it refuses, and copies its pairs',
    level: 'core',
    run: async (context) => {
      const store = await openStore(context);
      await putKeys(store, 1, 'old');
      const restore = await store.beginRestore();
      const first = pair('b', 'B');
      await restore.put([first]);
      await refuses(() => restore.put([pair('c'), pair('')]), 'INVALID_ARGUMENT');
      await refuses(() => restore.put([pair('c'), pair(pattern(maxKeyBytes + 1).fill(0x63))]), 'INVALID_ARGUMENT'); // prettier-ignore
      await refuses(() => restore.put([pair('c'), pair('a')]), 'INVALID_ARGUMENT');
      first.key.fill(0x7a);
      first.value.fill(0x7a);
      await restore.put([pair('d', 'D')]);
      await restore.commit(2);
      samePairs(
        await store.range(all),
        [
          ['b', 'B'],
          ['d', 'D'],
        ],
        'what was restored',
      );
    },
  },
  {
    id: 'ordered/destroyed-group-of-its-name',
    title: 'destroying a group leaves the ordered store of the same name alone',
    level: 'durable',
    run: async (context) => {
      const group = await context.group('kv');
      await group.storage.write({ entries: run(1, 3, 1), hardState: hard(1, 2) });
      await group.storage.close();
      let store = await openStore(context);
      await putKeys(store, 2, 'a');
      await store.sync();
      await (await context.engine()).destroyGroup('kv');
      samePairs(await store.range(all), [['a', 'a']], 'beside the destruction');
      await context.closeEngine();
      store = await openStore(context);
      samePairs(await store.range(all), [['a', 'a']], 'after reopening');
      assert.equal((await context.group('kv')).state.lastIndex, 0);
    },
  },
  {
    id: 'ordered/view-beside-writes',
    title: 'a view that is made beside a write has the pairs, the count and the index of one moment',
    level: 'concurrency',
    run: async (context) => {
      const store = await openStore(context);
      for (let i = 1; i <= 40; i++) {
        const [before, , after] = await Promise.all([
          store.view(),
          putKeys(store, i, `key ${String(i)}`),
          store.view(),
        ]);
        for (const view of [before, after]) {
          const { length } = await view.range({ limit: 100 });
          // Each write adds one pair, and its index is their number.
          assert.deepEqual([view.count, view.appliedIndex], [length, length], `beside write ${String(i)}`);
          await view.release();
        }
      }
    },
  },
  {
    id: 'crash-in-process/restore-survives',
    title:
      'a restore that has committed is whole after a crash, whatever was written before it and not synced',
    level: 'crash',
    needs: ['crash'],
    run: async (context) => {
      let store = await openStore(context);
      await putKeys(store, 3, 'a', 'b');
      await store.sync();
      await putKeys(store, 4, 'c');
      await store.write({ appliedIndex: 5, changes: [[bytes('b'), undefined]] });
      const restore = await store.beginRestore();
      await restore.put([pair('b', 'B'), pair('x', 'X')]);
      await putKeys(store, 6, 'd');
      await restore.commit(4);
      await context.crashEngine();
      store = (await context.engine()).orderedStore('kv');
      assert.equal((await store.open()).appliedIndex, 4);
      samePairs(
        await store.range(all),
        [
          ['b', 'B'],
          ['x', 'X'],
        ],
        'what was restored',
      );
      assert.equal(await store.count(), 2);
    },
  },
];
