/** The ordered key-value store on SQLite, by the letter of raft-core's contracts/ordered-store.ts. */
import {
  BalsaError,
  LogLevel,
  assertSafeInteger,
  randomHex64,
  type Durability,
  type Env,
  type KeyValue,
  type LogIndex,
  type OrderedBatch,
  type OrderedRestore,
  type OrderedStore,
  type OrderedView,
  type RangeOptions,
} from '@balsa/raft-core';
import { Lifecycle, yieldTo, type FileSystem } from '@balsa/storage-kit';
import { poisoned, refused, unknownOutcome } from './errors.ts';
import { Generation } from './generation.ts';
import type { LogDatabase } from './log-database.ts';
import { SqliteRestore, checkKey } from './ordered-restore.ts';
import type { Views } from './ordered-view.ts';
import type { Turns } from './turns.ts';
import { slicesOf } from './slices.ts';
import { storeKey, type StateFile } from './state-file.ts';

export interface OrderedStoreOptions {
  readonly name: string;
  readonly fs: FileSystem;
  readonly directory: string;
  readonly env: Env;
  readonly durability: Durability;
  readonly turns: Turns;
  readonly log: LogDatabase;
  readonly walLimitBytes: number;
  readonly checkpointBytes: number;
  /** Write-ahead log that views may keep from reuse, in bytes; beyond it the oldest view is ended. */
  readonly maxPinnedBytes: number;
  readonly maxViews: number;
  readonly nextGeneration: () => number;
  readonly onClose: () => void;
}

const vacuumPages = 256;
const reservedPages = 256;
const checkWalEveryBytes = 256 * 1024;

export class SqliteOrderedStore implements OrderedStore {
  readonly #options: OrderedStoreOptions;
  readonly #restores = new Set<SqliteRestore>();
  /** Views of contents that were replaced. */
  readonly #retired = new Set<Views>();
  readonly #life: Lifecycle;
  #current: Generation | undefined;
  #opening: Promise<{ readonly appliedIndex: LogIndex }> | undefined;
  #poison: unknown;
  /** Writes since open, and how many of them are durable. The first sync after open always syncs. */
  #written = 1;
  #synced = 0;
  #unchecked = 0;
  #bounding = false;
  /** The write-ahead log is being copied because of its size: not again before that is done. */
  #copying = false;
  /** Settles, and never rejects, when the write that has a transaction open has ended. */
  #slicing: Promise<void> | undefined;
  /** Settles, and never rejects, when writes may begin again. */
  #paused: Promise<void> | undefined;

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
    this.#check();
    for (const key of keys) checkKey(key);
    return this.#inTurn(({ file }) => {
      const { reading } = file;
      return keys.map((key) => reading.get(key));
    });
  }

  async range(options: RangeOptions): Promise<KeyValue[]> {
    this.#check();
    return this.#inTurn(({ file }) => file.reading.range(options));
  }

  async count(): Promise<number> {
    return this.#check().file.summary.count;
  }

  async write(batch: OrderedBatch): Promise<void> {
    const generation = this.#check();
    const { file } = generation;
    await this.#life.writeAlone(async () => {
      assertSafeInteger(batch.appliedIndex, 'applied index');
      for (const [key] of batch.changes) checkKey(key);
      const present = file.summary.appliedIndex;
      if (batch.appliedIndex < present) {
        throw new BalsaError(
          'INVALID_ARGUMENT',
          `applied index ${String(batch.appliedIndex)} is below the present ${String(present)} of ${this.#life.what}`,
        );
      }
      await Promise.resolve();
      while (this.#paused !== undefined) await this.#paused;
      // Not checked again: a close that came meanwhile waits for this write.
      const slices = slicesOf(batch.changes);
      if (slices.length > 1) await this.#applySlices(slices, batch.appliedIndex, generation);
      else
        await this.#options.turns.run(() => {
          this.#apply(batch, this.#current ?? generation);
        });
    });
  }

  async sync(): Promise<LogIndex> {
    const generation = this.#check();
    const { appliedIndex } = generation.file.summary;
    const target = this.#written;
    if (this.#synced >= target) return appliedIndex;
    return this.#life.track(async () => {
      try {
        await generation.sync();
      } catch (error) {
        this.#poison ??= error;
        throw unknownOutcome(error, `the sync of ${this.#life.what}`);
      }
      this.#synced = Math.max(this.#synced, target);
      return appliedIndex;
    });
  }

  async view(): Promise<OrderedView> {
    this.#check();
    return this.#inTurn(({ views }) => views.begin());
  }

  async beginRestore(): Promise<OrderedRestore> {
    this.#check();
    return this.#read(() => this.#restore());
  }

  async maintain(): Promise<boolean> {
    const generation = this.#check();
    return this.#life.track(() => this.#maintain(generation));
  }

  async #maintain(present: Generation): Promise<boolean> {
    let generation = present;
    const more = await this.#options.turns.run(() => {
      generation = this.#current ?? present;
      const { file } = generation;
      // Not into a transaction that is somebody else's: later.
      if (file.inTransaction) return undefined;
      return this.#housekeep(() => file.vacuum(vacuumPages, reservedPages));
    });
    if (more === undefined) return true;
    await this.#checkpoint(generation, more ? 0 : this.#options.checkpointBytes);
    return more;
  }

  async bytes(): Promise<number> {
    this.#check();
    while (this.#slicing !== undefined) await this.#slicing;
    const { file } = this.#check();
    return this.#read(() => file.bytes());
  }

  close(): Promise<void> {
    return this.#life.close(() => this.#close());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #open(): Promise<{ readonly appliedIndex: LogIndex }> {
    this.#life.assertAlive();
    const { log, nextGeneration } = this.#options;
    const pointer = this.#read(() => log.meta.get(storeKey(this.#options.name)));
    if (pointer === undefined) {
      // A new store is the restore of nothing: file first, then the pointer to it.
      const restore = this.#restore(nextGeneration());
      await restore.commit(0);
    } else {
      await this.#load(Number(pointer));
    }
    return { appliedIndex: this.#check().file.summary.appliedIndex };
  }

  async #load(generation: number): Promise<void> {
    const options = {
      ...this.#options,
      what: this.#life.what,
      checkUsable: () => this.#checkUsable(),
      alone: (work: () => Promise<void>) => this.#alone(work),
    };
    this.#current = await Generation.open(options, generation);
  }

  #restore(generation: number = this.#options.nextGeneration()): SqliteRestore {
    const { fs, directory, env } = this.#options;
    const restore: SqliteRestore = new SqliteRestore({
      fs,
      directory,
      generation,
      mark: randomHex64(env),
      switchTo: (to) => this.#switchTo(to),
      check: () => {
        this.#life.assertAlive();
      },
      ended: () => this.#restores.delete(restore),
    });
    this.#restores.add(restore);
    return restore;
  }

  async #switchTo(generation: number): Promise<void> {
    const { log, name } = this.#options;
    while (this.#slicing !== undefined) await this.#slicing;
    await log.submit({
      owner: this,
      bytes: 0,
      prepare: () => ({
        run: (sequence) => {
          log.meta.set(storeKey(name), String(generation));
          log.meta.set('sequence', String(sequence));
        },
        done: () => undefined,
        syncWatermark: true,
      }),
    });
    const old = this.#current;
    this.#written++;
    try {
      await this.#load(generation);
    } catch (error) {
      this.#poison ??= error;
      throw unknownOutcome(error, `the switch to the restored contents of ${this.#life.what}`);
    }
    if (old !== undefined) this.#retire(old);
  }

  /** The old contents go when the last view of them is released, or the store is closed. */
  #retire(old: Generation): void {
    const { env } = this.#options;
    this.#retired.add(old.views);
    old.views.retire(() => {
      this.#retired.delete(old.views);
      const work = this.#life.track(() => old.remove());
      work.catch((error: unknown) => {
        // Not a fault of anybody's call: the next opening of the engine removes it.
        env.log.log(LogLevel.Warn, `cannot remove ${old.file.path}`, { error });
      });
    });
  }

  #apply(batch: OrderedBatch, { file }: Generation): void {
    this.#options.log.assertOwner();
    this.#unchecked += this.#staging(() => file.stage(batch));
    this.#commit(file);
  }

  /** What throws has had no effect. */
  #staging<T>(run: () => T): T {
    try {
      return run();
    } catch (error) {
      throw refused(error, `write to ${this.#life.what}`);
    }
  }

  /** In one transaction, but not in one turn. */
  async #applySlices(
    slices: readonly OrderedBatch['changes'][],
    appliedIndex: LogIndex,
    present: Generation,
  ): Promise<void> {
    const { turns, log } = this.#options;
    let generation = present;
    await turns.run(() => {
      generation = this.#current ?? present;
      log.assertOwner();
      this.#staging(() => {
        generation.file.begin();
      });
    });
    const work = this.#fill(generation.file, slices, appliedIndex);
    // The file is not closed under it, nor contents switched, nor looked at with its transaction open.
    this.#slicing = work.catch(() => undefined);
    try {
      await generation.keep(work);
    } finally {
      this.#slicing = undefined;
    }
  }

  async #fill(
    file: StateFile,
    slices: readonly OrderedBatch['changes'][],
    appliedIndex: LogIndex,
  ): Promise<void> {
    const { turns, log } = this.#options;
    try {
      for (const slice of slices) {
        await turns.run(() => {
          this.#unchecked += this.#staging(() => file.stageChanges(slice));
        });
      }
      await turns.run(() => {
        log.assertOwner();
        this.#staging(() => {
          file.stageIndex(appliedIndex);
        });
        this.#commit(file);
      });
    } catch (error) {
      this.#undo(file);
      throw error;
    }
  }

  #undo(file: StateFile): void {
    try {
      file.rollback();
    } catch (error) {
      this.#poison ??= error;
    }
  }

  #commit(file: StateFile): void {
    try {
      file.commit();
    } catch (error) {
      this.#poison ??= error;
      throw unknownOutcome(error, `a commit to ${this.#life.what}`);
    }
    this.#written++;
    if (this.#unchecked < checkWalEveryBytes) return;
    this.#unchecked = 0;
    this.#boundWalSoon();
  }

  /** In a turn of its own: who waits for the write hears of it first. */
  #boundWalSoon(): void {
    if (this.#bounding) return;
    this.#bounding = true;
    const work = this.#life.track(async () => {
      await yieldTo(this.#options.env);
      this.#bounding = false;
      if (this.#current !== undefined && this.#poison === undefined) await this.#boundWal(this.#current);
    });
    work.catch((error: unknown) => {
      this.#options.env.log.log(LogLevel.Error, `cannot bound ${this.#life.what}`, { error });
    });
  }

  async #boundWal(generation: Generation): Promise<void> {
    const { file, views } = generation;
    // The next write looks again.
    if (file.inTransaction) return;
    const { walLimitBytes, maxPinnedBytes, env } = this.#options;
    const { bytes } = file.wal();
    if (bytes >= maxPinnedBytes && views.revokeOldest(bytes)) {
      env.log.log(
        LogLevel.Warn,
        `ended the oldest view of ${this.#life.what}: it pinned too much write-ahead log`,
        { bytes },
      );
    }
    if (this.#copying) return;
    this.#copying = true;
    try {
      await this.#checkpoint(generation, walLimitBytes);
    } finally {
      this.#copying = false;
    }
  }

  /** When so much is not in the database file yet. */
  async #checkpoint(generation: Generation, bytes: number): Promise<void> {
    // Contents that were replaced may be closed by now.
    if (generation !== this.#current || generation.file.wal().pendingBytes < bytes) return;
    try {
      await generation.checkpoint();
    } catch (error) {
      this.#notKept(error);
    }
  }

  /** Runs `work` while no write is, as far as that can be: one that was let in before goes on. */
  async #alone(work: () => Promise<void>): Promise<void> {
    for (let busy; (busy = this.#slicing ?? this.#paused) !== undefined;) await busy;
    const running = work();
    const resume = (): void => {
      this.#paused = undefined;
    };
    this.#paused = running.then(resume, resume);
    await running;
  }

  /** A failed sync of a checkpoint may have lost pages of what was synced before: it poisons. */
  #housekeep<T>(run: () => T): T {
    try {
      return run();
    } catch (error) {
      this.#notKept(error);
    }
  }

  #notKept(error: unknown): never {
    this.#poison ??= error;
    throw unknownOutcome(error, `housekeeping of ${this.#life.what}`);
  }

  async #close(): Promise<void> {
    for (const restore of [...this.#restores]) await restore.abort();
    const gone = new BalsaError('STORE_CLOSED', `${this.#life.what} is closed`);
    for (const views of [...this.#retired]) views.endAll(gone);
    this.#current?.views.endAll(gone);
    await this.#life.settled();
    try {
      await this.#current?.close(this.#poison === undefined && this.#options.log.poison === undefined);
    } finally {
      this.#options.onClose();
    }
  }

  #check(): Generation {
    this.#checkUsable();
    return this.#life.assertOpen(this.#current);
  }

  #checkUsable(): void {
    this.#life.assertAlive();
    if (this.#poison !== undefined) throw poisoned(this.#poison);
  }

  /** A read of the present contents; a close that comes meanwhile waits for it. */
  #inTurn<T>(run: (generation: Generation) => T): Promise<T> {
    return this.#life.track(() =>
      this.#options.turns.run(() => {
        const generation = this.#current;
        if (generation === undefined)
          throw new BalsaError('STORE_NOT_OPEN', `${this.#life.what} is not open yet`);
        return this.#read(() => run(generation));
      }),
    );
  }

  #read<T>(run: () => T): T {
    try {
      return run();
    } catch (error) {
      throw refused(error, `read ${this.#life.what}`);
    }
  }
}
