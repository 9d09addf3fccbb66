/** A map from bytes to bytes in key order, in pages that point-in-time views share until they change. */
import { assertSafeInteger, compareBytes, type KeyValue, type RangeOptions } from '@balsa/raft-core';

const pagePairs = 256;

interface Page {
  /** Never empty. */
  readonly pairs: KeyValue[];
  /** The writer's generation that made it: an older one may be seen by a view, and is copied before it changes. */
  readonly owner: number;
}

/** Position of the first element whose key is at least `key` (above it when `after` is set). */
function seek(
  count: number,
  keyAt: (i: number) => Uint8Array | undefined,
  key: Uint8Array,
  after: boolean,
): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const at = keyAt(middle);
    const order = at === undefined ? 1 : compareBytes(at, key);
    if (order < 0 || (after && order === 0)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The page that holds `key` if any does: the last that does not begin above it. */
function pageOf(pages: readonly Page[], key: Uint8Array): number {
  return Math.max(0, seek(pages.length, (i) => pages[i]?.pairs[0]?.key, key, true) - 1);
}

export class OrderedMapView {
  readonly size: number;
  readonly #pages: readonly Page[];

  constructor(pages: readonly Page[], size: number) {
    this.#pages = pages;
    this.size = size;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    const page = this.#pages[pageOf(this.#pages, key)];
    if (page === undefined) return undefined;
    const pair = page.pairs[seek(page.pairs.length, (i) => page.pairs[i]?.key, key, false)];
    return pair !== undefined && compareBytes(pair.key, key) === 0 ? pair.value : undefined;
  }

  /** Pairs in key order, as copies. */
  range(options: RangeOptions): KeyValue[] {
    const limit = assertSafeInteger(options.limit, 'limit');
    const maxBytes = options.maxBytes ?? Infinity;
    const found: KeyValue[] = [];
    let bytes = 0;
    for (const { key, value } of this.#from(options)) {
      if (found.length >= limit) break;
      if (options.lt !== undefined && compareBytes(key, options.lt) >= 0) break;
      bytes += key.length + value.length;
      if (found.length > 0 && bytes > maxBytes) break;
      found.push({ key: key.slice(), value: value.slice() });
    }
    return found;
  }

  /** All pairs in key order, not copied. */
  *pairs(): Generator<KeyValue, void, undefined> {
    for (const page of this.#pages) yield* page.pairs;
  }

  *#from({ gte, gt }: RangeOptions): Generator<KeyValue, void, undefined> {
    const lowest = gte !== undefined && gt !== undefined && compareBytes(gte, gt) > 0 ? gte : (gt ?? gte);
    const after = lowest !== undefined && lowest === gt;
    let position = lowest === undefined ? 0 : pageOf(this.#pages, lowest);
    for (; position < this.#pages.length; position++) {
      const pairs = this.#pages[position]?.pairs ?? [];
      const from = lowest === undefined ? 0 : seek(pairs.length, (i) => pairs[i]?.key, lowest, after);
      for (let i = from; i < pairs.length; i++) {
        const pair = pairs[i];
        if (pair !== undefined) yield pair;
      }
    }
  }
}

export class OrderedMap {
  #pages: Page[] = [];
  #shared = false;
  #generation = 0;
  #size = 0;
  /** Sum of the lengths of keys and values. */
  #bytes = 0;

  get size(): number {
    return this.#size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** This moment, unmoved by later changes. */
  view(): OrderedMapView {
    this.#shared = true;
    return new OrderedMapView(this.#pages, this.#size);
  }

  /** For one call, before anything changes. */
  now(): OrderedMapView {
    return new OrderedMapView(this.#pages, this.#size);
  }

  /** Takes `key` and `value` over; `undefined` deletes. */
  set(key: Uint8Array, value: Uint8Array | undefined): void {
    this.#unshare();
    const position = pageOf(this.#pages, key);
    const page = this.#own(position);
    const at = seek(page.pairs.length, (i) => page.pairs[i]?.key, key, false);
    const present = page.pairs[at];
    const replaced = present !== undefined && compareBytes(present.key, key) === 0 ? present : undefined;
    if (replaced !== undefined) {
      this.#bytes -= replaced.key.length + replaced.value.length;
      this.#size--;
    }
    if (value === undefined) {
      if (replaced !== undefined) page.pairs.splice(at, 1);
    } else {
      page.pairs.splice(at, replaced === undefined ? 0 : 1, { key, value });
      this.#bytes += key.length + value.length;
      this.#size++;
    }
    if (page.pairs.length === 0) this.#pages.splice(position, 1);
    else if (page.pairs.length > pagePairs) this.#split(position, page);
  }

  #unshare(): void {
    if (!this.#shared) return;
    this.#pages = [...this.#pages];
    this.#generation++;
    this.#shared = false;
  }

  #own(position: number): Page {
    const page = this.#pages[position];
    if (page?.owner === this.#generation) return page;
    const own = { pairs: [...(page?.pairs ?? [])], owner: this.#generation };
    this.#pages[position] = own;
    return own;
  }

  #split(position: number, page: Page): void {
    // A page that grew at its end is filled in order: most of it stays behind.
    const tail = page.pairs.splice(position === this.#pages.length - 1 ? pagePairs - 16 : pagePairs / 2);
    this.#pages.splice(position + 1, 0, { pairs: tail, owner: this.#generation });
  }
}
