/** Where each entry of a group lies: twelve bytes an entry, in typed arrays. */
import type { LogIndex } from '@balsa/raft-core';

export interface Location {
  /** Number of the segment; 0 when it is not known. */
  readonly segment: number;
  readonly offset: number;
  /** Bytes of the encoded entry. */
  readonly length: number;
}

const cellsPerEntry = 3;
const fewestEntries = 16;

/** Locations of the entries of one log, and how many bytes of each segment they make up. */
export class Locations {
  /** Segment, offset and length of each entry; that of `#first` is at `#start`. */
  #cells = new Uint32Array(cellsPerEntry * fewestEntries);
  #start = 0;
  #count = 0;
  #first: LogIndex;
  readonly #live = new Map<number, number>();
  #liveBytes = 0;

  constructor(first: LogIndex) {
    this.#first = first;
  }

  get liveBytes(): number {
    return this.#liveBytes;
  }

  /** Bytes of a segment that entries of the log take up. */
  liveBytesOf(segment: number): number {
    return this.#live.get(segment) ?? 0;
  }

  get(index: LogIndex): Location {
    const at = this.#at(index);
    const [segment = 0, offset = 0, length = 0] = this.#cells.subarray(at, at + cellsPerEntry);
    return { segment, offset, length };
  }

  push(segment: number, offset: number, length: number): void {
    if ((this.#start + this.#count + 1) * cellsPerEntry > this.#cells.length) this.#grow();
    this.#count++;
    this.#set(this.#first + this.#count - 1, segment, offset, length);
  }

  /** The entry lies somewhere else from now on. */
  move(index: LogIndex, segment: number, offset: number, length: number): void {
    this.#forget(index);
    this.#set(index, segment, offset, length);
  }

  truncateFrom(index: LogIndex): void {
    for (; this.#count > 0 && this.#first + this.#count > index; this.#count--) {
      this.#forget(this.#first + this.#count - 1);
    }
  }

  dropTo(index: LogIndex): void {
    for (; this.#count > 0 && this.#first <= index; this.#count--) {
      this.#forget(this.#first);
      this.#first++;
      this.#start++;
    }
    if (this.#count === 0) this.reset(Math.max(index + 1, this.#first));
  }

  /** Forgets everything; the next entry is `first`. */
  reset(first: LogIndex): void {
    this.#live.clear();
    this.#liveBytes = 0;
    this.#cells = new Uint32Array(cellsPerEntry * fewestEntries);
    this.#start = 0;
    this.#count = 0;
    this.#first = first;
  }

  #at(index: LogIndex): number {
    return (this.#start + index - this.#first) * cellsPerEntry;
  }

  #set(index: LogIndex, segment: number, offset: number, length: number): void {
    const at = this.#at(index);
    this.#cells[at] = segment;
    this.#cells[at + 1] = offset;
    this.#cells[at + 2] = length;
    this.#change(segment, length);
  }

  #forget(index: LogIndex): void {
    const at = this.#at(index);
    this.#change(this.#cells[at] ?? 0, -(this.#cells[at + 2] ?? 0));
  }

  #change(segment: number, bytes: number): void {
    if (segment === 0) return;
    this.#liveBytes += bytes;
    const left = this.liveBytesOf(segment) + bytes;
    if (left === 0) this.#live.delete(segment);
    else this.#live.set(segment, left);
  }

  /** Doubles, or moves to the front when that is room enough. */
  #grow(): void {
    const used = this.#cells.subarray(
      this.#start * cellsPerEntry,
      (this.#start + this.#count) * cellsPerEntry,
    );
    const cells = new Uint32Array(Math.max(cellsPerEntry * fewestEntries, used.length * 2));
    cells.set(used);
    this.#cells = cells;
    this.#start = 0;
  }
}
