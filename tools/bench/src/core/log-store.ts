/** A log in memory with the least that etcd's MemoryStorage does: append behind what is there, compact by copying the rest. */
import type { Entry, HardState, LogIndex } from '@balsa/raft-core';

export class LogStore {
  hardState: HardState | undefined;
  /** Entries up to here are compacted. */
  #boundary: LogIndex;
  #entries: Entry[] = [];

  constructor(boundary: LogIndex) {
    this.#boundary = boundary;
  }

  append(entries: readonly Entry[]): void {
    const first = entries[0];
    if (first === undefined) return;
    const keep = first.index - this.#boundary - 1;
    if (keep < 0 || keep > this.#entries.length) throw new Error('the benchmark left a gap in its log');
    if (keep < this.#entries.length) this.#entries.length = keep;
    for (let i = 0; i < entries.length; i++) this.#entries.push(entries[i] ?? first);
  }

  compactTo(index: LogIndex): void {
    this.#entries = this.#entries.slice(index - this.#boundary);
    this.#boundary = index;
  }
}
