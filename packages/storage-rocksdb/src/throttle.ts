/**
 * Holds the writer to what compaction keeps up with.
 *
 * RocksDB compacts on threads of its own. By itself it slows a writer only when 64 GiB wait to be
 * compacted, and then it blocks the calling thread. Until then levels grow that every further
 * compaction has to rewrite: the debt feeds itself, and files that hold nothing live stay. So the debt is
 * looked at here, and the queue waits: the thread goes on with other things.
 */
import type { Rocks } from './binding.ts';

/** The debt is looked at after so many bytes were written, and after every batch while it is too large. */
const lookEveryBytes = 256 * 1024;
/** What may be written a millisecond when the debt is twice its bound; at thrice the bound, half of it. */
const bytesPerMs = (8 * 1024 * 1024) / 1000;
/** The longest that one batch is held back, whatever it weighs: a quarter of the default election timeout. */
export const maxDelayMs = 250;

export class Throttle {
  readonly #debt: () => number;
  readonly #now: () => number;
  readonly #maxDebtBytes: number;
  #unlooked = 0;
  /** How much larger than its bound the debt is, as a part of the bound. */
  #excess = 0;
  /** When the next batch may be written. */
  #freeAt = 0;

  /** `now` in milliseconds. */
  constructor(rocks: Pick<Rocks, 'property'>, now: () => number, maxDebtBytes: number) {
    this.#debt = () => rocks.property('estimate-pending-compaction-bytes');
    this.#now = now;
    this.#maxDebtBytes = maxDebtBytes;
  }

  /** To be told of every batch, after it was written. */
  wrote(bytes: number): void {
    this.#unlooked += bytes;
    if (this.#excess === 0 && this.#unlooked < lookEveryBytes) return;
    this.#unlooked = 0;
    this.#look();
    const delay = Math.min(maxDelayMs, (bytes / bytesPerMs) * this.#excess);
    const now = this.#now();
    this.#freeAt = Math.min(now + maxDelayMs, Math.max(now, this.#freeAt) + delay);
  }

  /** Whole milliseconds, at most `maxDelayMs`, that the next batch has to wait; mostly 0. */
  delayMs(): number {
    if (this.#excess === 0) return 0;
    const delay = Math.floor(this.#freeAt - this.#now());
    return Math.max(0, Math.min(maxDelayMs, delay));
  }

  #look(): void {
    this.#excess = Math.max(0, this.#debt() / this.#maxDebtBytes - 1);
  }
}
