import {
  assertSafeInteger,
  BalsaError,
  maxKeyBytes,
  type KeyValue,
  type LogIndex,
  type OrderedBatch,
  type OrderedRestore,
  type OrderedStore,
  type OrderedView,
  type RangeOptions,
} from '@balsa/raft-core';
import { nameOf } from './overlay.ts';

/** When what has gathered is written: before the write that finds this much, so never more than one batch later. */
export interface WriteBehindBounds {
  /** Changes of different keys. */
  readonly maxChanges: number;
  /** Of their keys and values. */
  readonly maxBytes: number;
}

const defaultBounds: WriteBehindBounds = { maxChanges: 512, maxBytes: 1024 * 1024 };

type Change = readonly [key: Uint8Array, value: Uint8Array | undefined];

/**
 * Gathers batches in memory and gives them to the store beneath as one.
 *
 * An OrderedStore makes nothing durable before `sync`, and what a crash leaves of it is a prefix of its
 * batches; so it may as well be given several of them together, with the applied index of the last. A
 * transaction for every batch of the log costs more than the changes in it, and the answer to a client
 * would wait for it. What a crash takes is in the log, which is kept until `sync` has covered it.
 *
 * Reads see what has gathered. Whoever looks at more than single keys has it written first.
 */
export class WriteBehindStore implements OrderedStore {
  readonly #store: OrderedStore;
  readonly #bounds: WriteBehindBounds;
  /** By the name of the key; newest of each. Not changed while it is being written. */
  readonly #gathered = new Map<string, Change>();
  #bytes = 0;
  #appliedIndex: LogIndex = 0;
  /** Applied index of the store beneath. */
  #storedIndex: LogIndex = 0;
  #opened = false;
  #writing = false;
  /** Reads of the store beneath that are under way: nothing is written until they end, so that a read is of one moment. */
  #readers = 0;
  #noReaders: (() => void) | undefined;
  #flushing: Promise<void> | undefined;

  constructor(store: OrderedStore, bounds: Partial<WriteBehindBounds> = {}) {
    this.#store = store;
    this.#bounds = { ...defaultBounds, ...bounds };
  }

  async open(): Promise<{ readonly appliedIndex: LogIndex }> {
    const { appliedIndex } = await this.#store.open();
    this.#appliedIndex = this.#storedIndex = appliedIndex;
    this.#opened = true;
    return { appliedIndex };
  }

  async getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    while (this.#flushing !== undefined) await settled(this.#flushing);
    if (this.#gathered.size === 0) return this.#read(keys);
    const changes = keys.map((key) => this.#gathered.get(nameOf(key)));
    const others = keys.filter((_, i) => changes[i] === undefined);
    const found = others.length === 0 ? [] : await this.#read(others);
    let next = 0;
    return changes.map((change) => (change === undefined ? found[next++] : change[1]));
  }

  async range(options: RangeOptions): Promise<KeyValue[]> {
    await this.#flush();
    return this.#store.range(options);
  }

  async count(): Promise<number> {
    await this.#flush();
    return this.#store.count();
  }

  /** As the contract has it; rejects, too, when an earlier batch cannot be written, and has no effect then. */
  async write(batch: OrderedBatch): Promise<void> {
    // The refusal of a store that is not open is its own.
    if (!this.#opened) return this.#store.write(batch);
    if (this.#writing)
      throw new BalsaError('STORE_WRITE_IN_FLIGHT', 'a write of this ordered store has not settled yet');
    this.#writing = true;
    try {
      this.#check(batch);
      if (this.#full) await this.#flush();
      else while (this.#flushing !== undefined) await this.#flushing;
      for (const change of batch.changes) this.#gather(change);
      this.#appliedIndex = batch.appliedIndex;
    } finally {
      this.#writing = false;
    }
  }

  async sync(): Promise<LogIndex> {
    await this.#flush();
    return this.#store.sync();
  }

  async view(): Promise<OrderedView> {
    await this.#flush();
    return this.#store.view();
  }

  async beginRestore(): Promise<OrderedRestore> {
    await this.#flush();
    const restore = await this.#store.beginRestore();
    return {
      put: (pairs) => restore.put(pairs),
      abort: () => restore.abort(),
      commit: async (appliedIndex) => {
        await restore.commit(appliedIndex);
        this.#forget();
        this.#appliedIndex = this.#storedIndex = appliedIndex;
      },
    };
  }

  maintain(): Promise<boolean> {
    return this.#store.maintain();
  }

  bytes(): Promise<number> {
    return this.#store.bytes();
  }

  /** Writes what has gathered, so that the next start has less of the log to apply. */
  async close(): Promise<void> {
    try {
      if (this.#opened) await this.#flush();
    } finally {
      this.#opened = false;
      this.#forget();
      await this.#store.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  get #full(): boolean {
    return this.#gathered.size >= this.#bounds.maxChanges || this.#bytes >= this.#bounds.maxBytes;
  }

  /** What the store beneath would refuse is refused now, while nothing else is mixed with it. */
  #check({ changes, appliedIndex }: OrderedBatch): void {
    assertSafeInteger(appliedIndex, 'applied index');
    if (appliedIndex < this.#appliedIndex) {
      throw new BalsaError(
        'INVALID_ARGUMENT',
        `the applied index cannot go back from ${String(this.#appliedIndex)} to ${String(appliedIndex)}`,
      );
    }
    const stray = changes.find(([key]) => key.length === 0 || key.length > maxKeyBytes);
    if (stray !== undefined) {
      const [{ length }] = stray;
      throw new BalsaError(
        'INVALID_ARGUMENT',
        `a key of ${String(length)} bytes: keys are 1 to ${String(maxKeyBytes)} long`,
      );
    }
  }

  #gather([key, value]: Change): void {
    const name = nameOf(key);
    const before = this.#gathered.get(name);
    if (before !== undefined) this.#bytes -= sizeOf(before);
    // A copy: a view would keep the whole message alive that the value came in.
    const change: Change = [copyOf(key), value === undefined ? undefined : copyOf(value)];
    this.#bytes += sizeOf(change);
    this.#gathered.set(name, change);
  }

  #forget(): void {
    this.#gathered.clear();
    this.#bytes = 0;
  }

  async #read(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    this.#readers++;
    try {
      return await this.#store.getMany(keys);
    } finally {
      this.#readers--;
      if (this.#readers === 0) this.#noReaders?.();
    }
  }

  /** Resolves when all that was gathered before the call is in the store beneath. What cannot be written stays gathered. */
  #flush(): Promise<void> {
    this.#flushing ??= this.#writeGathered().finally(() => {
      this.#flushing = undefined;
    });
    return this.#flushing;
  }

  async #writeGathered(): Promise<void> {
    while (this.#readers > 0) {
      await new Promise<void>((resolve) => {
        this.#noReaders = resolve;
      });
    }
    const appliedIndex = this.#appliedIndex;
    if (this.#gathered.size === 0 && appliedIndex === this.#storedIndex) return;
    await this.#store.write({ changes: [...this.#gathered.values()], appliedIndex });
    this.#storedIndex = appliedIndex;
    this.#forget();
  }
}

/** In memory that copies share: they go together, and a piece of its own costs more than the bytes. */
function copyOf(bytes: Uint8Array): Uint8Array {
  const { buffer, byteOffset } = Buffer.from(bytes);
  return new Uint8Array(buffer, byteOffset, bytes.length);
}

function sizeOf([key, value]: Change): number {
  return key.length + (value?.length ?? 0);
}

/** Whoever asked for it hears of its failure. */
function settled(work: Promise<void>): Promise<void> {
  return work.catch(() => undefined);
}
