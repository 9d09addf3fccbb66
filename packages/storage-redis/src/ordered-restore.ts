/** New contents in the making, beside those that serve. */
import {
  BalsaError,
  assertSafeInteger,
  compareBytes,
  type KeyValue,
  type LogIndex,
  type OrderedRestore,
} from '@balsa/raft-core';
import { Turns } from '@balsa/storage-kit';
import type { Argument } from './connection.ts';
import { refused } from './errors.ts';
import { checkKey, type PairCodec } from './pairs.ts';

/** Pairs and bytes that are sent at once: the server does nothing else while it takes and syncs them. */
const fillPairs = 250;
const fillBytes = 32 * 1024;

/** What a finished restore holds. */
export interface Filled {
  readonly generation: number;
  readonly count: number;
  readonly digest: number;
}

export interface RestoreOptions {
  readonly generation: number;
  readonly codec: PairCodec;
  readonly check: () => void;
  /** Adds pairs (key, value, key, value), of so many bytes, to the generation. */
  readonly fill: (pairs: readonly Argument[], bytes: number) => Promise<void>;
  /** Makes the finished contents the present ones, durably. */
  readonly switchTo: (filled: Filled, appliedIndex: LogIndex) => Promise<void>;
  readonly discard: () => Promise<void>;
  readonly ended: () => void;
}

export class RedisRestore implements OrderedRestore {
  readonly #options: RestoreOptions;
  #last: Uint8Array | undefined;
  #count = 0;
  #digest = 0;
  #state: 'open' | 'committed' | 'aborted' = 'open';
  /** Calls take effect one at a time, in the order made. */
  readonly #turns = new Turns();

  constructor(options: RestoreOptions) {
    this.#options = options;
  }

  put(pairs: readonly KeyValue[]): Promise<void> {
    return this.#turns.take(async () => {
      this.#assertOpen();
      let last = this.#last;
      for (const { key } of pairs) {
        checkKey(key);
        if (last !== undefined && compareBytes(last, key) >= 0) {
          throw new BalsaError('INVALID_ARGUMENT', 'pairs of a restore come in strictly ascending key order');
        }
        last = key;
      }
      await this.#orAbort(() => this.#fill(pairs));
      this.#last = last?.slice();
    });
  }

  commit(appliedIndex: LogIndex): Promise<void> {
    return this.#turns.take(async () => {
      assertSafeInteger(appliedIndex, 'applied index');
      this.#assertOpen();
      const { generation, switchTo, ended } = this.#options;
      // From here on it may be the present one, whatever goes wrong: it is not removed any more.
      this.#state = 'committed';
      try {
        await switchTo({ generation, count: this.#count, digest: this.#digest }, appliedIndex);
      } finally {
        ended();
      }
    });
  }

  abort(): Promise<void> {
    return this.#turns.take(() => this.#abort());
  }

  async #fill(pairs: readonly KeyValue[]): Promise<void> {
    let args: Argument[] = [];
    let bytes = 0;
    for (const { key, value } of pairs) {
      const { stored, checksum } = this.#options.codec.encode(key, value);
      args.push(Buffer.from(key), stored);
      bytes += key.length + stored.length;
      this.#digest = (this.#digest + checksum) % 2 ** 32;
      this.#count++;
      if (args.length < 2 * fillPairs && bytes < fillBytes) continue;
      await this.#options.fill(args, bytes);
      args = [];
      bytes = 0;
    }
    if (args.length > 0) await this.#options.fill(args, bytes);
  }

  async #abort(): Promise<void> {
    if (this.#state !== 'open') return;
    this.#state = 'aborted';
    try {
      await this.#options.discard();
    } finally {
      this.#options.ended();
    }
  }

  /** Half of the contents are of no use: what fails removes them, or leaves that to the next opening. */
  async #orAbort(run: () => Promise<void>): Promise<void> {
    try {
      await run();
    } catch (error) {
      try {
        await this.#abort();
      } catch (second) {
        throw refused(new AggregateError([error, second], String(error)), 'fill a restore');
      }
      throw refused(error, 'fill a restore');
    }
  }

  #assertOpen(): void {
    this.#options.check();
    if (this.#state === 'open') return;
    const code = this.#state === 'aborted' ? 'STORE_SNAPSHOT_ABORTED' : 'INVALID_ARGUMENT';
    throw new BalsaError(code, `this restore is ${this.#state} already`);
  }
}
