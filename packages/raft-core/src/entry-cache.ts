/** Recent persisted entries, kept so that sending and applying rarely need the store. */
import { entrySize } from './entry-size.ts';
import type { Entry, LogIndex } from './types.ts';

/** A contiguous stretch of entries, bounded in bytes, dropped from the low end. */
export class EntryCache {
  readonly #maxBytes: number;
  /** Entries from `#head` on are live; the dead prefix is cut off now and then, so that dropping is cheap. */
  #entries: Entry[] = [];
  #head = 0;
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
    return this.#entries[this.#head]?.index;
  }

  at(index: LogIndex): Entry | undefined {
    const first = this.#entries[this.#head];
    if (first === undefined || index < first.index) return undefined;
    return this.#entries[this.#head + index - first.index];
  }

  /** Takes contiguous entries that follow what is held; a stretch that does not follow replaces all. */
  append(entries: readonly Entry[]): void {
    const first = entries[0];
    if (first === undefined) return;
    const last = this.#entries.at(-1);
    if (last !== undefined && last.index + 1 !== first.index) this.clear();
    for (const entry of entries) {
      this.#entries.push(entry);
      this.#bytes += entrySize(entry);
    }
    while (this.#bytes > this.#maxBytes) this.#dropFirst();
    this.#trim();
  }

  /** Forgets entries >= `index`. */
  truncateFrom(index: LogIndex): void {
    for (
      let last = this.#entries.at(-1);
      last !== undefined && last.index >= index;
      last = this.#entries.at(-1)
    ) {
      if (this.#entries.length === this.#head) break;
      this.#entries.pop();
      this.#bytes -= entrySize(last);
    }
    if (this.#entries.length === this.#head) this.clear();
  }

  /** Forgets entries <= `index`. */
  compactTo(index: LogIndex): void {
    while ((this.firstIndex ?? Infinity) <= index) this.#dropFirst();
    this.#trim();
  }

  clear(): void {
    this.#entries = [];
    this.#head = 0;
    this.#bytes = 0;
  }

  #dropFirst(): void {
    const first = this.#entries[this.#head];
    if (first === undefined) return;
    this.#bytes -= entrySize(first);
    this.#head++;
    if (this.#head === this.#entries.length) this.clear();
  }

  #trim(): void {
    if (this.#head > 1024 && this.#head * 2 > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#head);
      this.#head = 0;
    }
  }
}
