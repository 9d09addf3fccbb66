/** A generation in the making. */
import {
  BalsaError,
  assertSafeInteger,
  maxKeyBytes,
  type KeyValue,
  type LogIndex,
  type OrderedRestore,
} from '@balsa/raft-core';
import { mapIo, type FileSystem } from '@balsa/storage-kit';
import { refused } from './errors.ts';
import { openConnection, type Connection } from './schema.ts';
import { stateFileName, stateSuffixes } from './state-file.ts';
import { createMark } from './state-mark.ts';
import { StateTables, addToDigest } from './state-tables.ts';

export interface RestoreOptions {
  readonly fs: FileSystem;
  readonly directory: string;
  readonly generation: number;
  /** Identity of the watermark of the new contents. */
  readonly mark: string;
  /** Makes the durable file the present one. */
  readonly switchTo: (generation: number) => Promise<void>;
  readonly check: () => void;
  readonly ended: () => void;
}

export function checkKey(key: Uint8Array): void {
  if (key.length >= 1 && key.length <= maxKeyBytes) return;
  throw new BalsaError(
    'INVALID_ARGUMENT',
    `a key has 1 to ${String(maxKeyBytes)} bytes, this one ${String(key.length)}`,
  );
}

/** Removes a generation's file and whatever SQLite left beside it. */
export async function removeGeneration(fs: FileSystem, directory: string, generation: number): Promise<void> {
  const path = fs.join(directory, stateFileName(generation));
  await mapIo('remove', path, async () => {
    for (const suffix of stateSuffixes) await fs.remove(path + suffix);
    await fs.syncDirectory(directory);
  });
}

export class SqliteRestore implements OrderedRestore {
  readonly #options: RestoreOptions;
  readonly #path: string;
  readonly #db: Connection;
  readonly #tables: StateTables;
  #last: Uint8Array | undefined;
  #count = 0;
  #digest = 0;
  #state: 'open' | 'committing' | 'committed' | 'aborted' = 'open';

  constructor(options: RestoreOptions) {
    this.#options = options;
    this.#path = options.fs.join(options.directory, stateFileName(options.generation));
    this.#db = openConnection(this.#path);
    try {
      this.#db.pragma('auto_vacuum = INCREMENTAL');
      // Nobody needs this file before it is whole and synced: no journal, no sync while it is filled.
      this.#db.pragma('journal_mode = OFF');
      this.#db.pragma('synchronous = OFF');
      this.#tables = new StateTables(this.#db, this.#path, options.generation);
      this.#tables.create();
    } catch (error) {
      this.#db.close();
      throw error;
    }
  }

  async put(pairs: readonly KeyValue[]): Promise<void> {
    this.#assertOpen();
    let last = this.#last;
    for (const { key } of pairs) {
      checkKey(key);
      if (last !== undefined && Buffer.compare(last, key) >= 0) {
        throw new BalsaError('INVALID_ARGUMENT', 'pairs of a restore come in strictly ascending key order');
      }
      last = key;
    }
    let digest = this.#digest;
    try {
      this.#db.exec('BEGIN');
      for (const { key, value } of pairs)
        digest = addToDigest(digest, this.#tables.insert(key, value).digest);
      this.#db.exec('COMMIT');
    } catch (error) {
      // Without a journal nothing can be taken back: the file is of no use any more.
      await this.abort();
      throw refused(error, `fill ${this.#path}`);
    }
    this.#last = last?.slice();
    this.#count += pairs.length;
    this.#digest = digest;
  }

  async commit(appliedIndex: LogIndex): Promise<void> {
    assertSafeInteger(appliedIndex, 'applied index');
    this.#assertOpen();
    const { fs, directory, generation, mark, switchTo, ended } = this.#options;
    this.#state = 'committing';
    try {
      const [count, digest] = [this.#count, this.#digest];
      this.#tables.setSummary({ appliedIndex, count, digest, sequence: 0, mark });
      // Changed later, it would need a rollback journal, which a read-only look could not read past.
      this.#db.pragma('journal_mode = WAL');
      this.#db.close();
      await mapIo('sync', this.#path, async () => {
        const handle = await fs.open(this.#path, 'update');
        try {
          await handle.sync();
        } finally {
          await handle.close();
        }
      });
      // Syncs the directory, too, with both new names in it.
      await createMark({ fs, directory }, generation, mark);
    } catch (error) {
      await this.#discard();
      throw refused(error, `finish ${this.#path}`);
    }
    // From here on the file may be the present one, whatever goes wrong: it is not removed any more.
    this.#state = 'committed';
    try {
      await switchTo(generation);
    } finally {
      ended();
    }
  }

  async abort(): Promise<void> {
    if (this.#state === 'open') await this.#discard();
  }

  async #discard(): Promise<void> {
    this.#state = 'aborted';
    const { fs, directory, generation, ended } = this.#options;
    try {
      if (this.#db.open) this.#db.close();
      await removeGeneration(fs, directory, generation);
    } finally {
      ended();
    }
  }

  #assertOpen(): void {
    this.#options.check();
    if (this.#state === 'open') return;
    const code = this.#state === 'aborted' ? 'STORE_SNAPSHOT_ABORTED' : 'INVALID_ARGUMENT';
    throw new BalsaError(code, `this restore is ${this.#state} already`);
  }
}
