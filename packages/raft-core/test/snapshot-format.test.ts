import { describe, expect, test } from 'vitest';
import fc from 'fast-check';
import {
  compareBytes,
  decodeOrderedSnapshot,
  encodeOrderedSnapshot,
  restoreOrderedSnapshot,
  type KeyValue,
  type OrderedSnapshotPart,
  type OrderedStore,
} from '@balsa/raft-core';
import { openMemoryEngine } from '@balsa/raft-core/memory';

type Pair = readonly [key: Uint8Array, value: Uint8Array];

const code = (value: string): object => expect.objectContaining({ code: value }) as object;
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

async function storeOf(pairs: readonly Pair[], appliedIndex = 7): Promise<OrderedStore> {
  const store = openMemoryEngine().orderedStore('kv');
  await store.open();
  await store.write({ changes: pairs, appliedIndex });
  return store;
}

async function encode(pairs: readonly Pair[], chunkBytes: number): Promise<Uint8Array[]> {
  const store = await storeOf(pairs);
  return collect(encodeOrderedSnapshot(await store.view(), { chunkBytes }));
}

async function* stream(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks;
}

const decode = (chunks: readonly Uint8Array[]): Promise<OrderedSnapshotPart[]> =>
  collect(decodeOrderedSnapshot(stream(chunks)));

const pairsIn = (parts: readonly OrderedSnapshotPart[]): KeyValue[] =>
  parts.flatMap((part) => (part.kind === 'pairs' ? part.pairs : []));

const arbitraryPairs = fc.array(
  fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 20 }), fc.uint8Array({ maxLength: 200 })),
  { maxLength: 40 },
);
const sample: Pair[] = Array.from({ length: 30 }, (_, i) => [
  Uint8Array.of(i),
  new Uint8Array(i * 3).fill(i),
]);

describe('ordered snapshot', () => {
  test('gives back every pair in key order, the index and the count, for any state and chunk length', async () => {
    await fc.assert(
      fc.asyncProperty(arbitraryPairs, fc.integer({ min: 64, max: 2000 }), async (pairs, chunkBytes) => {
        const expected = new Map(pairs.map(([key, value]) => [hex(key), hex(value)]));
        const parts = await decode(await encode(pairs, chunkBytes));
        expect(parts[0]).toEqual({ kind: 'header', version: 1, appliedIndex: 7 });
        expect(parts.at(-1)).toMatchObject({ kind: 'trailer', count: expected.size });
        const found = pairsIn(parts);
        expect(new Map(found.map(({ key, value }) => [hex(key), hex(value)]))).toEqual(expected);
        expect(found).toEqual(found.toSorted((a, b) => compareBytes(a.key, b.key)));
      }),
      { numRuns: 150 },
    );
  });

  test('is the same bytes for the same state, however the state came about', async () => {
    const one = await storeOf(sample);
    const other = await storeOf([...sample.toReversed(), [Uint8Array.of(99), Uint8Array.of(1)]]);
    await other.write({ changes: [[Uint8Array.of(99), undefined]], appliedIndex: 7 });
    const bytesOf = async (store: OrderedStore): Promise<string> =>
      hex(Buffer.concat(await collect(encodeOrderedSnapshot(await store.view()))));
    expect(await bytesOf(one)).toBe(await bytesOf(other));
  });

  test('keeps its bytes from release to release', async () => {
    const chunks = await encode([[Uint8Array.of(1, 2), Uint8Array.of(3)]], 64);
    expect(chunks.map(hex)).toMatchInlineSnapshot(`
      [
        "00000000331d416d62616c73610d0a00000000010000000000000007010201010203000000000000000001676bcba3",
      ]
    `);
  });

  test('cuts at exactly the chunk length, and spans a large pair over chunks', async () => {
    const value = new Uint8Array(1000).map((_, i) => i);
    const chunks = await encode([[Uint8Array.of(1), value]], 100);
    expect(chunks.slice(0, -1).every((chunk) => chunk.length === 100)).toBe(true);
    expect(pairsIn(await decode(chunks))).toEqual([{ key: Uint8Array.of(1), value }]);
  });

  test('refuses any flipped bit before it gives a pair of that chunk', async () => {
    const chunks = await encode(sample, 128);
    const whole = pairsIn(await decode(chunks));
    for (const [n, chunk] of chunks.entries()) {
      for (let bit = 0; bit < chunk.length * 8; bit += 37) {
        const damaged = chunk.slice();
        damaged[bit >>> 3] = (damaged[bit >>> 3] ?? 0) ^ (1 << (bit & 7));
        const given: KeyValue[] = [];
        const reading = (async () => {
          for await (const part of decodeOrderedSnapshot(stream(chunks.with(n, damaged)))) {
            if (part.kind === 'pairs') given.push(...part.pairs);
          }
        })();
        await expect(reading).rejects.toThrow(code('STORE_SNAPSHOT_INVALID'));
        expect(given).toEqual(whole.slice(0, given.length));
      }
    }
  });

  test('refuses a missing, repeated, swapped or shortened chunk, and one after the trailer', async () => {
    const chunks = await encode(sample, 128);
    const last = chunks.length - 1;
    const at = (n: number): Uint8Array => chunks[n] ?? new Uint8Array();
    const broken = [
      [],
      ...chunks.map((_, n) => chunks.toSpliced(n, 1)),
      ...chunks.map((chunk, n) => chunks.toSpliced(n, 0, chunk)),
      chunks.with(1, at(2)).with(2, at(1)),
      chunks.with(last, at(last).subarray(0, -1)),
      chunks.with(3, at(3).subarray(0, 8)),
      [...chunks, at(0)],
    ];
    for (const wrong of broken) {
      await expect(decode(wrong)).rejects.toThrow(code('STORE_SNAPSHOT_INVALID'));
    }
  });

  test('refuses another version by name', async () => {
    const chunks = await encode([], 64);
    const { crc32 } = await import('node:zlib');
    const first = (chunks[0] ?? new Uint8Array()).slice();
    const view = new DataView(first.buffer);
    view.setUint32(8 + 8, 2);
    view.setUint32(4, crc32(first.subarray(8)));
    await expect(decode([first])).rejects.toThrow(code('STORE_FORMAT_VERSION'));
  });

  test('refuses a chunk length outside its bounds', async () => {
    await expect(encode([], 63)).rejects.toThrow(code('INVALID_ARGUMENT'));
    await expect(encode([], 2 ** 20 + 1)).rejects.toThrow(code('INVALID_ARGUMENT'));
  });
});

describe('restore', () => {
  test('replaces the contents and the applied index', async () => {
    const chunks = await encode(sample, 128);
    const store = await storeOf([[Uint8Array.of(200), Uint8Array.of(1)]], 50);
    expect(await restoreOrderedSnapshot(store, stream(chunks), 7)).toEqual({
      appliedIndex: 7,
      count: sample.length,
    });
    expect(await store.range({ limit: 100 })).toEqual(sample.map(([key, value]) => ({ key, value })));
    expect(await store.sync()).toBe(7);
  });

  test.each([
    ['damaged', async () => (await encode(sample, 128)).slice(0, -1), undefined],
    ['at another index', () => encode(sample, 128), 8],
  ])('leaves the contents alone when the snapshot is %s', async (_, make, index) => {
    const before = [{ key: Uint8Array.of(200), value: Uint8Array.of(1) }];
    const store = await storeOf([[Uint8Array.of(200), Uint8Array.of(1)]], 50);
    const restoring = restoreOrderedSnapshot(store, stream(await make()), index);
    await expect(restoring).rejects.toThrow(code('STORE_SNAPSHOT_INVALID'));
    expect(await store.range({ limit: 100 })).toEqual(before);
    expect(await store.sync()).toBe(50);
  });
});
