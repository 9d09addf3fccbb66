/** The ordered key-value store. */
import assert from 'node:assert/strict';
import { maxKeyBytes, type KeyValue, type RangeOptions } from '@balsa/raft-core';
import type { ConformanceCase } from '../case.ts';
import { refuses, refusesSecondWrite, rejects, showBytes } from '../check.ts';
import { bytes, pattern } from '../make.ts';
import { all, openStore, put, samePairs, show, type Pairs } from './ordered-pairs.ts';

const letters: Pairs = Array.from('abcdefgh').map((letter) => [letter, letter.repeat(3)] as const);

function ranged(id: string, title: string, options: RangeOptions, expected: string): ConformanceCase {
  return {
    id: `ordered/${id}`,
    title,
    level: 'core',
    run: async (context) => {
      const store = await openStore(context);
      await put(store, 1, letters);
      const pairs = Array.from(expected).map((letter) => [letter, letter.repeat(3)] as const);
      samePairs(await store.range(options), pairs);
      samePairs(await (await store.view()).range(options), pairs, 'pairs of a view');
    },
  };
}

const basics: readonly ConformanceCase[] = [
  {
    id: 'ordered/empty',
    title: 'a fresh store is empty, at applied index 0, and refuses everything before open',
    level: 'core',
    run: async (context) => {
      const store = (await context.engine()).orderedStore('kv');
      await refuses(() => put(store, 1, [['a', 'b']]), 'STORE_NOT_OPEN');
      await refuses(() => store.count(), 'STORE_NOT_OPEN');
      assert.equal((await store.open()).appliedIndex, 0);
      assert.equal(await store.count(), 0);
      samePairs(await store.range(all), []);
      assert.deepEqual(await store.getMany([bytes('a')]), [undefined]);
      assert.equal(await store.sync(), 0);
    },
  },
  {
    id: 'ordered/get-many',
    title: 'values come in the order of the keys asked for, undefined where there is none',
    level: 'core',
    run: async (context) => {
      const store = await openStore(context);
      await put(store, 1, [...letters, ['empty', '']]);
      const found = await store.getMany(['c', 'zz', 'a', 'empty', 'c'].map(bytes));
      assert.deepEqual(
        found.map((value) => value && showBytes(value)),
        [bytes('ccc'), undefined, bytes('aaa'), bytes(''), bytes('ccc')].map(
          (value) => value && showBytes(value),
        ),
      );
      assert.deepEqual(await store.getMany([]), []);
    },
  },
  {
    id: 'ordered/changes-in-order',
    title: 'within a batch later changes win, and deletions delete',
    level: 'core',
    run: async (context) => {
      const store = await openStore(context);
      await put(store, 1, [['a', '1'], ['b', '1'], ['c', '1']]); // prettier-ignore
      await put(store, 2, [['a', '2'], ['a', '3'], ['b', undefined], ['c', undefined], ['c', '2'], ['d', '1'], ['d', undefined], ['nothing', undefined]]); // prettier-ignore
      samePairs(await store.range(all), [['a', '3'], ['c', '2']]); // prettier-ignore
      assert.equal(await store.count(), 2);
    },
  },
  {
    id: 'ordered/byte-order',
    title: 'keys are ordered as unsigned bytes, a prefix before what it is a prefix of',
    level: 'durable',
    run: async (context) => {
      const keys = [[0], [0, 0], [0, 1], [1], [0x2a], [0x2f, 0xff], [0x30], [0x39], [0x61], [0x61, 0], [0x61, 0x61], [0x7f], [0x80], [0xc3, 0xa9], [0xff], [0xff, 0], [0xff, 0xff]]; // prettier-ignore
      const pairs = keys.map((key) => [Uint8Array.from(key), Uint8Array.from(key).toReversed()] as const);
      const store = await openStore(context);
      await put(store, 1, pairs.toReversed());
      samePairs(await store.range(all), pairs);
      await store.sync();
      await context.closeEngine();
      samePairs(await (await openStore(context)).range(all), pairs);
    },
  },
  {
    id: 'ordered/key-length',
    title: 'keys of 1 to maxKeyBytes are taken; an empty or longer one is refused and changes nothing',
    level: 'core',
    run: async (context) => {
      const store = await openStore(context);
      const longest = pattern(maxKeyBytes);
      await put(store, 1, [[longest, 'long'], ['a', 'short']]); // prettier-ignore
      await refuses(() => put(store, 2, [['b', '1'], ['', 'empty']]), 'INVALID_ARGUMENT'); // prettier-ignore
      await refuses(() => put(store, 2, [['b', '1'], [pattern(maxKeyBytes + 1), 'x']]), 'INVALID_ARGUMENT'); // prettier-ignore
      assert.equal(await store.count(), 2);
      const [value] = await store.getMany([longest]);
      assert.equal(value && showBytes(value), showBytes(bytes('long')));
      assert.equal(await store.sync(), 1);
    },
  },
  {
    id: 'ordered/large-value',
    title: 'a value of several megabytes comes back whole',
    level: 'durable',
    run: async (context) => {
      const store = await openStore(context);
      const large = pattern(5 * 1024 * 1024);
      await put(store, 1, [['large', large]]);
      await store.sync();
      await context.closeEngine();
      samePairs(await (await openStore(context)).range(all), [['large', large]]);
    },
  },
  {
    id: 'ordered/buffers-stay-the-callers',
    title: 'keys and values may be used again after a write, and what was read may be changed',
    level: 'core',
    run: async (context) => {
      const store = await openStore(context);
      const key = bytes('key');
      const value = bytes('value');
      await store.write({ changes: [[key, value]], appliedIndex: 1 });
      key.fill(0);
      value.fill(0);
      const [pair] = await store.range(all);
      pair?.key.fill(1);
      pair?.value.fill(1);
      for (let i = 0; i < 2; i++) {
        const [found] = await store.getMany([bytes('key')]);
        assert.equal(found && showBytes(found), showBytes(bytes('value')), 'read again');
        found?.fill(2);
      }
      samePairs(await store.range(all), [['key', 'value']]);
      const view = await store.view();
      for (let i = 0; i < 2; i++) {
        const found = await view.range(all);
        samePairs(found, [['key', 'value']], 'pairs of a view');
        found[0]?.key.fill(3);
        found[0]?.value.fill(3);
      }
      await view.release();
    },
  },
  {
    id: 'ordered/applied-index',
    title: 'the applied index goes with the data, may stay, and may not fall',
    level: 'durable',
    run: async (context) => {
      const store = await openStore(context);
      await put(store, 5, [['a', '1']]);
      await put(store, 5, [['a', '2']]);
      await put(store, 9, []);
      await refuses(() => put(store, 8, [['a', '3']]), 'INVALID_ARGUMENT');
      samePairs(await store.range(all), [['a', '2']]);
      assert.equal(await store.sync(), 9);
      await context.closeEngine();
      const again = (await context.engine()).orderedStore('kv');
      assert.equal((await again.open()).appliedIndex, 9);
      samePairs(await again.range(all), [['a', '2']]);
    },
  },
  {
    id: 'ordered/one-write-at-a-time',
    title:
      'a second write before the first settles is refused without effect, or the first had settled already',
    level: 'core',
    run: async (context) => {
      const store = await openStore(context);
      const refused = await refusesSecondWrite(
        () => put(store, 1, [['a', '1']]),
        () => put(store, 2, [['b', '2']]),
        'in the same turn',
      );
      samePairs(await store.range(all), refused ? [['a', '1']] : [['a', '1'], ['b', '2']]); // prettier-ignore
      await put(store, 3, [['c', '3']]);
      const taken = !(await refusesSecondWrite(
        () => put(store, 4, [['d', '4']]),
        () => put(store, 5, [['e', '5']]),
      ));
      assert.equal(await store.sync(), taken ? 5 : 4);
    },
  },
];

const ranges: readonly ConformanceCase[] = [
  ranged('range-all', 'a range without bounds is everything', all, 'abcdefgh'),
  ranged('range-limit', 'a limit cuts by count', { limit: 3 }, 'abc'),
  ranged('range-gte', 'gte includes its key', { ...all, gte: bytes('c') }, 'cdefgh'),
  ranged('range-gte-between', 'gte need not be a key', { ...all, gte: bytes('bb') }, 'cdefgh'),
  ranged('range-gt', 'gt excludes its key', { ...all, gt: bytes('c') }, 'defgh'),
  ranged(
    'range-gt-prefix',
    'gt of a prefix does not exclude what begins with it',
    { ...all, gt: bytes('') },
    'abcdefgh',
  ),
  ranged('range-lt', 'lt excludes its key', { ...all, lt: bytes('d') }, 'abc'),
  ranged('range-between', 'bounds combine', { limit: 2, gte: bytes('b'), lt: bytes('g') }, 'bc'),
  ranged(
    'range-empty',
    'bounds that exclude everything give nothing',
    { ...all, gte: bytes('d'), lt: bytes('d') },
    '',
  ),
  ranged(
    'range-max-bytes-exact',
    'maxBytes that is exactly met cuts nothing inside it',
    { ...all, maxBytes: 12 },
    'abc',
  ),
  ranged('range-max-bytes-one-less', 'one byte less cuts the last pair', { ...all, maxBytes: 11 }, 'ab'),
  ranged('range-max-bytes-zero', 'a maxBytes of 0 still gives one pair', { ...all, maxBytes: 0 }, 'a'),
  {
    id: 'ordered/range-pages',
    title: 'pages by gt and limit give every pair once',
    level: 'core',
    run: async (context) => {
      const store = await openStore(context);
      const pairs = Array.from(
        { length: 100 },
        (_, i) => [Uint8Array.of(i >> 4, i & 15), bytes(String(i))] as const,
      );
      await put(store, 1, pairs);
      const found: KeyValue[] = [];
      for (let gt: Uint8Array | undefined; ; gt = found.at(-1)?.key) {
        const page = await store.range({ limit: 7, ...(gt !== undefined && { gt }) });
        if (page.length === 0) break;
        found.push(...page);
        assert.ok(found.length <= 100, 'pages do not end');
      }
      samePairs(found, pairs);
    },
  },
];

const views: readonly ConformanceCase[] = [
  {
    id: 'ordered/view-is-a-point-in-time',
    title:
      'a view shows the pairs, the count and the index of its moment, whatever is written or restored later',
    level: 'core',
    run: async (context) => {
      const store = await openStore(context);
      await put(store, 3, letters);
      const view = await store.view();
      const early = await view.range({ limit: 2 });
      await put(store, 4, [['a', 'changed'], ['b', undefined], ['aa', 'new'], ['zz', 'new']]); // prettier-ignore
      const between = await store.view();
      const restore = await store.beginRestore();
      await restore.commit(9);
      assert.equal(view.appliedIndex, 3);
      assert.equal(view.count, 8);
      samePairs(early, letters.slice(0, 2));
      samePairs(await view.range(all), letters);
      assert.equal(between.appliedIndex, 4);
      assert.equal(between.count, 9);
      samePairs(await between.range(all), [['a', 'changed'], ['aa', 'new'], ...letters.slice(2), ['zz', 'new']]); // prettier-ignore
      assert.deepEqual([view.count, view.appliedIndex, between.count, between.appliedIndex], [8, 3, 9, 4]);
      await view.release();
      await view.release();
      await rejects(() => view.range(all), 'a released view reads no more');
      assert.equal((await between.range(all)).length, 9);
      await between.release();
      samePairs(await store.range(all), []);
    },
  },
  {
    id: 'ordered/restore-switches-atomically',
    title:
      'the present contents serve until a restore commits, then the new ones and their index, also a lower one',
    level: 'durable',
    run: async (context) => {
      const store = await openStore(context);
      await put(store, 20, letters);
      const restore = await store.beginRestore();
      await restore.put([{ key: bytes('b'), value: bytes('B') }]);
      await restore.put([]);
      await restore.put([{ key: bytes('x'), value: bytes('') }]);
      samePairs(await store.range(all), letters);
      await put(store, 21, [['a', 'still writable']]);
      assert.equal((await store.range({ limit: 1 }))[0]?.value.length, 'still writable'.length);
      await restore.commit(7);
      await restore.abort();
      samePairs(await store.range(all), [['b', 'B'], ['x', '']]); // prettier-ignore
      assert.equal(await store.count(), 2);
      await context.closeEngine();
      const again = (await context.engine()).orderedStore('kv');
      assert.equal((await again.open()).appliedIndex, 7, 'a committed restore is durable without sync');
      samePairs(await again.range(all), [['b', 'B'], ['x', '']]); // prettier-ignore
      await put(again, 8, [['b', '2']]);
      assert.equal(await again.sync(), 8);
    },
  },
  {
    id: 'ordered/restore-aborted-or-left',
    title: 'a restore that is aborted, or left unfinished at closing, leaves the contents as they were',
    level: 'durable',
    run: async (context) => {
      const store = await openStore(context);
      await put(store, 3, letters);
      await store.sync();
      const aborted = await store.beginRestore();
      await aborted.put([{ key: bytes('x'), value: bytes('x') }]);
      await aborted.abort();
      await aborted.abort();
      await rejects(() => aborted.commit(9), 'an aborted restore does not commit');
      const left = await store.beginRestore();
      await left.put([{ key: bytes('y'), value: bytes('y') }]);
      await context.closeEngine();
      const again = (await context.engine()).orderedStore('kv');
      assert.equal((await again.open()).appliedIndex, 3);
      samePairs(await again.range(all), letters);
      const third = await again.beginRestore();
      await third.put([{ key: bytes('z'), value: bytes('z') }]);
      await third.commit(5);
      samePairs(await again.range(all), [['z', 'z']]);
    },
  },
  {
    id: 'ordered/restore-wants-ascending-keys',
    title: 'pairs of a restore that do not ascend, within a put or between two, are refused',
    level: 'core',
    run: async (context) => {
      const store = await openStore(context);
      const pair = (key: string): KeyValue => ({ key: bytes(key), value: bytes('') });
      for (const [first, second] of [
        [['b'], ['a']],
        [['b'], ['b']],
        [[], ['b', 'a']],
        [[], ['b', 'b']],
      ] as const) {
        const restore = await store.beginRestore();
        await restore.put(first.map(pair));
        await refuses(() => restore.put(second.map(pair)), 'INVALID_ARGUMENT');
        await restore.abort();
      }
      samePairs(await store.range(all), []);
    },
  },
];

const lives: readonly ConformanceCase[] = [
  {
    id: 'ordered/synced-writes-survive',
    title: 'what was synced is there after reopening; what was written later is there as a prefix',
    level: 'durable',
    run: async (context) => {
      const store = await openStore(context);
      for (let i = 1; i <= 20; i++) {
        await put(store, i, [[`k${String(i % 7)}`, String(i)], ['last', String(i)]]); // prettier-ignore
        if (i === 12) assert.equal(await store.sync(), 12);
      }
      await context.closeEngine();
      const again = (await context.engine()).orderedStore('kv');
      const { appliedIndex } = await again.open();
      assert.ok(appliedIndex >= 12 && appliedIndex <= 20, `applied index ${String(appliedIndex)}`);
      const expected = new Map<string, string>();
      for (let i = 1; i <= appliedIndex; i++)
        expected.set(`k${String(i % 7)}`, String(i)).set('last', String(i));
      samePairs(await again.range(all), [...expected].sort());
    },
  },
  {
    id: 'ordered/stores-are-apart',
    title: 'ordered stores of different names, and groups of the same name, do not see each other',
    level: 'durable',
    run: async (context) => {
      const names = [
        '1',
        '10',
        '1:',
        '*',
        'é',
        'e\u0301',
        'group',
        'Group',
        ' group',
        'group ',
        '/',
        '..',
        '\0',
        '__proto__',
      ];
      for (const [i, name] of names.entries()) {
        const store = await openStore(context, name);
        await put(store, i + 1, [['key', name], [`own ${name}`, '']]); // prettier-ignore
        await store.sync();
      }
      const { state } = await context.group('group');
      assert.equal(state.lastIndex, 0);
      await context.closeEngine();
      for (const [i, name] of names.entries()) {
        const store = (await context.engine()).orderedStore(name);
        assert.equal((await store.open()).appliedIndex, i + 1);
        samePairs(await store.range(all), [['key', name], [`own ${name}`, '']]); // prettier-ignore
      }
      assert.deepEqual(await (await context.engine()).listGroups(), []);
    },
  },
  {
    id: 'ordered/housekeeping-ends',
    title: 'housekeeping comes to an end and changes nothing that can be read; bytes is a count',
    level: 'core',
    run: async (context) => {
      const store = await openStore(context);
      for (let i = 1; i <= 30; i++) await put(store, i, [[`k${String(i % 5)}`, pattern(2000, i)]]);
      const before = show(await store.range(all));
      let slices = 0;
      while (await store.maintain()) assert.ok(++slices < 10_000, 'maintain never says that it is done');
      assert.deepEqual(show(await store.range(all)), before);
      assert.ok((await store.bytes()) >= 0);
    },
  },
  {
    id: 'ordered/close',
    title: 'closing is idempotent, lets a write in flight settle, and later calls are refused',
    level: 'core',
    run: async (context) => {
      const store = await openStore(context);
      const view = await store.view();
      const write = put(store, 1, [['a', '1']]);
      await Promise.all([write, store.close(), store.close()]);
      await store.close();
      await refuses(() => put(store, 2, [['b', '1']]), 'STORE_CLOSED');
      await refuses(() => store.count(), 'STORE_CLOSED');
      await refuses(() => store.view(), 'STORE_CLOSED');
      await rejects(() => view.range(all), 'a view of a closed store reads no more');
      samePairs(await (await openStore(context)).range(all), [['a', '1']]);
    },
  },
];

export const orderedStoreCases: readonly ConformanceCase[] = [...basics, ...ranges, ...views, ...lives];
