/** The contents of an ordered store while they are open: the files, and what keeps them durable and small. */
import type { Durability, Env } from '@balsa/raft-core';
import type { FileHandle, FileSystem, Watermark } from '@balsa/storage-kit';
import { checkpointThread } from './checkpoint-requests.ts';
import { corrupt, refused, unknownOutcome } from './errors.ts';
import { removeGeneration } from './ordered-restore.ts';
import { Views } from './ordered-view.ts';
import { StateFile, stateFileName } from './state-file.ts';
import { checkMark, openMark } from './state-mark.ts';
import type { Turns } from './turns.ts';
import { WalCopy, longestHoldMs } from './wal-copy.ts';

export interface GenerationOptions {
  /** What it is, in errors. */
  readonly what: string;
  readonly fs: FileSystem;
  readonly directory: string;
  readonly env: Env;
  readonly durability: Durability;
  readonly turns: Turns;
  readonly walLimitBytes: number;
  readonly maxViews: number;
  /** Before each use of a view. */
  readonly checkUsable: () => void;
  /** Runs `work` while no write is under way. */
  readonly alone: (work: () => Promise<void>) => Promise<void>;
}

interface Parts {
  readonly file: StateFile;
  readonly views: Views;
  readonly wal: FileHandle;
  readonly mark: Watermark;
}

export class Generation {
  readonly file: StateFile;
  readonly views: Views;
  /** The write-ahead log, opened a second time to be synced off the event loop. It carries no locks. */
  readonly #wal: FileHandle;
  /** How far `sync` has promised. */
  readonly #mark: Watermark;
  readonly #copy: WalCopy;
  readonly #options: GenerationOptions;
  /** Work under way that needs the files. */
  readonly #busy = new Set<Promise<unknown>>();

  private constructor(options: GenerationOptions, { file, views, wal, mark }: Parts) {
    this.#options = options;
    this.file = file;
    this.views = views;
    this.#wal = wal;
    this.#mark = mark;
    const { env, alone } = options;
    this.#copy = new WalCopy({
      env,
      db: file.tables.db,
      thread: checkpointThread,
      holdMs: longestHoldMs,
      alone,
    });
  }

  /** Rejects with `STORE_CORRUPT`, `STORE_ACKNOWLEDGED_WRITE_LOST` or `STORE_IO`. */
  static async open(options: GenerationOptions, number: number): Promise<Generation> {
    const { fs, directory, walLimitBytes, maxViews, turns, what } = options;
    const path = fs.join(directory, stateFileName(number));
    if ((await fs.size(path)) === undefined)
      throw corrupt(`${path}, the present contents of ${what}, is missing`, { path });
    const mark = await openMark(options, number);
    let file: StateFile | undefined;
    try {
      file = StateFile.open(path, number, walLimitBytes);
      checkMark(path, file.summary, mark, options);
      file.skipTo(Math.max(file.summary.sequence, mark.sequence));
      // A first commit, so that there is a write-ahead log to open, whose name is then made durable.
      file.stage({ changes: [], appliedIndex: file.summary.appliedIndex });
      file.commit();
      const wal = await fs.open(`${path}-wal`, 'update');
      await fs.syncDirectory(directory);
      const views = new Views(file, maxViews, turns, options.checkUsable);
      return new Generation(options, { file, views, wal, mark });
    } catch (error) {
      file?.close();
      await mark.close();
      throw refused(error, `open ${path}`);
    }
  }

  /** The files stay open until `work` has settled. Settles as it does. */
  async keep<T>(work: Promise<T>): Promise<T> {
    this.#busy.add(work);
    try {
      return await work;
    } finally {
      this.#busy.delete(work);
    }
  }

  /** Makes what is committed durable, then the promise of it. */
  sync(): Promise<void> {
    return this.keep(this.#sync());
  }

  async #sync(): Promise<void> {
    const { sequence } = this.file.summary;
    // A checkpoint in between is as good: it syncs the database file before the log is reused.
    await this.#wal.dataSync();
    await this.#mark.advance(sequence, true);
  }

  /** Copies what no view still needs elsewhere. Never waits for a view. */
  checkpoint(): Promise<void> {
    return this.keep(this.#copy.run());
  }

  /** What a good end leaves is durable, and its loss is noticed. A poisoned store promises nothing more: not `whole`. */
  async close(whole: boolean): Promise<void> {
    try {
      if (whole) await this.sync();
    } catch (error) {
      throw unknownOutcome(error, `the last sync of ${this.#options.what}`);
    } finally {
      await this.#wal.close();
      // It says again what has failed before.
      await this.#mark.close().catch((error: unknown) => {
        if (whole) throw error;
      });
      this.file.close();
    }
  }

  /** Of contents that were replaced. */
  async remove(): Promise<void> {
    const { fs, directory } = this.#options;
    await Promise.allSettled(this.#busy);
    this.file.close();
    await this.#wal.close();
    await this.#mark.close();
    await removeGeneration(fs, directory, this.file.generation);
  }
}
