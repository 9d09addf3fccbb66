/** Random histories of an ordered store, side by side with the reference model. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  isBalsaError,
  type Engine,
  type KeyValue,
  type OrderedStore,
  type OrderedView,
} from '@balsa/raft-core';
import { createMemoryDisk, openMemoryEngine } from '@balsa/raft-core/memory';
import type { ConformanceCase } from '../case.ts';
import { showBytes } from '../check.ts';
import { pattern } from '../make.ts';
import { checkHistories } from '../replay.ts';
import type { Harness } from '../target.ts';

/** Few and short keys over few bytes, so that they meet. */
const key = fc
  .array(fc.constantFrom(0, 1, 0x2a, 0x61, 0x80, 0xff), { minLength: 1, maxLength: 3 })
  .map((bytes) => Uint8Array.from(bytes));
const value = fc.option(fc.nat({ max: 40 }), { nil: undefined, freq: 4 });

const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('write' as const), changes: fc.array(fc.tuple(key, value), { maxLength: 8 }), forward: fc.integer({ min: -1, max: 3 }) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('range' as const), options: fc.record({ gte: key, gt: key, lt: key, maxBytes: fc.nat({ max: 100 }), limit: fc.integer({ min: 1, max: 9 }) }, { requiredKeys: ['limit'] }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('view' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('restore' as const), keys: fc.uniqueArray(key, { selector: showBytes, maxLength: 6 }), index: fc.nat({ max: 9 }), commit: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('maintain' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('reopen' as const) }) },
); // prettier-ignore
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

const everything = { limit: 1000 };
const show = (pairs: readonly KeyValue[]): string[] =>
  pairs.map((pair) => `${showBytes(pair.key)} = ${showBytes(pair.value)}`);

class Side {
  readonly #open: () => Promise<Engine>;
  #engine: Engine | undefined;
  #store: OrderedStore | undefined;
  view: OrderedView | undefined;
  applied = 0;

  constructor(open: () => Promise<Engine>) {
    this.#open = open;
  }

  get store(): OrderedStore {
    assert.ok(this.#store !== undefined, 'the store is open');
    return this.#store;
  }

  async start(): Promise<void> {
    this.#engine = await this.#open();
    this.#store = this.#engine.orderedStore('kv');
    this.applied = (await this.#store.open()).appliedIndex;
  }

  async stop(): Promise<void> {
    this.view = undefined;
    await this.#engine?.close();
    this.#engine = undefined;
  }

  /** One step; what it showed. */
  async take(action: Step): Promise<unknown> {
    switch (action.kind) {
      case 'write':
        return this.#write(action);
      case 'range':
        return show(await this.store.range(action.options));
      case 'view':
        await this.view?.release();
        this.view = await this.store.view();
        return [this.view.appliedIndex, this.view.count];
      case 'restore':
        return this.#restore(action);
      case 'maintain':
        await this.store.maintain();
        return undefined;
      case 'reopen':
        await this.store.sync();
        await this.stop();
        await this.start();
        return this.applied;
    }
  }

  async #write(action: Extract<Step, { kind: 'write' }>): Promise<string> {
    const appliedIndex = this.applied + action.forward;
    try {
      const changes = action.changes.map(
        ([name, size]) => [name, size === undefined ? undefined : pattern(size, appliedIndex + 1)] as const,
      );
      await this.store.write({ changes, appliedIndex });
      this.applied = appliedIndex;
      return 'done';
    } catch (error) {
      assert.ok(
        isBalsaError(error) && error.outcome === 'refused',
        `expected a refusal, found ${String(error)}`,
      );
      return 'refused';
    }
  }

  async #restore(action: Extract<Step, { kind: 'restore' }>): Promise<void> {
    const restore = await this.store.beginRestore();
    const pairs = action.keys
      .toSorted((a, b) => (showBytes(a) < showBytes(b) ? -1 : 1))
      .map((name) => ({ key: name, value: pattern(action.index) }));
    await restore.put(pairs.slice(0, 2));
    await restore.put(pairs.slice(2));
    if (!action.commit) return restore.abort();
    await restore.commit(action.index);
    this.applied = action.index;
  }
}

async function compare(harness: Harness, steps: readonly Step[]): Promise<void> {
  const disk = createMemoryDisk();
  const model = new Side(() => Promise.resolve(openMemoryEngine({ disk })));
  const subject = new Side(() => harness.open());
  try {
    await model.start();
    await subject.start();
    for (const action of steps) {
      const expected = await model.take(action);
      assert.deepEqual(await subject.take(action), expected, action.kind);
      assert.equal(await subject.store.count(), await model.store.count(), 'count');
      assert.deepEqual(
        show(await subject.store.range(everything)),
        show(await model.store.range(everything)),
      );
      if (model.view === undefined || subject.view === undefined) continue;
      assert.deepEqual(
        show(await subject.view.range(everything)),
        show(await model.view.range(everything)),
        'view',
      );
    }
    assert.equal(await subject.store.sync(), await model.store.sync(), 'applied index');
  } finally {
    await model.stop();
    await subject.stop();
  }
}

export const orderedModelCases: readonly ConformanceCase[] = [
  {
    id: 'model/ordered-histories',
    title: 'random histories of an ordered store leave what they leave in the reference model',
    level: 'model',
    run: (context) =>
      checkHistories(
        fc.asyncProperty(fc.array(step, { maxLength: 30, size: 'max' }), async (steps) => {
          const harness = await context.target.create();
          try {
            await compare(harness, steps);
          } finally {
            await harness.destroy();
          }
        }),
        context.options,
      ),
  },
];
