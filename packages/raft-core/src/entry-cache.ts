/** Recent persisted entries, kept so that sending and applying rarely need the store. */
import { entrySize } from './entry-size.ts';
import type { Entry, LogIndex } from './types.ts';

/** Slots of an empty cache; always a power of two, so that a slot is found by a mask. */
const leastSlots = 64;
/** A cache that uses a smaller part of its slots than this after a compaction gives them back. */
const shrinkBelow = 1 / 64;

/** A contiguous stretch of entries, bounded in bytes, dropped from the low end. A ring: nothing moves when it is dropped. */
export class EntryCache {
  readonly #maxBytes: number;
  /** The entry at `index`, if it is held, is in slot `index & (slots - 1)`. */
  #slots: (Entry | undefined)[] = emptySlots(leastSlots);
  /** Beside each entry, the bytes of all up to it: to drop a stretch, none of its entries need be looked at. */
  #sums: Float64Array = new Float64Array(leastSlots);
  #mask: number = leastSlots - 1;
  /** The entries held are those in `[#first, #end)`. */
  #first: LogIndex = 0;
  #end: LogIndex = 0;
  /** Bytes of all up to the last entry, in the sense of `#sums`. */
  #sum = 0;
  /** Bytes of all below `#first`, in the same sense. */
  #dropped = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes held, as `entrySize` counts them. */
  get bytes(): number {
    return this.#sum - this.#dropped;
  }

  /** Index of the lowest entry, or undefined when empty. */
  get firstIndex(): LogIndex | undefined {
    return this.#first === this.#end ? undefined : this.#first;
  }

  at(index: LogIndex): Entry | undefined {
    return index >= this.#first && index < this.#end ? this.#slots[index & this.#mask] : undefined;
  }

  /** Takes contiguous entries that follow what is held; a stretch that does not follow replaces all. */
  append(entries: readonly Entry[]): void {
    const first = entries[0];
    if (first === undefined) return;
    if (first.index !== this.#end) {
      this.clear();
      this.#first = first.index;
      this.#end = first.index;
    }
    for (let i = 0; i < entries.length; i++) {
      const entry = entries[i];
      if (entry === undefined) break;
      if (this.#end - this.#first > this.#mask) this.#resize((this.#mask + 1) * 2);
      const slot = this.#end++ & this.#mask;
      this.#sum += entrySize(entry);
      this.#slots[slot] = entry;
      this.#sums[slot] = this.#sum;
      while (this.bytes > this.#maxBytes) this.#drop(this.#first + 1);
    }
  }

  /** Forgets entries >= `index`. */
  truncateFrom(index: LogIndex): void {
    const end = Math.max(index, this.#first);
    while (this.#end > end) this.#slots[--this.#end & this.#mask] = undefined;
    this.#sum = this.#end === this.#first ? this.#dropped : (this.#sums[(this.#end - 1) & this.#mask] ?? 0);
  }

  /** Forgets entries <= `index`. */
  compactTo(index: LogIndex): void {
    if (index < this.#first) return;
    this.#drop(Math.min(index + 1, this.#end));
    const slots = this.#mask + 1;
    const held = this.#end - this.#first;
    if (slots > leastSlots && held < slots * shrinkBelow) this.#resize(Math.max(leastSlots, slots / 32));
  }

  clear(): void {
    if (this.#first === this.#end) return;
    this.#drop(this.#end);
    if (this.#mask >= leastSlots) this.#resize(leastSlots);
  }

  /** Makes `first` the lowest index held. Slots are emptied: what they hold would live on. */
  #drop(first: LogIndex): void {
    if (first <= this.#first) return;
    this.#dropped = this.#sums[(first - 1) & this.#mask] ?? 0;
    while (this.#first < first) this.#slots[this.#first++ & this.#mask] = undefined;
  }

  #resize(count: number): void {
    const slots = emptySlots(count);
    const sums = new Float64Array(count);
    for (let index = this.#first; index < this.#end; index++) {
      slots[index & (count - 1)] = this.#slots[index & this.#mask];
      sums[index & (count - 1)] = this.#sums[index & this.#mask] ?? 0;
    }
    this.#slots = slots;
    this.#sums = sums;
    this.#mask = count - 1;
  }
}

function emptySlots(count: number): (Entry | undefined)[] {
  return new Array<Entry | undefined>(count).fill(undefined);
}
