/** Recent persisted entries, kept so that sending and applying rarely need the store. */
import { entrySize } from './entry-size.ts';
import type { Entry, LogIndex } from './types.ts';

/** A contiguous stretch of entries, bounded in bytes, dropped from the low end. */
export class EntryCache {
  readonly #maxBytes: number;
  /** Entries from `#head` on are live; the dead prefix is cut off now and then, so that dropping is cheap. */
  #entries: Entry[] = [];
  /** Beside each entry, the bytes of all up to it: to drop a stretch, none of its entries need be looked at. */
  #sums: number[] = [];
  #head = 0;
  /** Index of `#entries[0]`. */
  #base: LogIndex = 0;
  /** Bytes of all that was dropped below `#head`, in the sense of `#sums`. */
  #dropped = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes held, as `entrySize` counts them. */
  get bytes(): number {
    return (this.#sums.at(-1) ?? 0) - this.#dropped;
  }

  /** Index of the lowest entry, or undefined when empty. */
  get firstIndex(): LogIndex | undefined {
    return this.#entries.length === 0 ? undefined : this.#base + this.#head;
  }

  at(index: LogIndex): Entry | undefined {
    const at = index - this.#base;
    return at < this.#head ? undefined : this.#entries[at];
  }

  /** Takes contiguous entries that follow what is held; a stretch that does not follow replaces all. */
  append(entries: readonly Entry[]): void {
    const first = entries[0];
    if (first === undefined) return;
    if (first.index !== this.#base + this.#entries.length) this.clear();
    if (this.#entries.length === 0) this.#base = first.index;
    let sum = this.#sums.at(-1) ?? 0;
    for (let i = 0; i < entries.length; i++) {
      const entry = entries[i];
      if (entry === undefined) break;
      sum += entrySize(entry);
      this.#entries.push(entry);
      this.#sums.push(sum);
    }
    let head = this.#head;
    while (sum - this.#dropped > this.#maxBytes) this.#dropped = this.#sums[head++] ?? sum;
    this.#dropBelow(head);
  }

  /** Forgets entries >= `index`. */
  truncateFrom(index: LogIndex): void {
    const keep = index - this.#base;
    if (keep >= this.#entries.length) return;
    if (keep <= this.#head) {
      this.clear();
      return;
    }
    this.#entries.length = keep;
    this.#sums.length = keep;
  }

  /** Forgets entries <= `index`. */
  compactTo(index: LogIndex): void {
    const head = index - this.#base + 1;
    if (head > this.#head) this.#dropBelow(head);
  }

  clear(): void {
    this.#entries = [];
    this.#sums = [];
    this.#head = 0;
    this.#dropped = 0;
  }

  /** Makes `head` the position of the first live entry. */
  #dropBelow(head: number): void {
    if (head >= this.#entries.length) {
      this.clear();
      return;
    }
    this.#head = head;
    this.#dropped = head === 0 ? 0 : (this.#sums[head - 1] ?? 0);
    if (head <= 1024 || head * 2 <= this.#entries.length) return;
    const dropped = this.#dropped;
    this.#entries = this.#entries.slice(head);
    this.#sums = this.#sums.slice(head).map((sum) => sum - dropped);
    this.#base += head;
    this.#head = 0;
    this.#dropped = 0;
  }
}
