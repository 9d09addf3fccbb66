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
  /** Beside each entry its size: to drop a stretch, none of its entries need be looked at. */
  #sizes: Uint32Array = new Uint32Array(leastSlots);
  #mask: number = leastSlots - 1;
  /** The entries held are those in `[#first, #end)`. */
  #first: LogIndex = 0;
  #end: LogIndex = 0;
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes held, as `entrySize` counts them. */
  get bytes(): number {
    return this.#bytes;
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
      const size = entrySize(entry);
      this.#slots[slot] = entry;
      this.#sizes[slot] = size;
      this.#bytes += size;
      while (this.#bytes > this.#maxBytes) this.#drop(this.#first + 1);
    }
  }

  /** Forgets entries >= `index`. */
  truncateFrom(index: LogIndex): void {
    const end = Math.max(index, this.#first);
    while (this.#end > end) this.#free(--this.#end);
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

  /** Makes `first` the lowest index held. */
  #drop(first: LogIndex): void {
    while (this.#first < first) this.#free(this.#first++);
  }

  /** Empties the slot of `index`: what it holds would live on. */
  #free(index: LogIndex): void {
    const slot = index & this.#mask;
    this.#slots[slot] = undefined;
    this.#bytes -= this.#sizes[slot] ?? 0;
  }

  #resize(count: number): void {
    const slots = emptySlots(count);
    const sizes = new Uint32Array(count);
    for (let index = this.#first; index < this.#end; index++) {
      slots[index & (count - 1)] = this.#slots[index & this.#mask];
      sizes[index & (count - 1)] = this.#sizes[index & this.#mask] ?? 0;
    }
    this.#slots = slots;
    this.#sizes = sizes;
    this.#mask = count - 1;
  }
}

function emptySlots(count: number): (Entry | undefined)[] {
  return new Array<Entry | undefined>(count).fill(undefined);
}
