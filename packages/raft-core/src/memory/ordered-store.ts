/** An ordered store in memory, by the letter of contracts/ordered-store.ts. */
import { compareBytes } from '../bytes.ts';
import {
  maxKeyBytes,
  type KeyValue,
  type OrderedBatch,
  type OrderedRestore,
  type OrderedStore,
  type OrderedView,
  type RangeOptions,
} from '../contracts/ordered-store.ts';
import { BalsaError } from '../errors.ts';
import { assertSafeInteger } from '../invariants.ts';
import type { LogIndex } from '../types.ts';
import { ByteMap } from './byte-map.ts';
import { copyBytes, type OrderedData } from './data.ts';
import { Gate, type Life } from './gate.ts';

export interface MemoryOrderedStoreOptions {
  readonly name: string;
  readonly data: OrderedData;
  readonly life: Life;
  /** Whether unsynced writes have to be remembered, so that a crash can take them back. */
  readonly crashable: boolean;
  readonly onClose: () => void;
}

type Change = readonly [key: Uint8Array, value: Uint8Array | undefined];

export class MemoryOrderedStore implements OrderedStore {
  readonly #name: string;
  readonly #data: OrderedData;
  readonly #gate: Gate;
  readonly #crashable: boolean;
  readonly #onClose: () => void;
  #opened = false;
  #writing = false;

  constructor(options: MemoryOrderedStoreOptions) {
    this.#name = options.name;
    this.#data = options.data;
    this.#gate = new Gate(options.life, `ordered store ${JSON.stringify(options.name)}`, options.name);
    this.#crashable = options.crashable;
    this.#onClose = options.onClose;
  }

  async open(): Promise<{ readonly appliedIndex: LogIndex }> {
    this.#gate.check();
    const found = await this.#gate.run('ordered.open', 'read', () => ({
      appliedIndex: this.#data.appliedIndex,
    }));
    this.#opened = true;
    return found;
  }

  async getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    this.#check();
    const wanted = keys.map(checkedKey);
    return this.#gate.run('ordered.getMany', 'read', () =>
      wanted.map((key) => this.#data.map.get(key)?.slice()),
    );
  }

  async range(options: RangeOptions): Promise<KeyValue[]> {
    this.#check();
    return this.#gate.run('ordered.range', 'read', () => this.#data.map.range(options));
  }

  async count(): Promise<number> {
    this.#check();
    return this.#gate.run('ordered.count', 'read', () => this.#data.map.size);
  }

  async write(batch: OrderedBatch): Promise<void> {
    this.#check();
    if (this.#writing) {
      throw new BalsaError('STORE_WRITE_IN_FLIGHT', 'a write of this ordered store has not settled yet');
    }
    this.#writing = true;
    try {
      const appliedIndex = assertSafeInteger(batch.appliedIndex, 'applied index');
      const changes = batch.changes.map(([key, value]): Change => [
        checkedKey(key),
        value === undefined ? undefined : copyBytes(value),
      ]);
      await this.#gate.run('ordered.write', 'write', () => {
        this.#apply(changes, appliedIndex);
      });
    } finally {
      this.#writing = false;
    }
  }

  async sync(): Promise<LogIndex> {
    this.#check();
    return this.#gate.run('ordered.sync', 'write', () => {
      this.#data.undo = [];
      return this.#data.appliedIndex;
    });
  }

  async view(): Promise<OrderedView> {
    this.#check();
    return this.#gate.run('ordered.view', 'read', () => this.#view());
  }

  async beginRestore(): Promise<OrderedRestore> {
    this.#check();
    return this.#gate.run('ordered.beginRestore', 'read', () => new MemoryRestore(this.#data, this.#gate));
  }

  async maintain(): Promise<boolean> {
    this.#check();
    return this.#gate.run('ordered.maintain', 'read', () => false);
  }

  async bytes(): Promise<number> {
    this.#check();
    return this.#gate.run('ordered.bytes', 'read', () => this.#data.map.bytes);
  }

  async close(): Promise<void> {
    const first = !this.#gate.closed;
    await this.#gate.close();
    if (first) this.#onClose();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #check(): void {
    this.#gate.check();
    if (!this.#opened) {
      throw new BalsaError('STORE_NOT_OPEN', `ordered store ${JSON.stringify(this.#name)} is not open yet`);
    }
  }

  #apply(changes: readonly Change[], appliedIndex: LogIndex): void {
    const { map, appliedIndex: present } = this.#data;
    if (appliedIndex < present) {
      throw new BalsaError(
        'INVALID_ARGUMENT',
        `applied index ${String(appliedIndex)} is below the present ${String(present)}`,
      );
    }
    const previous: Change[] = [];
    for (const [key, value] of changes) {
      if (this.#crashable) previous.push([key, map.get(key)]);
      map.set(key, value);
    }
    if (this.#crashable) this.#data.undo.push({ appliedIndex: present, previous });
    this.#data.appliedIndex = appliedIndex;
  }

  #view(): OrderedView {
    const pairs = this.#data.map.view();
    const gate = this.#gate;
    let released = false;
    const release = (): Promise<void> => {
      released = true;
      return Promise.resolve();
    };
    return {
      appliedIndex: this.#data.appliedIndex,
      count: pairs.size,
      range: (options) =>
        gate.run('ordered.view.range', 'read', () => {
          if (released) throw new BalsaError('STORE_CLOSED', 'this view is released');
          return pairs.range(options);
        }),
      release,
      [Symbol.asyncDispose]: release,
    };
  }
}

class MemoryRestore implements OrderedRestore {
  readonly #data: OrderedData;
  readonly #gate: Gate;
  #pairs: KeyValue[] = [];
  #state: 'open' | 'committed' | 'aborted' = 'open';

  constructor(data: OrderedData, gate: Gate) {
    this.#data = data;
    this.#gate = gate;
  }

  async put(pairs: readonly KeyValue[]): Promise<void> {
    const copies = pairs.map(({ key, value }) => ({ key: checkedKey(key), value: copyBytes(value) }));
    await this.#gate.run('ordered.restore.put', 'read', () => {
      this.#assertOpen();
      let last = this.#pairs.at(-1);
      for (const pair of copies) {
        if (last !== undefined && compareBytes(last.key, pair.key) >= 0) {
          throw new BalsaError('INVALID_ARGUMENT', 'pairs of a restore come in strictly ascending key order');
        }
        last = pair;
      }
      for (const pair of copies) this.#pairs.push(pair);
    });
  }

  async commit(appliedIndex: LogIndex): Promise<void> {
    assertSafeInteger(appliedIndex, 'applied index');
    await this.#gate.run('ordered.restore.commit', 'write', () => {
      this.#assertOpen();
      this.#state = 'committed';
      this.#data.map = new ByteMap(this.#pairs);
      this.#data.appliedIndex = appliedIndex;
      this.#data.undo = [];
    });
  }

  async abort(): Promise<void> {
    if (this.#state !== 'open') return;
    this.#state = 'aborted';
    this.#pairs = [];
  }

  #assertOpen(): void {
    if (this.#state === 'open') return;
    const code = this.#state === 'aborted' ? 'STORE_SNAPSHOT_ABORTED' : 'INVALID_ARGUMENT';
    throw new BalsaError(code, `this restore is ${this.#state} already`);
  }
}

/** A copy of a key whose length is within bounds. */
function checkedKey(key: Uint8Array): Uint8Array {
  if (key.length >= 1 && key.length <= maxKeyBytes) return key.slice();
  throw new BalsaError(
    'INVALID_ARGUMENT',
    `a key has 1 to ${String(maxKeyBytes)} bytes, this one ${String(key.length)}`,
  );
}
