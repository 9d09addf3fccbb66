/**
 * Points in time of ordered stores: iterators, which see the database as it was when they were made.
 *
 * An iterator keeps tables and memtables alive that are replaced meanwhile. How much that is for all
 * views together is asked of RocksDB now and then, and beyond the bound the oldest view is ended; so is
 * one that has been open for too long.
 */
import {
  BalsaError,
  LogLevel,
  type Env,
  type KeyValue,
  type LogIndex,
  type OrderedView,
  type RangeOptions,
  type Timer,
} from '@balsa/raft-core';
import { Turns } from '@balsa/storage-kit';
import type { Rocks, RocksIterator } from './binding.ts';
import { refused } from './errors.ts';
import { wholeRange } from './keys.ts';
import { readPairs, readSummary, viewSliceBytes } from './pairs.ts';
import type { Summary } from './records.ts';

/** Pinned space is looked at after so many bytes were written. */
const lookEveryBytes = 1024 * 1024;

export interface ViewLimits {
  /** Open at once, in all stores of the engine. */
  readonly maxViews: number;
  /** Bytes of tables and memtables that only views keep. */
  readonly maxPinnedBytes: number;
  /** Milliseconds after which a view is ended. */
  readonly maxViewMs: number;
}

class RocksdbView implements OrderedView {
  readonly appliedIndex: LogIndex;
  readonly count: number;
  readonly store: object;
  readonly #generation: number;
  readonly #rows: RocksIterator;
  readonly #env: Env;
  readonly #check: () => void;
  readonly #ended: (view: RocksdbView) => void;
  #over: BalsaError | undefined;
  /** One range at a time: they share the iterator. */
  readonly #turns = new Turns();
  timer: Timer | undefined;

  constructor(
    source: ViewSource & { readonly rows: RocksIterator; readonly summary: Summary; readonly env: Env },
    ended: (view: RocksdbView) => void,
  ) {
    this.appliedIndex = source.summary.appliedIndex;
    this.count = source.summary.count;
    this.store = source.store;
    this.#generation = source.generation;
    this.#rows = source.rows;
    this.#env = source.env;
    this.#check = source.check;
    this.#ended = ended;
  }

  range(options: RangeOptions): Promise<KeyValue[]> {
    return this.#turns.take(() => this.#range(options));
  }

  release(): Promise<void> {
    this.end(new BalsaError('STORE_CLOSED', 'this view is released'));
    return Promise.resolve();
  }

  end(reason: BalsaError): void {
    if (this.#over !== undefined) return;
    this.#over = reason;
    this.timer?.cancel();
    this.#rows.close();
    this.#ended(this);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release();
  }

  async #range(options: RangeOptions): Promise<KeyValue[]> {
    const check = (): void => {
      if (this.#over !== undefined) throw this.#over;
      this.#check();
    };
    check();
    try {
      return await readPairs(this.#rows, this.#generation, options, { env: this.#env, check });
    } catch (error) {
      throw this.#over ?? refused(error, 'read from a view');
    }
  }
}

export interface ViewSource {
  /** Whose view it is. */
  readonly store: object;
  readonly generation: number;
  /** Throws when the store cannot be used any more. */
  readonly check: () => void;
}

/** The views of all stores of an engine. */
export class Views {
  readonly #rocks: Rocks;
  readonly #env: Env;
  readonly #limits: ViewLimits;
  readonly #live = new Set<RocksdbView>();
  #unlooked = 0;

  constructor(rocks: Rocks, env: Env, limits: ViewLimits) {
    this.#rocks = rocks;
    this.#env = env;
    this.#limits = limits;
  }

  /** `OVERLOADED` when there are too many. */
  begin(source: ViewSource): OrderedView {
    const { maxViews, maxViewMs } = this.#limits;
    if (this.#live.size >= maxViews) {
      throw new BalsaError('OVERLOADED', `${String(maxViews)} views are open; release one first`, {
        details: { maxViews },
      });
    }
    const rows = this.#rocks.iterate(wholeRange('state', source.generation), viewSliceBytes);
    let view: RocksdbView;
    try {
      const summary = readSummary(rows, source.generation);
      view = new RocksdbView({ ...source, rows, summary, env: this.#env }, (ended) => {
        this.#live.delete(ended);
      });
    } catch (error) {
      rows.close();
      throw error;
    }
    this.#live.add(view);
    view.timer = this.#env.setTimer(maxViewMs, () => {
      this.#revoke(view, `it was open for ${String(maxViewMs)} ms`);
    });
    return view;
  }

  /** To be told of every write. */
  wrote(bytes: number): void {
    this.#unlooked += bytes;
    if (this.#unlooked < lookEveryBytes) return;
    this.#unlooked = 0;
    const [oldest] = this.#live;
    if (oldest === undefined) return;
    const pinned = this.#pinnedBytes();
    if (pinned <= this.#limits.maxPinnedBytes) return;
    this.#revoke(oldest, `views keep ${String(pinned)} bytes from being freed`);
  }

  /** Ends the views of one store. */
  endOf(store: object, reason: BalsaError): void {
    for (const view of [...this.#live]) if (view.store === store) view.end(reason);
  }

  #pinnedBytes(): number {
    const tables = this.#rocks.property('total-sst-files-size') - this.#rocks.property('live-sst-files-size');
    const memory =
      this.#rocks.property('size-all-mem-tables') - this.#rocks.property('cur-size-all-mem-tables');
    return Math.max(0, tables) + Math.max(0, memory);
  }

  #revoke(view: RocksdbView, why: string): void {
    this.#env.log.log(LogLevel.Warn, `ended a view of an ordered store: ${why}`);
    view.end(new BalsaError('STORE_SNAPSHOT_ABORTED', `this view was ended: ${why}`));
  }
}
