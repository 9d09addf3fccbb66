/**
 * OrderedStore: a byte-ordered key-value map that remembers how much of the log it contains.
 *
 * Each adapter ships one in its own engine, so that a replicated service needs one database. Keys and
 * values are bytes; keys are ordered as unsigned bytes, a prefix before what it is a prefix of. Keys
 * are 1 to `maxKeyBytes` long.
 */
import type { LogIndex } from '../types.ts';

export const maxKeyBytes: number = 65_536;

export interface KeyValue {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

export interface RangeOptions {
  /** Inclusive lower bound. */
  readonly gte?: Uint8Array;
  /** Exclusive lower bound, for going on after a page. */
  readonly gt?: Uint8Array;
  /** Exclusive upper bound. */
  readonly lt?: Uint8Array;
  /** At most this many pairs. */
  readonly limit: number;
  /** Stop before the sum of key and value lengths passes this many bytes (at least one pair is given). */
  readonly maxBytes?: number;
}

/** One atomic change; the applied index goes with the data. */
export interface OrderedBatch {
  /** Later ones win over earlier ones of the same key. `undefined` deletes. */
  readonly changes: readonly (readonly [key: Uint8Array, value: Uint8Array | undefined])[];
  /** Must be at least the present one (`INVALID_ARGUMENT` else). */
  readonly appliedIndex: LogIndex;
}

/** A point in time. Costs little to make; pins space until released, so it is released soon. */
export interface OrderedView extends AsyncDisposable {
  /** Read from inside the view, never from memory beside it. */
  readonly appliedIndex: LogIndex;
  readonly count: number;
  /** Pairs in key order. */
  range(options: RangeOptions): Promise<KeyValue[]>;
  release(): Promise<void>;
}

/** Fills a fresh copy while the present one still serves; `commit` switches to it atomically and durably. */
export interface OrderedRestore {
  /** Pairs in strictly ascending key order over the whole restore (`INVALID_ARGUMENT` else). */
  put(pairs: readonly KeyValue[]): Promise<void>;
  /** Resolves when the new contents and their applied index (which may be lower than the old one) are durable and in place. */
  commit(appliedIndex: LogIndex): Promise<void>;
  /** Idempotent; leaves the present contents as they were. */
  abort(): Promise<void>;
}

export interface OrderedStore extends AsyncDisposable {
  /**
   * Recovers. What a crash leaves is a prefix of the writes, never a part of one. It is never older than what `sync`
   * last promised, also not after damage: that is `STORE_CORRUPT` or `STORE_ACKNOWLEDGED_WRITE_LOST` then.
   */
  open(): Promise<{ readonly appliedIndex: LogIndex }>;
  /** Values in the order of `keys`; undefined where there is none. Sees every write that has resolved. */
  getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]>;
  range(options: RangeOptions): Promise<KeyValue[]>;
  count(): Promise<number>;
  /** Atomic; readable when it resolves; durable only after a later `sync`. One at a time (`STORE_WRITE_IN_FLIGHT`). */
  write(batch: OrderedBatch): Promise<void>;
  /** Makes durable what was written before the call; resolves with the durable applied index. */
  sync(): Promise<LogIndex>;
  view(): Promise<OrderedView>;
  beginRestore(): Promise<OrderedRestore>;
  /** A bounded slice of housekeeping. True when more is left. */
  maintain(): Promise<boolean>;
  /** Bytes on disk. */
  bytes(): Promise<number>;
  close(): Promise<void>;
}
