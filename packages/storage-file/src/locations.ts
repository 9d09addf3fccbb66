/** Where each entry of a group lies: twelve bytes an entry, in typed arrays. */
import type { LogIndex } from '@balsa/raft-core';

export interface Location {
  /** Number of the segment; 0 when it is not known. */
  readonly segment: number;
  readonly offset: number;
  /** Bytes of the encoded entry. */
  readonly length: number;
}

/** How much of each segment is still referred to. */
export class Usage {
  readonly #bytes = new Map<number, number>();
  liveBytes = 0;

  /** Encoded bytes of live entries in a segment. */
  of(segment: number): number {
    return this.#bytes.get(segment) ?? 0;
  }

  change(segment: number, bytes: number): void {
    if (segment === 0) return;
    const left = this.of(segment) + bytes;
    this.liveBytes += bytes;
    if (left === 0) this.#bytes.delete(segment);
    else this.#bytes.set(segment, left);
  }
}

/** Locations of the entries `[first, last]`. */
export class Locations {
  readonly #usage: Usage;
  /** Three numbers an entry: segment, offset, length. Entry `first` is at `#start`. */
  #cells = new Uint32Array(3 * 16);
  #start = 0;
  #first: LogIndex;
  #count = 0;

  constructor(usage: Usage, first: LogIndex) {
    this.#usage = usage;
    this.#first = first;
  }

  get last(): LogIndex {
    return this.#first + this.#count - 1;
  }

  get(index: LogIndex): Location {
    const at = this.#at(index);
    return {
      segment: this.#cells[at] ?? 0,
      offset: this.#cells[at + 1] ?? 0,
      length: this.#cells[at + 2] ?? 0,
    };
  }

  push(segment: number, offset: number, length: number): void {
    if ((this.#start + this.#count + 1) * 3 > this.#cells.length) this.#grow();
    this.#count++;
    this.#put(this.last, segment, offset, length);
  }

  move(index: LogIndex, segment: number, offset: number, length: number): void {
    this.#forget(index);
    this.#put(index, segment, offset, length);
  }

  /** Forgets entries >= `index`. */
  truncateFrom(index: LogIndex): void {
    while (this.#count > 0 && this.last >= index) {
      this.#forget(this.last);
      this.#count--;
    }
  }

  /** Forgets entries <= `index`; the next one, if any, is the first. */
  dropTo(index: LogIndex): void {
    while (this.#count > 0 && this.#first <= index) {
      this.#forget(this.#first);
      this.#first++;
      this.#start++;
      this.#count--;
    }
    if (this.#count === 0) this.reset(Math.max(index + 1, this.#first));
  }

  /** Forgets everything; the next entry will be `first`. */
  reset(first: LogIndex): void {
    if (this.#count > 0) this.truncateFrom(this.#first);
    this.#first = first;
    this.#start = 0;
    this.#cells = new Uint32Array(3 * 16);
  }

  #put(index: LogIndex, segment: number, offset: number, length: number): void {
    const at = this.#at(index);
    this.#cells[at] = segment;
    this.#cells[at + 1] = offset;
    this.#cells[at + 2] = length;
    this.#usage.change(segment, length);
  }

  #forget(index: LogIndex): void {
    const { segment, length } = this.get(index);
    this.#usage.change(segment, -length);
  }

  #at(index: LogIndex): number {
    return (this.#start + index - this.#first) * 3;
  }

  /** Makes room at the end: by moving to the front when half is free there, else by doubling. */
  #grow(): void {
    const used = this.#cells.subarray(this.#start * 3, (this.#start + this.#count) * 3);
    const wanted = Math.max(3 * 16, used.length * 2);
    const cells = new Uint32Array(wanted);
    cells.set(used);
    this.#cells = cells;
    this.#start = 0;
  }
}
