/** Chance of one seed, split into streams that do not disturb each other. */
import { createRandom, type RandomSource } from '@balsa/transport-memory';

export class Chance {
  readonly #next: RandomSource;

  constructor(seed: number) {
    this.#next = createRandom(seed);
  }

  /** A stream of its own for `name`: what one part draws does not change what another draws. */
  static of(seed: number, name: string): Chance {
    let hash = 0x811c9dc5;
    for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
    return new Chance((hash >>> 0) * 0x20_0000 + ((seed * 0x9e37 + 0x79b9) % 0x20_0000) + seed);
  }

  /** Uniform in [0, 1). */
  next(): number {
    return this.#next();
  }

  happens(chance: number): boolean {
    return this.#next() < chance;
  }

  /** Uniform in [low, high). */
  between(low: number, high: number): number {
    return low + this.#next() * (high - low);
  }

  /** More often small than large, between `low` and `high`, both positive. */
  skewed(low: number, high: number): number {
    return low * (high / low) ** this.#next();
  }

  /** An integer in [0, count). */
  below(count: number): number {
    return Math.floor(this.#next() * count);
  }

  pick<T>(list: readonly T[]): T {
    const item = list[this.below(list.length)];
    if (item === undefined) throw new RangeError('there is nothing to pick from');
    return item;
  }

  shuffled<T>(list: readonly T[]): T[] {
    const result = [...list];
    for (let i = result.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      [result[i], result[j]] = [result[j] as T, result[i] as T];
    }
    return result;
  }
}
