/** A generation in the making: its own range of keys, which nothing points at before it is whole. */
import {
  BalsaError,
  assertSafeInteger,
  compareBytes,
  type KeyValue,
  type LogIndex,
  type OrderedRestore,
} from '@balsa/raft-core';
import { refused } from './errors.ts';
import { pairKey } from './keys.ts';
import type { LogDatabase } from './log-database.ts';
import { checkKey, encodeValue } from './pairs.ts';
import type { Summary } from './records.ts';

/** Bytes written in one go; a larger `put` is cut, and the event loop has its turn in between. */
const bytesPerBatch = 1024 * 1024;

export interface RestoreOptions {
  readonly log: LogDatabase;
  readonly generation: number;
  /** Gives everything else its turn. */
  readonly yieldNow: () => Promise<void>;
  /** Makes the generation the present one, durably, with everything that was put before. */
  readonly switchTo: (generation: number, summary: Summary) => Promise<void>;
  /** The generation is not wanted any more. */
  readonly abandon: (generation: number) => void;
  readonly check: () => void;
  readonly ended: () => void;
}

export class RocksdbRestore implements OrderedRestore {
  readonly #options: RestoreOptions;
  #last: Uint8Array | undefined;
  #count = 0;
  #bytes = 0;
  #state: 'open' | 'committed' | 'aborted' = 'open';

  constructor(options: RestoreOptions) {
    this.#options = options;
  }

  async put(pairs: readonly KeyValue[]): Promise<void> {
    this.#assertOpen();
    let last = this.#last;
    for (const { key } of pairs) {
      checkKey(key);
      if (last !== undefined && compareBytes(last, key) >= 0) {
        throw new BalsaError('INVALID_ARGUMENT', 'pairs of a restore come in strictly ascending key order');
      }
      last = key;
    }
    this.#last = last?.slice();
    try {
      await this.#write(pairs);
    } catch (error) {
      await this.abort();
      throw refused(error, 'fill a restore');
    }
  }

  async commit(appliedIndex: LogIndex): Promise<void> {
    assertSafeInteger(appliedIndex, 'applied index');
    this.#assertOpen();
    const { generation, switchTo, ended } = this.#options;
    // From here on it may be the present one, whatever goes wrong: it is not removed any more.
    this.#state = 'committed';
    try {
      await switchTo(generation, { appliedIndex, count: this.#count, bytes: this.#bytes });
    } finally {
      ended();
    }
  }

  abort(): Promise<void> {
    if (this.#state === 'open') {
      this.#state = 'aborted';
      this.#options.abandon(this.#options.generation);
      this.#options.ended();
    }
    return Promise.resolve();
  }

  async #write(pairs: readonly KeyValue[]): Promise<void> {
    const { log, generation, yieldNow } = this.#options;
    const batch = log.rocks.batch();
    let bytes = 0;
    const flush = (): void => {
      if (bytes === 0) return;
      log.writeUnsynced(batch, bytes, 'a write of a restore');
      batch.clear();
      bytes = 0;
    };
    for (const { key, value } of pairs) {
      batch.put(pairKey(generation, key), encodeValue(key, value));
      bytes += key.length + value.length;
      this.#count++;
      this.#bytes += key.length + value.length;
      if (bytes < bytesPerBatch) continue;
      flush();
      await yieldNow();
      await log.room();
      this.#assertOpen();
    }
    flush();
  }

  #assertOpen(): void {
    this.#options.check();
    if (this.#state === 'open') return;
    const code = this.#state === 'aborted' ? 'STORE_SNAPSHOT_ABORTED' : 'INVALID_ARGUMENT';
    throw new BalsaError(code, `this restore is ${this.#state} already`);
  }
}
