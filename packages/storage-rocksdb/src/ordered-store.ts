/** The ordered key-value store on RocksDB, by the letter of raft-core's contracts/ordered-store.ts. */
import {
  BalsaError,
  assertSafeInteger,
  isBalsaError,
  type Env,
  type KeyValue,
  type LogIndex,
  type OrderedBatch,
  type OrderedRestore,
  type OrderedStore,
  type OrderedView,
  type RangeOptions,
} from '@balsa/raft-core';
import { Lifecycle, yieldTo, type PreparedJob } from '@balsa/storage-kit';
import type { RocksBatch } from './binding.ts';
import type { Rocks } from './binding.ts';
import { corrupt, refused } from './errors.ts';
import { pairKey, storeKey, summaryKey } from './keys.ts';
import type { LogDatabase } from './log-database.ts';
import type { Maintenance } from './maintenance.ts';
import { RocksdbRestore } from './ordered-restore.ts';
import type { Views } from './ordered-view.ts';
import { boundsOf, checkKey, decodeValue, encodeValue, rangeSliceBytes, readPairs } from './pairs.ts';
import { seal, unseal, type StoreRecord, type Summary } from './records.ts';

export interface OrderedStoreOptions {
  readonly name: string;
  readonly env: Env;
  readonly log: LogDatabase;
  readonly maintenance: Maintenance;
  readonly views: Views;
  /** The record found when the engine was opened, or written since. */
  readonly found: () => StoreRecord | undefined;
  /** Called with each record that became durable. */
  readonly stored: (record: StoreRecord) => void;
  readonly nextStore: () => number;
  readonly nextGeneration: () => number;
  readonly onClose: () => void;
}

interface Present {
  readonly generation: number;
  readonly summary: Summary;
}

export class RocksdbOrderedStore implements OrderedStore {
  readonly #options: OrderedStoreOptions;
  readonly #restores = new Set<RocksdbRestore>();
  readonly #life: Lifecycle;
  #present: Present | undefined;
  #opening: Promise<{ readonly appliedIndex: LogIndex }> | undefined;
  /** Writes since open, and how many of them are durable. The first sync after open always syncs. */
  #written = 1;
  #synced = 0;

  constructor(options: OrderedStoreOptions) {
    this.#options = options;
    this.#life = new Lifecycle(`ordered store ${JSON.stringify(options.name)}`, () => {
      options.log.check();
    });
  }

  open(): Promise<{ readonly appliedIndex: LogIndex }> {
    this.#opening ??= this.#life.track(() => this.#open());
    return this.#opening;
  }

  async getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    const { generation } = this.#check();
    for (const key of keys) checkKey(key);
    return this.#read(() => this.#values(generation, keys));
  }

  async range(options: RangeOptions): Promise<KeyValue[]> {
    const { generation } = this.#check();
    const bounds = boundsOf(generation, options);
    return this.#life.track(async () => {
      const rows = this.#options.log.rocks.iterate(bounds, rangeSliceBytes);
      try {
        return await readPairs(rows, generation, options, {
          env: this.#options.env,
          check: () => {
            this.#options.log.check();
          },
        });
      } catch (error) {
        throw refused(error, `read ${this.#life.what}`);
      } finally {
        rows.close();
      }
    });
  }

  async count(): Promise<number> {
    return this.#check().summary.count;
  }

  async write(batch: OrderedBatch): Promise<void> {
    const { summary } = this.#check();
    await this.#life.writeAlone(async () => {
      assertSafeInteger(batch.appliedIndex, 'applied index');
      for (const [key] of batch.changes) checkKey(key);
      if (batch.appliedIndex < summary.appliedIndex) {
        throw new BalsaError(
          'INVALID_ARGUMENT',
          `applied index ${String(batch.appliedIndex)} is below the present ${String(summary.appliedIndex)} of ${this.#life.what}`,
        );
      }
      await this.#options.log.room();
      // Not checked again: a close that came meanwhile waits for this write.
      if (this.#present !== undefined) this.#apply(batch, this.#present);
    });
  }

  async sync(): Promise<LogIndex> {
    const { summary } = this.#check();
    const target = this.#written;
    if (this.#synced >= target) return summary.appliedIndex;
    return this.#life.track(async () => {
      // An empty batch, synced: everything before it in the write-ahead log is durable with it. The
      // watermark follows, so that a database that has gone back behind this point is not opened.
      await this.#submit(() => ({ run: () => undefined, done: () => undefined, syncWatermark: true }));
      this.#synced = Math.max(this.#synced, target);
      return summary.appliedIndex;
    });
  }

  async view(): Promise<OrderedView> {
    const { generation } = this.#check();
    return this.#read(() =>
      this.#options.views.begin({
        store: this,
        generation,
        check: () => {
          this.#life.assertAlive();
        },
      }),
    );
  }

  async beginRestore(): Promise<OrderedRestore> {
    this.#check();
    return this.#restore();
  }

  async maintain(): Promise<boolean> {
    this.#check();
    return this.#life.track(() => this.#options.maintenance.slice());
  }

  /** Of the whole database: stores and groups share its files. */
  async bytes(): Promise<number> {
    this.#check();
    return this.#life.track(() => this.#options.maintenance.bytes());
  }

  close(): Promise<void> {
    return this.#life.close(() => this.#close());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #open(): Promise<{ readonly appliedIndex: LogIndex }> {
    this.#life.assertAlive();
    const record = this.#options.found();
    if (record === undefined) {
      // A new store is the restore of nothing.
      await this.#restore().commit(0);
    } else {
      this.#setPresent(
        record.generation,
        this.#read(() => this.#summary(record.generation)),
      );
    }
    return { appliedIndex: this.#check().summary.appliedIndex };
  }

  #restore(): RocksdbRestore {
    const { log, env, maintenance, nextGeneration } = this.#options;
    const restore: RocksdbRestore = new RocksdbRestore({
      log,
      generation: nextGeneration(),
      yieldNow: () => yieldTo(env),
      switchTo: (generation, summary) => this.#life.track(() => this.#switchTo(generation, summary)),
      abandon: (generation) => {
        maintenance.abandon('state', generation);
      },
      check: () => {
        this.#life.assertAlive();
      },
      ended: () => this.#restores.delete(restore),
    });
    this.#restores.add(restore);
    return restore;
  }

  async #switchTo(generation: number, summary: Summary): Promise<void> {
    const { name, found, stored, nextStore, maintenance } = this.#options;
    await this.#submit(() => {
      const old = found();
      const record: StoreRecord = { id: old?.id ?? nextStore(), name, generation };
      return {
        run: (batch) => {
          putSummary(batch, generation, summary);
          const key = storeKey(record.id);
          batch.put(key, seal(key, record));
        },
        done: () => {
          stored(record);
          this.#setPresent(generation, summary);
          // Views of the old contents have their own point in time.
          if (old !== undefined) maintenance.abandon('state', old.generation);
        },
        syncWatermark: true,
      };
    });
  }

  async #submit(prepare: () => PreparedJob<RocksBatch>): Promise<void> {
    await this.#options.log.submit({ owner: this, bytes: 0, prepare });
  }

  #apply({ changes, appliedIndex }: OrderedBatch, { generation, summary }: Present): void {
    const { log } = this.#options;
    const last = new Map<string, readonly [Uint8Array, Uint8Array | undefined]>();
    for (const change of changes) last.set(Buffer.from(change[0]).toString('latin1'), change);
    const final = [...last.values()];
    const before = this.#read(() =>
      this.#values(
        generation,
        final.map(([key]) => key),
      ),
    );
    let { count, bytes } = summary;
    let written = 0;
    const batch = log.rocks.batch();
    for (const [i, [key, value]] of final.entries()) {
      const old = before[i];
      if (old !== undefined) {
        count--;
        bytes -= key.length + old.length;
      }
      if (value === undefined) {
        batch.delete(pairKey(generation, key));
        continue;
      }
      batch.put(pairKey(generation, key), encodeValue(key, value));
      count++;
      bytes += key.length + value.length;
      written += key.length + value.length;
    }
    const present = { appliedIndex, count, bytes };
    putSummary(batch, generation, present);
    log.writeUnsynced(batch, written, `a write to ${this.#life.what}`);
    this.#setPresent(generation, present);
  }

  #setPresent(generation: number, summary: Summary): void {
    this.#present = { generation, summary };
    this.#written++;
    this.#options.maintenance.holds(generation, summary);
  }

  #summary(generation: number): Summary {
    const key = summaryKey(generation);
    const [value] = this.#options.log.rocks.get([key]);
    if (value === undefined) {
      throw corrupt(`the present contents of ${this.#life.what} are missing`, { generation });
    }
    return unseal(key, value, `the applied index of ${this.#life.what}`) as Summary;
  }

  #values(generation: number, keys: readonly Uint8Array[]): (Uint8Array | undefined)[] {
    const found = this.#options.log.rocks.get(keys.map((key) => pairKey(generation, key)));
    return keys.map((key, i) => {
      const stored = found[i];
      return stored === undefined ? undefined : decodeValue(key, stored);
    });
  }

  async #close(): Promise<void> {
    for (const restore of [...this.#restores]) await restore.abort();
    this.#options.views.endOf(this, new BalsaError('STORE_CLOSED', `${this.#life.what} is closed`));
    await this.#life.settled();
    this.#options.onClose();
  }

  #check(): Present {
    return this.#life.assertOpen(this.#present);
  }

  #read<T>(run: () => T): T {
    try {
      return run();
    } catch (error) {
      throw refused(error, `read ${this.#life.what}`);
    }
  }
}

/** How much a generation holds, for who does not open its store. What is damaged holds nothing: opening tells. */
export function heldBy(rocks: Rocks, generation: number): Summary {
  const key = summaryKey(generation);
  try {
    const [value] = rocks.get([key]);
    if (value !== undefined) return unseal(key, value, 'a summary') as Summary;
  } catch (error) {
    if (!isBalsaError(error, 'STORE_CORRUPT')) throw error;
  }
  return { appliedIndex: 0, count: 0, bytes: 0 };
}

function putSummary(
  batch: { put(key: Uint8Array, value: Uint8Array): void },
  generation: number,
  summary: Summary,
): void {
  const key = summaryKey(generation);
  batch.put(key, seal(key, summary));
}
