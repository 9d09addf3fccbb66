/**
 * The server's append-only file: how much of it holds nothing live, and asking the server to write it anew.
 *
 * What is removed from the server leaves its memory at once, and its file only when the server rewrites that. Nothing
 * but a rewrite gives the space back, and a rewrite forks; so it is asked for when at least half of the file is garbage:
 * then the fork is as cheap as it gets, because its cost goes with what is live.
 */
import { LogLevel, type Env } from '@balsa/raft-core';
import { ServerError, type Connection } from './connection.ts';
import { readInfo } from './durability.ts';

/** Garbage that is not worth a rewrite, in bytes. */
const toleratedBytes = 4 * 1024 * 1024;
/** One slice of waiting for a rewrite, in milliseconds. */
const sliceMs = 10;
const cannotAsk = 'cannot ask the server about its append-only file';
/** A rewrite that takes longer goes on without anybody waiting for it, in milliseconds. */
const patienceMs = 30_000;
/** After a rewrite that failed none is asked for this long, in milliseconds. */
const retryMs = 60_000;

export interface AppendOnlyFileOptions {
  readonly env: Env;
  readonly connection: Pick<Connection, 'usable' | 'call'>;
  /** Grows with whatever this engine changes on the server: while it stands still, nothing is looked at. */
  readonly changes: () => number;
}

/** What the server says of its file. */
export interface FileUse {
  readonly size: number;
  /** After the last rewrite. */
  readonly base: number;
  /** Bytes of data in the server's memory, of all its users. */
  readonly dataset: number;
  readonly isRewriting: boolean;
  readonly lastFailed: boolean;
}

export class AppendOnlyFile {
  readonly #options: AppendOnlyFileOptions;
  #use: FileUse | undefined;
  /** `changes` when it was looked at. */
  #seen = -1;
  /** Bytes of a fresh file for each byte in memory, where they are more: then not all that is above is garbage. */
  #ratio = 1;
  #isAsked = false;
  #waitsSince: number | undefined;
  #notBefore = -Infinity;
  #isForbidden = false;

  constructor(options: AppendOnlyFileOptions) {
    this.#options = options;
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
    const { env } = this.#options;
    const use = await this.#look();
    if (use === undefined) return false;
    if (use.isRewriting) return this.#wait();
    this.#waitsSince = undefined;
    if (this.#isAsked) this.#finish(use);
    const garbage = garbageOf(use, this.#ratio);
    if (garbage < Math.max(toleratedBytes, use.size - garbage)) return false;
    if (this.#isForbidden || env.now() < this.#notBefore) return false;
    return this.#ask();
  }

  /**
   * Waits while the file is written anew, for as long as `isWanted` and no longer than patience lasts: all the data go
   * to the disk then, and whoever writes beside that makes everybody wait for a sync that stands behind them. Never
   * rejects. For what is large and can wait.
   */
  async untilRewritten(isWanted: () => boolean): Promise<void> {
    while (isWanted() && (await this.#isRewriting())) {
      if (!(await this.#wait())) return;
    }
  }

  async #isRewriting(): Promise<boolean> {
    const { connection, env } = this.#options;
    if (!connection.usable) return false;
    try {
      if (saysRewriting(await readInfo(connection, 'persistence'))) return true;
      this.#waitsSince = undefined;
    } catch (error) {
      env.log.log(LogLevel.Debug, cannotAsk, { error });
    }
    return false;
  }

  async #look(): Promise<FileUse | undefined> {
    const { connection, changes, env } = this.#options;
    const now = changes();
    const isSettled = now === this.#seen && !this.#isAsked && this.#use?.isRewriting !== true;
    // Housekeeping is no reason for a new connection.
    if (isSettled || !connection.usable) return this.#use;
    try {
      const [file, memory] = await Promise.all([
        readInfo(connection, 'persistence'),
        readInfo(connection, 'memory'),
      ]);
      this.#use = parseUse(file, memory);
      this.#seen = now;
    } catch (error) {
      env.log.log(LogLevel.Debug, cannotAsk, { error });
    }
    return this.#use;
  }

  async #wait(): Promise<boolean> {
    const { env } = this.#options;
    this.#waitsSince ??= env.now();
    if (env.now() - this.#waitsSince >= patienceMs) return false;
    await new Promise<void>((resolve) => {
      env.setTimer(sliceMs, resolve);
    });
    return true;
  }

  /** The rewrite that was asked for is over. */
  #finish(use: FileUse): void {
    this.#isAsked = false;
    if (use.lastFailed) this.#putOff('it failed; the log of the server says why');
    else this.#ratio = Math.max(1, use.base / Math.max(1, use.dataset));
  }

  async #ask(): Promise<boolean> {
    const { connection } = this.#options;
    try {
      await connection.call('bgrewriteaof', []);
    } catch (error) {
      // Another user of the server, or the server itself, was first.
      const isUnderWay = error instanceof ServerError && /already in progress/.test(error.message);
      if (!isUnderWay) {
        this.#isForbidden = error instanceof ServerError && error.message.startsWith('NOPERM');
        this.#putOff(this.#isForbidden ? 'allow the user +bgrewriteaof' : 'the server did not begin', error);
        return false;
      }
    }
    this.#isAsked = true;
    return true;
  }

  #putOff(why: string, error?: unknown): void {
    const { env } = this.#options;
    this.#notBefore = env.now() + retryMs;
    const text = `the append-only file is mostly garbage and is not rewritten: ${why}`;
    env.log.log(LogLevel.Warn, text, error === undefined ? undefined : { error });
  }
}

function garbageOf(use: FileUse | undefined, ratio: number): number {
  return use === undefined ? 0 : Math.max(0, Math.floor(use.size - use.dataset * ratio));
}

function saysRewriting(file: ReadonlyMap<string, string>): boolean {
  return ['aof_rewrite_in_progress', 'aof_rewrite_scheduled'].some((name) => file.get(name) === '1');
}

function parseUse(
  file: ReadonlyMap<string, string>,
  memory: ReadonlyMap<string, string>,
): FileUse | undefined {
  if (file.get('aof_enabled') !== '1') return undefined;
  const number = (from: ReadonlyMap<string, string>, name: string): number => Number(from.get(name) ?? 0);
  return {
    size: number(file, 'aof_current_size'),
    base: number(file, 'aof_base_size'),
    dataset: number(memory, 'used_memory_dataset'),
    isRewriting: saysRewriting(file),
    lastFailed: file.get('aof_last_bgrewrite_status') === 'err',
  };
}
