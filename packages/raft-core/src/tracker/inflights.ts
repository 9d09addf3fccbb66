/** The window of appends that a follower has not acknowledged yet. */
import { invariant } from '../invariants.ts';
import type { LogIndex } from '../types.ts';

const initialCapacity = 8;

/**
 * A ring of (last index, bytes) of the messages in flight, oldest first. It grows as it fills, up to
 * `size` messages, so that an idle peer costs little. `maxBytes` is a soft second bound: the message that
 * crosses it is still taken. 0 means no bound in bytes.
 */
export class Inflights {
  #size: number;
  readonly #maxBytes: number;
  #start = 0;
  #count = 0;
  #bytes = 0;
  #index: Float64Array;
  #weight: Float64Array;

  constructor(size: number, maxBytes = 0) {
    this.#size = size;
    this.#maxBytes = maxBytes;
    const capacity = Math.min(size, initialCapacity);
    this.#index = new Float64Array(capacity);
    this.#weight = new Float64Array(capacity);
  }

  /** Messages in flight. */
  get count(): number {
    return this.#count;
  }

  /** Bytes in flight. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The most messages that may be in flight. */
  get size(): number {
    return this.#size;
  }

  /** Whether another message must wait for an acknowledgement. */
  full(): boolean {
    return this.#count >= this.#size || (this.#maxBytes !== 0 && this.#bytes >= this.#maxBytes);
  }

  /**
   * Notes a message whose last entry is `index` and whose entries weigh `bytes`. Indexes never fall, so
   * that one acknowledgement frees a prefix. Adding to a full window is an error of the caller.
   */
  add(index: LogIndex, bytes: number): void {
    invariant(!this.full(), 'inflights: nothing is sent while the window is full');
    if (this.#count === this.#index.length)
      this.#resize(Math.min(this.#size, Math.max(initialCapacity, this.#count * 2)));
    let at = this.#start + this.#count;
    if (at >= this.#index.length) at -= this.#index.length;
    this.#index[at] = index;
    this.#weight[at] = bytes;
    this.#count++;
    this.#bytes += bytes;
  }

  /** Frees every message whose last index is at most `to`. */
  freeLe(to: LogIndex): void {
    const capacity = this.#index.length;
    while (this.#count > 0 && (this.#index[this.#start] ?? 0) <= to) {
      this.#bytes -= this.#weight[this.#start] ?? 0;
      this.#count--;
      this.#start++;
      if (this.#start === capacity) this.#start = 0;
    }
    if (this.#count === 0) this.#start = 0;
  }

  /** Forgets all messages; keeps the buffer. */
  reset(): void {
    this.#start = 0;
    this.#count = 0;
    this.#bytes = 0;
  }

  /** raft-rs's runtime change of the window. A smaller size takes effect as messages are freed; 0 stops the peer. */
  setSize(size: number): void {
    this.#size = size;
  }

  /** Gives the buffer back when nothing is in flight. */
  shrink(): void {
    if (this.#count === 0 && this.#index.length > initialCapacity) this.#resize(initialCapacity);
  }

  /** Bytes that the buffers take. */
  get bufferBytes(): number {
    return this.#index.byteLength + this.#weight.byteLength;
  }

  clone(): Inflights {
    const copy = new Inflights(this.#size, this.#maxBytes);
    copy.#start = this.#start;
    copy.#count = this.#count;
    copy.#bytes = this.#bytes;
    copy.#index = this.#index.slice();
    copy.#weight = this.#weight.slice();
    return copy;
  }

  #resize(capacity: number): void {
    const index = new Float64Array(capacity);
    const weight = new Float64Array(capacity);
    for (let i = 0; i < this.#count; i++) {
      const from = (this.#start + i) % this.#index.length;
      index[i] = this.#index[from] ?? 0;
      weight[i] = this.#weight[from] ?? 0;
    }
    this.#index = index;
    this.#weight = weight;
    this.#start = 0;
  }
}
