/** Batches that gather before the store: the same contents as without, at every crash a prefix, and reads of one moment. */
import { isBalsaError, type OrderedBatch, type OrderedStore } from '@balsa/raft-core';
import { createMemoryDisk, openMemoryEngine } from '@balsa/raft-core/memory';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { WriteBehindStore } from '../src/machine/write-behind.ts';

const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));
const memoryStore = (): OrderedStore => openMemoryEngine().orderedStore('kv');

const key = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f').map(bytes);
const changes = fc.array(fc.tuple(key, fc.option(fc.uint8Array({ maxLength: 12 }), { nil: undefined })), {
  maxLength: 5,
});
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('write' as const), changes }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('get' as const), keys: fc.array(key) }) },
  fc.record({ kind: fc.constantFrom('range' as const, 'view' as const, 'count' as const, 'sync' as const) }),
  fc.record({ kind: fc.constant('restore' as const), key, commit: fc.boolean() }),
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;
const bounds = fc.record({
  maxChanges: fc.integer({ min: 1, max: 8 }),
  maxBytes: fc.integer({ min: 1, max: 60 }),
});

/** What can be seen of a step. */
async function take(store: OrderedStore, step: Step, index: number): Promise<unknown> {
  switch (step.kind) {
    case 'write':
      return store.write({ changes: step.changes, appliedIndex: index });
    case 'get':
      return store.getMany(step.keys);
    case 'range':
      return store.range({ limit: 100 });
    case 'count':
      return store.count();
    case 'sync':
      return store.sync();
    case 'view': {
      const view = await store.view();
      const seen = [view.appliedIndex, view.count, await view.range({ limit: 100 })];
      await view.release();
      return seen;
    }
    case 'restore': {
      const restore = await store.beginRestore();
      await restore.put([{ key: step.key, value: bytes('restored') }]);
      return step.commit ? restore.commit(index) : restore.abort();
    }
  }
}

describe('a store that gathers batches', () => {
  test('shows what the store itself would show, whatever is done to it', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), bounds, async (steps, within) => {
        const plain = memoryStore();
        const gathering = new WriteBehindStore(memoryStore(), within);
        expect(await gathering.open()).toEqual(await plain.open());
        for (const [i, one] of steps.entries())
          expect(await take(gathering, one, i + 1)).toEqual(await take(plain, one, i + 1));
      }),
      { verbose: true, numRuns: 300 },
    );
  });

  test('leaves a prefix of its batches after a crash, and all of them after it was closed', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(changes, { minLength: 1, maxLength: 30 }),
        fc.nat({ max: 30 }),
        fc.option(fc.nat({ max: 12 }), { nil: undefined }),
        bounds,
        async (batches, syncedAfter, kept, within) => {
          const disk = createMemoryDisk();
          const first = new WriteBehindStore(openMemoryEngine({ disk }).orderedStore('kv'), within);
          await first.open();
          for (const [i, batch] of batches.entries()) {
            await first.write({ changes: batch, appliedIndex: i + 1 });
            if (i === syncedAfter) expect(await first.sync()).toBe(i + 1);
          }
          if (kept === undefined) {
            await first.close();
            disk.crash({ keepUnsyncedWrites: Infinity });
          } else {
            disk.crash({ keepUnsyncedWrites: kept });
          }
          const found = openMemoryEngine({ disk }).orderedStore('kv');
          const { appliedIndex } = await found.open();
          const least =
            kept === undefined ? batches.length : syncedAfter < batches.length ? syncedAfter + 1 : 0;
          expect(appliedIndex).toBeGreaterThanOrEqual(least);
          const expected = memoryStore();
          await expected.open();
          for (const [i, batch] of batches.slice(0, appliedIndex).entries())
            await expected.write({ changes: batch, appliedIndex: i + 1 });
          expect(await found.range({ limit: 100 })).toEqual(await expected.range({ limit: 100 }));
        },
      ),
      { verbose: true, numRuns: 200 },
    );
  });

  test('reads several keys of one moment, also while the store beneath is slow', async () => {
    const slow = new SlowStore(memoryStore());
    const store = new WriteBehindStore(slow, { maxChanges: 2 });
    await store.open();
    await store.write({ changes: pair('0'), appliedIndex: 1 });
    const write = async (n: number): Promise<void> => {
      await store.write({ changes: [[bytes('a'), bytes(String(n))]], appliedIndex: 2 * n });
      await store.write({ changes: pair(String(n)), appliedIndex: 2 * n + 1 });
    };
    // Read b from beneath and a from memory; meanwhile enough is written that what gathered goes beneath.
    await store.sync();
    await store.write({ changes: [[bytes('a'), bytes('1')]], appliedIndex: 2 });
    slow.hold();
    const reading = store.getMany([bytes('a'), bytes('b')]);
    const writing = write(2).then(() => write(3));
    // All that can go on while the read is held goes on.
    for (let turn = 0; turn < 100; turn++) await Promise.resolve();
    slow.release();
    const [a, b] = await reading;
    expect([Buffer.from(a ?? []).toString(), Buffer.from(b ?? []).toString()]).toEqual(['1', '0']);
    await writing;
    expect(await store.getMany([bytes('a'), bytes('b')])).toEqual([bytes('3'), bytes('3')]);
  });

  test('holds no more than its bounds and one batch', async () => {
    const beneath = memoryStore();
    const store = new WriteBehindStore(beneath, { maxChanges: 4, maxBytes: 1000 });
    await store.open();
    for (let i = 1; i <= 100; i++) {
      await store.write({ changes: [[bytes(`key${i}`), bytes('v')]], appliedIndex: i });
      expect(i - (await beneath.count())).toBeLessThanOrEqual(4);
    }
    for (let i = 101; i <= 110; i++)
      await store.write({ changes: [[bytes('one'), new Uint8Array(600)]], appliedIndex: i });
    for (let i = 111; i <= 114; i++)
      await store.write({ changes: [[bytes(`large${i}`), new Uint8Array(600)]], appliedIndex: i });
    expect(await beneath.count()).toBeGreaterThanOrEqual(100 + 1 + 2);
  });

  test('refuses what the store would refuse, and then nothing has changed', async () => {
    const store = new WriteBehindStore(memoryStore());
    const unopened = store.write({ changes: [], appliedIndex: 1 });
    await expect(unopened).rejects.toMatchObject({ code: await codeOf(memoryStore()) });
    await store.open();
    await store.write({ changes: [[bytes('a'), bytes('1')]], appliedIndex: 5 });
    const bad: OrderedBatch[] = [
      { changes: [[bytes('a'), bytes('2')]], appliedIndex: 4 },
      { changes: [[new Uint8Array(0), bytes('2')]], appliedIndex: 6 },
      { changes: [[new Uint8Array(65_537), bytes('2')]], appliedIndex: 6 },
    ];
    for (const batch of bad)
      await expect(store.write(batch)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(await store.getMany([bytes('a')])).toEqual([bytes('1')]);
    expect(await store.sync()).toBe(5);
  });

  test('keeps what could not be written, tells whoever needs it written, and does not pretend that it is durable', async () => {
    const slow = new SlowStore(memoryStore());
    const store = new WriteBehindStore(slow, { maxChanges: 2 });
    await store.open();
    slow.failure = new Error('the disk is full');
    // Enough to be written, in the background: the next write hears of it.
    await store.write({ changes: [[bytes('a'), bytes('1')]], appliedIndex: 1 });
    for (let turn = 0; turn < 100; turn++) await Promise.resolve();
    await expect(store.write({ changes: [[bytes('b'), bytes('2')]], appliedIndex: 2 })).rejects.toBe(
      slow.failure,
    );
    await expect(store.sync()).rejects.toBe(slow.failure);
    await expect(store.view()).rejects.toBe(slow.failure);
    expect(await store.getMany([bytes('a'), bytes('b')])).toEqual([bytes('1'), undefined]);
    slow.failure = undefined;
    expect(await store.sync()).toBe(1);
    expect(await slow.getMany([bytes('a'), bytes('b')])).toEqual([bytes('1'), undefined]);
  });

  test('takes more and shows all of it while the store beneath writes', async () => {
    const slow = new SlowStore(memoryStore());
    const store = new WriteBehindStore(slow, { maxChanges: 8 });
    await store.open();
    slow.holdWrites();
    for (let i = 1; i <= 6; i++) {
      const changes = [
        [bytes(`key${i}`), bytes(String(i))],
        [bytes('newest'), bytes(String(i))],
      ] as const;
      await store.write({ changes, appliedIndex: i });
    }
    const keys = ['key1', 'key6', 'newest', 'other'].map(bytes);
    const seen = [bytes('1'), bytes('6'), bytes('6'), undefined];
    expect(await store.getMany(keys)).toEqual(seen);
    // Four are on their way and four have gathered: the next one waits, and has no effect before.
    let taken = false;
    const waiting = store.write({ changes: [[bytes('newest'), bytes('7')]], appliedIndex: 7 }).then(() => {
      taken = true;
    });
    const synced = store.sync();
    for (let turn = 0; turn < 100; turn++) await Promise.resolve();
    expect(taken).toBe(false);
    expect(await store.getMany(keys)).toEqual(seen);
    expect(await slow.count()).toBe(0);
    slow.release();
    await waiting;
    expect(await synced).toBeGreaterThanOrEqual(6);
    expect(await store.sync()).toBe(7);
    expect(await slow.getMany(keys)).toEqual([bytes('1'), bytes('6'), bytes('7'), undefined]);
  });

  test('is given keys in their order', async () => {
    const beneath = memoryStore();
    const given: string[] = [];
    const write = beneath.write.bind(beneath);
    beneath.write = (batch) => {
      for (const [name] of batch.changes) given.push(Buffer.from(name).toString('hex'));
      return write(batch);
    };
    const store = new WriteBehindStore(beneath);
    await store.open();
    for (const [i, name] of ['ff', '00', '7f', '80', '0000', '7fff'].entries())
      await store.write({
        changes: [[new Uint8Array(Buffer.from(name, 'hex')), bytes('v')]],
        appliedIndex: i + 1,
      });
    await store.sync();
    expect(given).toEqual(['00', '0000', '7f', '7fff', '80', 'ff']);
  });
});

const pair = (value: string): OrderedBatch['changes'] => [
  [bytes('a'), bytes(value)],
  [bytes('b'), bytes(value)],
];

async function codeOf(store: OrderedStore): Promise<unknown> {
  return store.write({ changes: [], appliedIndex: 1 }).then(
    () => undefined,
    (error: unknown) => (isBalsaError(error) ? error.code : error),
  );
}

/** Answers `getMany` or writes late, and fails to write, when it is told to. */
class SlowStore implements OrderedStore {
  failure: Error | undefined;
  readonly #store: OrderedStore;
  #held: Promise<void> | undefined;
  #heldWrites: Promise<void> | undefined;
  #release: () => void = () => undefined;

  readonly open: OrderedStore['open'];
  readonly range: OrderedStore['range'];
  readonly count: OrderedStore['count'];
  readonly sync: OrderedStore['sync'];
  readonly view: OrderedStore['view'];
  readonly beginRestore: OrderedStore['beginRestore'];
  readonly maintain: OrderedStore['maintain'];
  readonly bytes: OrderedStore['bytes'];
  readonly close: OrderedStore['close'];

  constructor(store: OrderedStore) {
    this.#store = store;
    this.open = () => store.open();
    this.range = (options) => store.range(options);
    this.count = () => store.count();
    this.sync = () => store.sync();
    this.view = () => store.view();
    this.beginRestore = () => store.beginRestore();
    this.maintain = () => store.maintain();
    this.bytes = () => store.bytes();
    this.close = () => store.close();
  }

  hold(): void {
    this.#held = new Promise((resolve) => {
      this.#release = resolve;
    });
  }

  holdWrites(): void {
    this.#heldWrites = new Promise((resolve) => {
      this.#release = resolve;
    });
  }

  release(): void {
    this.#release();
    this.#held = undefined;
    this.#heldWrites = undefined;
  }

  async getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    await this.#held;
    return this.#store.getMany(keys);
  }

  async write(batch: OrderedBatch): Promise<void> {
    await this.#heldWrites;
    if (this.failure !== undefined) throw this.failure;
    await this.#store.write(batch);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#store.close();
  }
}
