/**
 * The server's append-only file: how much of it holds nothing live, and having the server write it anew.
 *
 * What is removed from the server leaves its memory at once, and its file only when the server rewrites that. Nothing
 * but a rewrite gives the space back, and a rewrite forks; so it is asked for when at least half of the file is garbage:
 * then the fork is as cheap as it gets, because its cost goes with what is live.
 */
import { LogLevel } from '@balsa/raft-core';
import { readInfo } from './durability.ts';
import { FileRewrites, type FileRewritesOptions, type FileState } from './file-rewrites.ts';

/** Garbage that is not worth a rewrite, in bytes. */
const toleratedBytes = 4 * 1024 * 1024;

export interface AppendOnlyFileOptions extends FileRewritesOptions {
  /** Grows with whatever this engine changes on the server: while it stands still, nothing is looked at. */
  readonly changes: () => number;
}

/** What is known of the file. */
interface FileUse extends FileState {
  /** Bytes of data in the server's memory, of all its users. */
  readonly dataset: number;
}

export class AppendOnlyFile {
  readonly #options: AppendOnlyFileOptions;
  readonly #rewrites: FileRewrites;
  #use: FileUse | undefined;
  /** `changes` when it was looked at. */
  #seen = -1;
  /** Bytes of a fresh file for each byte in memory, where they are more: then not all that is above is garbage. */
  #ratio = 1;
  /** A rewrite was asked for here, and its end was not seen yet. */
  #isAwaited = false;

  constructor(options: AppendOnlyFileOptions) {
    this.#options = options;
    this.#rewrites = new FileRewrites(options);
  }

  /**
   * Bytes of the file that hold nothing live, at least: of the whole server, whoever wrote them. What was seen last
   * where the server cannot be asked; 0 where it has no such file.
   */
  async garbageBytes(): Promise<number> {
    return garbageOf(await this.#look(), this.#ratio);
  }

  /**
   * One slice: asks for a rewrite where it is due, or waits a moment for the one under way. True when there is
   * something to wait for. Never rejects: what fails here is told to the log, and tried again later.
   */
  async maintain(): Promise<boolean> {
    const rewrites = this.#rewrites;
    const use = await this.#look();
    if (use === undefined) return false;
    if (use.isRewriting) return rewrites.wait();
    if (this.#isAwaited) {
      this.#isAwaited = false;
      if (!use.lastFailed) this.#ratio = Math.max(1, use.base / Math.max(1, use.dataset));
    }
    if (await rewrites.settle()) return true;
    const garbage = garbageOf(use, this.#ratio);
    if (garbage < Math.max(toleratedBytes, use.size - garbage)) return false;
    this.#isAwaited = await rewrites.ask('is mostly garbage');
    return this.#isAwaited;
  }

  /** As `FileRewrites` has it. */
  untilFree(bytes: number, isWanted: () => boolean, isBeginning?: boolean): Promise<void> {
    return this.#rewrites.untilFree(bytes, isWanted, isBeginning);
  }

  /** As `FileRewrites` has it. */
  pause(): Promise<boolean> {
    return this.#rewrites.pause();
  }

  async #look(): Promise<FileUse | undefined> {
    const { connection, changes, env } = this.#options;
    const now = changes();
    const isSettled = now === this.#seen && !this.#isAwaited && this.#use?.isRewriting !== true;
    // Housekeeping is no reason for a new connection.
    if (isSettled || !connection.usable) return this.#use;
    try {
      const [file, memory] = await Promise.all([
        readInfo(connection, 'persistence'),
        readInfo(connection, 'memory'),
      ]);
      const state = this.#rewrites.saw(file);
      const dataset = Number(memory.get('used_memory_dataset') ?? 0);
      this.#use = state === undefined ? undefined : { ...state, dataset };
      this.#seen = now;
    } catch (error) {
      env.log.log(LogLevel.Debug, 'cannot ask the server about its append-only file', { error });
    }
    return this.#use;
  }
}

function garbageOf(use: FileUse | undefined, ratio: number): number {
  return use === undefined ? 0 : Math.max(0, Math.floor(use.size - use.dataset * ratio));
}
