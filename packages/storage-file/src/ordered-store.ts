/**
 * The ordered key-value store on files, by the letter of raft-core's contracts/ordered-store.ts. The
 * pairs live in memory, all of them; the files hold every batch since the last rewriting.
 */
import {
  BalsaError,
  LogLevel,
  assertSafeInteger,
  type Env,
  type KeyValue,
  type LogIndex,
  type OrderedBatch,
  type OrderedRestore,
  type OrderedStore,
  type OrderedView,
  type RangeOptions,
} from '@balsa/raft-core';
import { Lifecycle, Turns } from '@balsa/storage-kit';
import { poisoned, refused, unknownOutcome } from './errors.ts';
import { addMeta } from './format.ts';
import type { LogWriter } from './log-writer.ts';
import { FileRestore, GenerationWriter, checkKey } from './ordered-restore.ts';
import { FileView } from './ordered-view.ts';
import { loadGeneration, removeGeneration, type Generation, type StateFilesOptions } from './state-files.ts';
import { encodeBatch, type Change } from './state-format.ts';

export interface FileOrderedStoreOptions extends StateFilesOptions {
  readonly name: string;
  readonly env: Env;
  readonly writer: LogWriter;
  readonly meta: Map<string, string>;
  readonly maxViews: number;
  readonly nextGeneration: () => number;
  readonly onClose: () => void;
}

/** Garbage that is not worth a rewriting, in bytes. */
const toleratedBytes = 1024 * 1024;
const fewParts = 16;
/** Bytes of a pair in a file beyond its key and value. */
const pairOverhead = 8;

export class FileOrderedStore implements OrderedStore {
  readonly #options: FileOrderedStoreOptions;
  readonly #restores = new Set<FileRestore>();
  readonly #life: Lifecycle;
  #current: Generation | undefined;
  #opening: Promise<{ readonly appliedIndex: LogIndex }> | undefined;
  #views = 0;
  #poison: unknown;
  /** Writes and switches of contents take effect one at a time. */
  readonly #turns = new Turns();

  constructor(options: FileOrderedStoreOptions) {
    this.#options = options;
    this.#life = new Lifecycle(`ordered store ${JSON.stringify(options.name)}`, () => {
      options.writer.check();
    });
  }

  open(): Promise<{ readonly appliedIndex: LogIndex }> {
    this.#opening ??= this.#life.track(() => this.#open());
    return this.#opening;
  }

  async getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    const { map } = this.#check();
    for (const key of keys) checkKey(key);
    const now = map.now();
    return keys.map((key) => now.get(key)?.slice());
  }

  async range(options: RangeOptions): Promise<KeyValue[]> {
    return this.#check().map.now().range(options);
  }

  async count(): Promise<number> {
    return this.#check().map.size;
  }

  async write(batch: OrderedBatch): Promise<void> {
    this.#check();
    await this.#life.writeAlone(async () => {
      assertSafeInteger(batch.appliedIndex, 'applied index');
      for (const [key] of batch.changes) checkKey(key);
      await this.#inTurn(() => this.#apply(batch));
    });
  }

  async sync(): Promise<LogIndex> {
    const generation = this.#check();
    const { appliedIndex, file } = generation;
    const { sequence } = file.end;
    if (generation.synced >= sequence) return appliedIndex;
    generation.users++;
    return this.#life.track(async () => {
      try {
        await file.handle.dataSync();
        await this.#options.writer.assertOwner();
        generation.synced = Math.max(generation.synced, sequence);
        await this.#remember(generation, sequence);
        return appliedIndex;
      } catch (error) {
        this.#poison ??= error;
        throw unknownOutcome(error, `the sync of ${this.#life.what}`);
      } finally {
        generation.users--;
        await closeUnused(generation);
      }
    });
  }

  async view(): Promise<OrderedView> {
    const { map, appliedIndex } = this.#check();
    const { maxViews } = this.#options;
    if (this.#views >= maxViews) {
      throw new BalsaError(
        'OVERLOADED',
        `${this.#life.what} has ${String(maxViews)} views open, the most it takes`,
      );
    }
    this.#views++;
    const check = (): void => {
      this.#checkUsable();
    };
    return new FileView(map.view(), appliedIndex, check, () => {
      this.#views--;
    });
  }

  async beginRestore(): Promise<OrderedRestore> {
    this.#check();
    return this.#restore();
  }

  /** Rewrites the contents when more than half of the files is garbage. Writes wait meanwhile. */
  async maintain(): Promise<boolean> {
    this.#check();
    if (this.#isWasteful()) await this.#inTurn(() => this.#rewrite());
    return false;
  }

  async bytes(): Promise<number> {
    const { sealedBytes, file } = this.#check();
    return sealedBytes + file.end.offset;
  }

  close(): Promise<void> {
    return this.#life.close(() => this.#close());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #open(): Promise<{ readonly appliedIndex: LogIndex }> {
    this.#checkUsable();
    const { meta, name, nextGeneration } = this.#options;
    const pointer = meta.get(storeKey(name));
    if (pointer === undefined) {
      // A new store is the restore of nothing: files first, then the pointer to them.
      const writer = new GenerationWriter(this.#options, nextGeneration());
      const empty = await writer.finish(0);
      await this.#switchTo(empty);
    } else {
      const known = this.#remembered();
      const number = Number(pointer);
      const synced = known?.generation === number ? known.synced : 0;
      const found = await loadGeneration(this.#options, number, synced);
      this.#current = found;
      if (found.synced > synced) await this.#remember(found, found.synced);
    }
    return { appliedIndex: this.#check().appliedIndex };
  }

  async #apply(batch: OrderedBatch): Promise<void> {
    const generation = this.#current;
    if (generation === undefined)
      throw new BalsaError('STORE_NOT_OPEN', `${this.#life.what} is not open yet`);
    const { file, map, synced } = generation;
    if (batch.appliedIndex < generation.appliedIndex) {
      throw new BalsaError(
        'INVALID_ARGUMENT',
        `applied index ${String(batch.appliedIndex)} is below the present ${String(generation.appliedIndex)} of ${this.#life.what}`,
      );
    }
    if (this.#poison !== undefined) throw poisoned(this.#poison);
    const changes = batch.changes.map(([key, value]): Change => [key.slice(), value?.slice()]);
    await this.#options.writer.assertOwner();
    try {
      await file.append(encodeBatch(changes, batch.appliedIndex, synced), file.end.sequence + 1);
    } catch (error) {
      await this.#undo(generation, error);
      throw refused(error, `write to ${file.path}`);
    }
    for (const [key, value] of changes) map.set(key, value);
    generation.appliedIndex = batch.appliedIndex;
  }

  async #undo({ file }: Generation, error: unknown): Promise<void> {
    try {
      await file.undo();
    } catch (second) {
      this.#poison ??= new AggregateError([error, second], 'a write failed, and so did taking it back');
      throw unknownOutcome(error, `a write to ${this.#life.what}`);
    }
  }

  #restore(): FileRestore {
    const restore: FileRestore = new FileRestore({
      writer: new GenerationWriter(this.#options, this.#options.nextGeneration()),
      check: () => {
        this.#checkUsable();
      },
      switchTo: (generation) => this.#inTurn(() => this.#switchTo(generation)),
      ended: () => this.#restores.delete(restore),
    });
    this.#restores.add(restore);
    return restore;
  }

  #isWasteful(): boolean {
    const { map, sealedBytes, file, parts } = this.#check();
    const live = map.bytes + map.size * pairOverhead;
    return sealedBytes + file.end.offset > 2 * live + toleratedBytes || parts > fewParts;
  }

  async #rewrite(): Promise<void> {
    const { map, appliedIndex } = this.#check();
    const writer = new GenerationWriter(this.#options, this.#options.nextGeneration());
    try {
      // No write comes in between, but a view of the old map may go on while the new one is filled.
      for (const { key, value } of map.view().pairs()) await writer.add(key, value);
      await this.#switchTo(await writer.finish(appliedIndex));
    } catch (error) {
      const failure = refused(error, `rewrite ${this.#life.what}`);
      if (failure.outcome === 'refused') await writer.abandon();
      throw failure;
    }
  }

  /** The one atomic step: a record in the log says which generation is the present one. */
  async #switchTo(generation: Generation): Promise<void> {
    const { writer, meta, name } = this.#options;
    const [key, value] = [storeKey(name), String(generation.number)];
    const synced = syncedValue(generation, generation.synced);
    await writer.submit({
      owner: this,
      prepare: () => ({
        encode: (body) => {
          addMeta(body, key, value);
          addMeta(body, syncedKey(name), synced);
        },
        done: () => meta.set(key, value).set(syncedKey(name), synced),
        syncWatermark: true,
      }),
    });
    const old = this.#current;
    this.#current = generation;
    if (old !== undefined) await this.#retire(old);
  }

  /**
   * The log notes how far a sync went: a file that ends before that, however well, has lost something. That costs a
   * sync of the log, which writes of groups share.
   */
  async #remember(generation: Generation, synced: number): Promise<void> {
    const { writer, meta, name } = this.#options;
    const value = syncedValue(generation, synced);
    await writer.submit({
      owner: this,
      prepare: () => {
        const known = this.#remembered();
        // A restore has come in between, or a later sync.
        if (
          this.#current !== generation ||
          (known?.generation === generation.number && known.synced >= synced)
        )
          return undefined;
        return {
          encode: (body) => {
            addMeta(body, syncedKey(name), value);
          },
          done: () => meta.set(syncedKey(name), value),
          syncWatermark: false,
        };
      },
    });
  }

  #remembered(): { readonly generation: number; readonly synced: number } | undefined {
    const text = this.#options.meta.get(syncedKey(this.#options.name));
    if (text === undefined) return undefined;
    const [generation = 0, synced = 0] = text.split(' ').map(Number);
    return { generation, synced };
  }

  async #retire(old: Generation): Promise<void> {
    old.retired = true;
    try {
      await closeUnused(old);
      await removeGeneration(this.#options, old.number);
    } catch (error) {
      // Not a fault of anybody's call: the next opening of the engine removes it.
      this.#options.env.log.log(LogLevel.Warn, `cannot remove the old contents of ${this.#life.what}`, {
        error,
      });
    }
  }

  async #close(): Promise<void> {
    for (const restore of [...this.#restores]) await restore.abort();
    await this.#life.settled();
    await this.#current?.file.handle.close();
    this.#options.onClose();
  }

  #check(): Generation {
    this.#checkUsable();
    return this.#life.assertOpen(this.#current);
  }

  #checkUsable(): void {
    this.#life.assertAlive();
    if (this.#poison !== undefined) throw poisoned(this.#poison);
  }

  #inTurn(run: () => Promise<void>): Promise<void> {
    return this.#life.track(() => this.#turns.take(run));
  }
}

async function closeUnused(generation: Generation): Promise<void> {
  if (generation.retired && generation.users === 0) await generation.file.handle.close();
}

/** Where the log notes how far the syncs of the present generation went. */
function syncedKey(name: string): string {
  return `synced:${name}`;
}

function syncedValue({ number }: Generation, synced: number): string {
  return `${String(number)} ${String(synced)}`;
}

/** Where the log says which generation is the present one. */
export function storeKey(name: string): string {
  return `store:${name}`;
}
