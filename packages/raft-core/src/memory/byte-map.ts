/** A map from bytes to bytes in key order, whose point-in-time copies cost nothing until the next change. */
import { compareBytes } from '../bytes.ts';
import type { KeyValue, RangeOptions } from '../contracts/ordered-store.ts';
import { assertSafeInteger } from '../invariants.ts';

type Pairs = readonly KeyValue[];

/** Position of the first pair whose key is at least `key`, or above it when `after` is set. */
function seek(pairs: Pairs, key: Uint8Array, after: boolean): number {
  let low = 0;
  let high = pairs.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const pair = pairs[middle];
    const order = pair === undefined ? 1 : compareBytes(pair.key, key);
    if (order < 0 || (after && order === 0)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Pairs as they were at one moment. The pairs themselves are never changed, only replaced. */
export class ByteMapView {
  readonly #pairs: Pairs;

  constructor(pairs: Pairs) {
    this.#pairs = pairs;
  }

  get size(): number {
    return this.#pairs.length;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    const pair = this.#pairs[seek(this.#pairs, key, false)];
    return pair !== undefined && compareBytes(pair.key, key) === 0 ? pair.value : undefined;
  }

  /** Pairs in key order, as copies. */
  range(options: RangeOptions): KeyValue[] {
    const limit = assertSafeInteger(options.limit, 'limit');
    const maxBytes = options.maxBytes ?? Infinity;
    const found: KeyValue[] = [];
    let bytes = 0;
    const from = Math.max(
      options.gte === undefined ? 0 : seek(this.#pairs, options.gte, false),
      options.gt === undefined ? 0 : seek(this.#pairs, options.gt, true),
    );
    const to = options.lt === undefined ? this.#pairs.length : seek(this.#pairs, options.lt, false);
    for (let i = from; i < to && found.length < limit; i++) {
      const pair = this.#pairs[i];
      if (pair === undefined) break;
      bytes += pair.key.length + pair.value.length;
      if (found.length > 0 && bytes > maxBytes) break;
      found.push({ key: pair.key.slice(), value: pair.value.slice() });
    }
    return found;
  }
}

/** Sorted array, copied on the first change after a view was taken: simple, and plainly right. */
export class ByteMap {
  #pairs: KeyValue[];
  #shared = false;

  /** Takes the pairs over; they are in ascending key order. */
  constructor(pairs: KeyValue[] = []) {
    this.#pairs = pairs;
  }

  get size(): number {
    return this.#pairs.length;
  }

  /** Sum of the lengths of keys and values. */
  get bytes(): number {
    return this.#pairs.reduce((sum, pair) => sum + pair.key.length + pair.value.length, 0);
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return new ByteMapView(this.#pairs).get(key);
  }

  range(options: RangeOptions): KeyValue[] {
    return new ByteMapView(this.#pairs).range(options);
  }

  /** Takes `key` and `value` over; `undefined` deletes. */
  set(key: Uint8Array, value: Uint8Array | undefined): void {
    if (this.#shared) {
      this.#pairs = [...this.#pairs];
      this.#shared = false;
    }
    const position = seek(this.#pairs, key, false);
    const present = this.#pairs[position];
    const replaced = present !== undefined && compareBytes(present.key, key) === 0 ? 1 : 0;
    if (value === undefined) this.#pairs.splice(position, replaced);
    else this.#pairs.splice(position, replaced, { key, value });
  }

  /** This moment, unmoved by later changes. */
  view(): ByteMapView {
    this.#shared = true;
    return new ByteMapView(this.#pairs);
  }
}
