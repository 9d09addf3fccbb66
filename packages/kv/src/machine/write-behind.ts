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
import { bytesOf, nameOf } from './overlay.ts';

/** How much may gather: never more than this and one batch. From the half on it is written, while more gathers. */
export interface WriteBehindBounds {
  /** Changes of different keys. */
  readonly maxChanges: number;
  /** Of their keys and values. */
  readonly maxBytes: number;
}

/** Changes of one key meet in memory and those of one page in a transaction, the more often the more there are. */
const defaultBounds: WriteBehindBounds = { maxChanges: 65_536, maxBytes: 8 * 1024 * 1024 };

type Change = readonly [key: Uint8Array, value: Uint8Array | undefined];

/** Values by the name of their key, the newest of each; null where the key is to go. */
class Changes {
  readonly #byName = new Map<string, Uint8Array | null>();
  #bytes = 0;

  get size(): number {
    return this.#byName.size;
  }

  /** Of keys and values. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Undefined when the key was not changed. */
  get(name: string): Uint8Array | null | undefined {
    return this.#byName.get(name);
  }

  set(name: string, value: Uint8Array | null): void {
    const before = this.#byName.get(name);
    if (before === undefined) this.#bytes += name.length;
    else this.#bytes -= before?.length ?? 0;
    this.#bytes += value?.length ?? 0;
    this.#byName.set(name, value);
  }

  /** Older changes, where there is no newer one of the same key. */
  addOlder(others: Changes): void {
    for (const [name, value] of others.#byName) if (!this.#byName.has(name)) this.set(name, value);
  }

  /** In the order of their keys, so that a store that keeps them in order meets each of its pages once. */
  sorted(): Change[] {
    const names = [...this.#byName.keys()].sort();
    return names.map((name) => [bytesOf(name), this.#byName.get(name) ?? undefined]);
  }
}

const noChanges = new Changes();

/** Memory that copies of small values share. One of them that stays keeps all of it. */
const slabBytes = 16 * 1024;
const largestShared = 2 * 1024;
let slab = new ArrayBuffer(0);
let slabUsed = 0;

/**
 * Gathers batches in memory and gives them to the store beneath as one.
 *
 * An OrderedStore makes nothing durable before `sync`, and what a crash leaves of it is a prefix of its
 * batches; so it may as well be given several of them together, with the applied index of the last. A
 * transaction for every batch of the log costs more than the changes in it, and the answer to a client
 * would wait for it. What a crash takes is in the log, which is kept until `sync` has covered it.
 *
 * Reads see what has gathered and what is on its way. Whoever looks at more than single keys has it written first.
 */
export class WriteBehindStore implements OrderedStore {
  readonly #store: OrderedStore;
  readonly #bounds: WriteBehindBounds;
  #gathered = new Changes();
  /** On its way to the store beneath: not changed any more, and read from until it is there. */
  #leaving = noChanges;
  #appliedIndex: LogIndex = 0;
  /** Applied index of the store beneath. */
  #storedIndex: LogIndex = 0;
  #opened = false;
  #writing = false;
  /** The last attempt to write what had gathered failed. */
  #failed = false;
  /** Reads of the store beneath that are under way: none begins to be written until they end, so that a read is of one moment. */
  #readers = 0;
  #noReaders: (() => void) | undefined;
  /** Set while something waits for `#readers` to end: those that come now wait for it. */
  #turn: Promise<void> | undefined;
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
    while (this.#turn !== undefined) await this.#turn;
    if (this.#held === 0) return this.#read(keys);
    const changed = keys.map((key) => this.#changeOf(nameOf(key)));
    const others = keys.filter((_, i) => changed[i] === undefined);
    const found = others.length === 0 ? [] : await this.#read(others);
    let next = 0;
    return changed.map((value) => (value === undefined ? found[next++] : (value ?? undefined)));
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
      while (this.#failed || this.#isFull(1)) await (this.#flushing ?? this.#start());
      for (const change of batch.changes) this.#gather(change);
      this.#appliedIndex = batch.appliedIndex;
      // The next write hears of a failure.
      if (this.#flushing === undefined && this.#isFull(1 / 2)) void settled(this.#start());
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
        while (this.#flushing !== undefined) await settled(this.#flushing);
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

  /** Changes that are not known to be in the store beneath. */
  get #held(): number {
    return this.#gathered.size + this.#leaving.size;
  }

  /** Whether this part of what may gather has gathered. */
  #isFull(part: number): boolean {
    const { maxChanges, maxBytes } = this.#bounds;
    return this.#held >= maxChanges * part || this.#gathered.bytes + this.#leaving.bytes >= maxBytes * part;
  }

  #changeOf(name: string): Uint8Array | null | undefined {
    const newest = this.#gathered.get(name);
    return newest === undefined ? this.#leaving.get(name) : newest;
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
    // A copy: a view would keep the whole message alive that the value came in.
    this.#gathered.set(nameOf(key), value === undefined ? null : copyOf(value));
  }

  #forget(): void {
    this.#gathered = new Changes();
    this.#leaving = noChanges;
    this.#failed = false;
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
  async #flush(): Promise<void> {
    const target = this.#appliedIndex;
    while (this.#flushing !== undefined) await settled(this.#flushing);
    if (this.#failed || this.#storedIndex < target || this.#held > 0) await this.#start();
  }

  /** Writes what has gathered until now. To be called while nothing is being written. */
  #start(): Promise<void> {
    this.#flushing = this.#writeGathered().finally(() => {
      this.#flushing = undefined;
    });
    return this.#flushing;
  }

  async #writeGathered(): Promise<void> {
    if (this.#readers > 0) {
      this.#turn = new Promise((resolve) => {
        this.#noReaders = resolve;
      });
      await this.#turn;
      // First of all that wait for it, and in one go: nobody begins to read between here and the change of hands.
      this.#turn = undefined;
      this.#noReaders = undefined;
    }
    const appliedIndex = this.#appliedIndex;
    this.#leaving = this.#gathered;
    this.#gathered = new Changes();
    try {
      await this.#store.write({ changes: this.#leaving.sorted(), appliedIndex });
      this.#storedIndex = appliedIndex;
      this.#failed = false;
    } catch (error) {
      this.#gathered.addOlder(this.#leaving);
      this.#failed = true;
      throw error;
    } finally {
      this.#leaving = noChanges;
    }
  }
}

/** In memory that copies share: they go together, and a piece of its own costs more than the bytes. */
function copyOf(bytes: Uint8Array): Uint8Array {
  if (bytes.length > largestShared) return bytes.slice();
  if (slabUsed + bytes.length > slab.byteLength) {
    slab = new ArrayBuffer(slabBytes);
    slabUsed = 0;
  }
  const copy = new Uint8Array(slab, slabUsed, bytes.length);
  slabUsed += bytes.length;
  copy.set(bytes);
  return copy;
}

/** Whoever asked for it hears of its failure. */
function settled(work: Promise<void>): Promise<void> {
  return work.catch(() => undefined);
}
