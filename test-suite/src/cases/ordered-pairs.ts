/** What the cases of the ordered store write and compare: pairs whose keys and values may be given as text. */
import assert from 'node:assert/strict';
import type { KeyValue, OrderedStore, RangeOptions } from '@balsa/raft-core';
import type { CaseContext } from '../case.ts';
import { showBytes } from '../check.ts';
import { bytes } from '../make.ts';

export type Pairs = readonly (readonly [key: string | Uint8Array, value: string | Uint8Array | undefined])[];

export const raw = (value: string | Uint8Array): Uint8Array =>
  typeof value === 'string' ? bytes(value) : value;

export async function openStore(context: CaseContext, name = 'kv'): Promise<OrderedStore> {
  const store = (await context.engine()).orderedStore(name);
  await store.open();
  return store;
}

export const put = (store: OrderedStore, appliedIndex: number, pairs: Pairs): Promise<void> =>
  store.write({
    appliedIndex,
    changes: pairs.map(([key, value]) => [raw(key), value === undefined ? undefined : raw(value)]),
  });

export const show = (pairs: readonly KeyValue[]): string[] =>
  pairs.map(({ key, value }) => `${showBytes(key)} = ${showBytes(value)}`);

export function samePairs(found: readonly KeyValue[], expected: Pairs, what = 'pairs'): void {
  const wanted = expected.map(([key, value]) => ({ key: raw(key), value: raw(value ?? '') }));
  assert.deepEqual(show(found), show(wanted), what);
}

export const all: RangeOptions = { limit: 100_000 };
