/**
 * RocksDB as this package uses it: everything that is particular to the binding stands here.
 *
 * What its traps are, and what is done about them:
 * - Only a batch can be synced. `put`, `del` and `clear` of its public class drop the option and never
 *   sync, so there are batches here and nothing else; a range is deleted without a sync and is durable
 *   with the next synced batch, because both stand in one write-ahead log.
 * - Its write-ahead log is compressed unless it is told not to, which doubles the cost of a synced batch.
 * - Its limit on the write-ahead log lands in the wrong variable and is not applied. The log is held
 *   small by small memtables: it is freed as they are flushed, and writing waits when six are full.
 * - A handle that is used after it was closed ends the process, so every call here looks first.
 * - Reading with io_uring is its default; it is turned off, because sandboxes forbid it.
 */
import { BalsaError } from '@balsa/raft-core';
import { refused } from './errors.ts';
import type { Binding } from './native-binding.ts';

/** Loaded when the first database is opened: a platform without a binary can still import the package. */
async function loadBinding(): Promise<Binding> {
  try {
    return (await import('@nxtedition/rocksdb/binding.js')).default as Binding;
  } catch (error) {
    throw new BalsaError(
      'STORE_IO',
      `there is no RocksDB binary for ${process.platform}-${process.arch}: @nxtedition/rocksdb ships linux-x64 (glibc 2.34 or later) and darwin-arm64; elsewhere use @balsa/storage-sqlite`,
      { cause: error, details: { platform: process.platform, arch: process.arch } },
    );
  }
}

/** Of RocksDB, and of the binding that this package is pinned to. */
export const engineVersion = '9.7.4 (@nxtedition/rocksdb 12.2.12)';

/** Memtables that may be full at once before writing waits; what the binding sets with `compaction: 'level'`. */
const memtables = 6;

export interface RocksOptions {
  /** An existing database is needed when false. */
  readonly create: boolean;
  /** Bytes of write-ahead log at most, apart from the batch that is being written. */
  readonly walLimitBytes: number;
}

/** From `gte`, inclusive, to `lt`, exclusive. */
export interface KeyRange {
  readonly gte: Uint8Array;
  readonly lt: Uint8Array;
}

function openOptions({ create, walLimitBytes }: RocksOptions): object {
  return {
    createIfMissing: create,
    walCompression: false,
    compression: false,
    compaction: 'level',
    // Of background threads: one alone does not keep up with what compactions leave.
    parallelism: 4,
    // A memtable is a quarter of this.
    memtableMemoryBudget: Math.floor((walLimitBytes * 4) / memtables),
  };
}

/** `Rocks.open`, or what stands in for it. */
export type OpenRocks = (path: string, options: RocksOptions) => Promise<Rocks>;

/** What RocksDB throws while it reads, as registered codes. */
function reading<T>(path: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw refused(error, `read ${path}`);
  }
}

/** One open database. Belongs to the thread that opened it. */
export class Rocks {
  readonly #binding: Binding;
  readonly #path: string;
  #db: object | undefined;

  private constructor(binding: Binding, path: string, db: object) {
    this.#binding = binding;
    this.#path = path;
    this.#db = db;
  }

  /** Recovers, and writes what it recovered from the write-ahead log into tables, synced. */
  static async open(path: string, options: RocksOptions): Promise<Rocks> {
    const binding = await loadBinding();
    const db = binding.db_init(path);
    try {
      await new Promise<void>((resolve, reject) => {
        binding.db_open(db, openOptions(options), (error) => {
          if (error === null) resolve();
          else reject(error);
        });
      });
    } catch (error) {
      throw refused(error, `open ${path}`);
    }
    return new Rocks(binding, path, db);
  }

  get path(): string {
    return this.#path;
  }

  /** Values in the order of `keys`. They are copies. */
  get(keys: readonly Uint8Array[]): (Buffer | undefined)[] {
    const db = this.#open();
    if (keys.length === 0) return [];
    return reading(this.#path, () =>
      this.#binding.db_get_many_sync(db, keys, {}).map((value) => value ?? undefined),
    );
  }

  /** A point in time, fixed when this returns. To be closed. */
  iterate(range: KeyRange, sliceBytes: number): RocksIterator {
    const db = this.#open();
    const iterator = reading(this.#path, () =>
      this.#binding.iterator_init(db, {
        gte: Buffer.from(range.gte),
        lt: Buffer.from(range.lt),
        keyEncoding: 'buffer',
        valueEncoding: 'buffer',
        highWaterMarkBytes: sliceBytes,
        asyncIO: false,
      }),
    );
    return new RocksIterator(this.#binding, iterator, this.#path, () => this.#open());
  }

  batch(): RocksBatch {
    return new RocksBatch(this.#binding, () => this.#open());
  }

  /** Not durable before the next synced batch. */
  deleteRange({ gte, lt }: KeyRange): void {
    this.#binding.db_clear(this.#open(), { gte: Buffer.from(gte), lt: Buffer.from(lt) });
  }

  /** One of RocksDB's own counts; 0 when it has none of that name. */
  property(name: string): number {
    return Number(this.#binding.db_get_property(this.#open(), `rocksdb.${name}`)) || 0;
  }

  /** Idempotent. Ends its iterators. */
  async close(): Promise<void> {
    const db = this.#db;
    if (db === undefined) return;
    this.#db = undefined;
    await new Promise<void>((resolve, reject) => {
      this.#binding.db_close(db, (error) => {
        if (error === null) resolve();
        else reject(refused(error, `close ${this.#path}`));
      });
    });
  }

  #open(): object {
    if (this.#db === undefined) throw new BalsaError('STORE_CLOSED', `${this.#path} is closed`);
    return this.#db;
  }
}

export interface Row {
  readonly key: Buffer;
  readonly value: Buffer;
}

/** Walks a range in ascending order of keys. */
export class RocksIterator {
  readonly #binding: Binding;
  readonly #path: string;
  readonly #check: () => void;
  #iterator: object | undefined;
  /** Going on behind the end would be undefined behaviour in RocksDB. */
  #finished = false;

  constructor(binding: Binding, iterator: object, path: string, check: () => void) {
    this.#binding = binding;
    this.#iterator = iterator;
    this.#path = path;
    this.#check = check;
  }

  /** Goes to the first key at or behind `target`. */
  seek(target: Uint8Array): void {
    const iterator = this.#open();
    reading(this.#path, () => {
      this.#binding.iterator_seek(iterator, target);
    });
    this.#finished = false;
  }

  /** Up to `rows` rows, fewer when the slice is full; none at the end of the range. */
  next(rows: number): Row[] {
    const iterator = this.#open();
    const found: Row[] = [];
    if (this.#finished || rows <= 0) return found;
    this.#finished = true;
    const { rows: flat, finished } = reading(this.#path, () =>
      this.#binding.iterator_nextv_sync(iterator, rows),
    );
    this.#finished = finished;
    for (let i = 0; i + 1 < flat.length; i += 2) {
      const [key, value] = [flat[i], flat[i + 1]];
      if (key !== undefined && value !== undefined) found.push({ key, value });
    }
    return found;
  }

  /** Idempotent. */
  close(): void {
    if (this.#iterator === undefined) return;
    this.#binding.iterator_close(this.#iterator);
    this.#iterator = undefined;
  }

  #open(): object {
    this.#check();
    if (this.#iterator === undefined) throw new BalsaError('STORE_CLOSED', 'this iterator is closed');
    return this.#iterator;
  }
}

/** Changes that take effect together. */
export class RocksBatch {
  readonly #binding: Binding;
  readonly #batch: object;
  readonly #db: () => object;

  constructor(binding: Binding, db: () => object) {
    this.#binding = binding;
    this.#batch = binding.batch_init();
    this.#db = db;
  }

  /** Copies both at once. Later calls win over earlier ones of the same key. */
  put(key: Uint8Array, value: Uint8Array): void {
    // Options that are not there need not be searched for a column family.
    this.#binding.batch_put(this.#batch, key, value, undefined);
  }

  delete(key: Uint8Array): void {
    this.#binding.batch_del(this.#batch, key, undefined);
  }

  /** With `sync`, durable when it returns: this batch, and every change before it. */
  write(options: { readonly sync: boolean }): void {
    this.#binding.batch_write(this.#db(), this.#batch, options);
  }

  /** Empties it, to be used again. */
  clear(): void {
    this.#binding.batch_clear(this.#batch);
  }
}
