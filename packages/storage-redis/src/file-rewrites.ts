/**
 * The server's rewrites of its append-only file, and when something large may be written beside them.
 *
 * While a child of the server writes all data anew, every sync of the server stands behind what the child gives the
 * disk, and everybody waits for that sync, 4 to 20 ms where it takes a fraction of one else. The same a moment after:
 * the old file is being given back to the file system then. So what is large and can wait does: until the rewrite is
 * over, and the disk has settled. And where its own bytes would make the server begin, it asks for the rewrite before
 * it sends them, so that none of them is on its way when the server forks.
 */
import { LogLevel, type Env } from '@balsa/raft-core';
import { ServerError, type Connection } from './connection.ts';
import { readInfo, type RewriteRule } from './durability.ts';

/** One slice of waiting for a rewrite, in milliseconds. */
const sliceMs = 10;
/** A rewrite that takes longer goes on without anybody waiting for it, in milliseconds. */
const patienceMs = 30_000;
/** What the disk still does for a rewrite that is over, in milliseconds. */
const settleMs = 50;
/** After a rewrite that failed none is asked for this long, in milliseconds. */
const retryMs = 60_000;
/** What the server says of its file is good for so long while something large is written, in milliseconds. */
const freshMs = 10;
/** The server's file may grow by so much unseen, because others write, too. In bytes. */
const marginBytes = 1024 * 1024;
/** Of what the server lets its file grow: below it no rewrite is asked for, before bytes that make one due, and at a beginning. */
const dueShare = 1 / 2;
const beginningShare = 1 / 4;

/** What the server says of its file. */
export interface FileState {
  readonly size: number;
  /** After the last rewrite. */
  readonly base: number;
  readonly isRewriting: boolean;
  readonly lastFailed: boolean;
}

export interface FileRewritesOptions {
  readonly env: Env;
  readonly connection: Pick<Connection, 'usable' | 'call'>;
  /** Of the server as it was last connected to; undefined where it is not known. */
  readonly rule: () => RewriteRule | undefined;
}

export class FileRewrites {
  readonly #options: FileRewritesOptions;
  #state: FileState | undefined;
  #seenAt = -Infinity;
  /** Bytes that were let through since it was seen. */
  #passed = 0;
  /** Why one was asked for that has not been seen to end. */
  #asked: string | undefined;
  #waitsSince: number | undefined;
  #settledAt = -Infinity;
  #notBefore = -Infinity;
  #isForbidden = false;

  constructor(options: FileRewritesOptions) {
    this.#options = options;
  }

  /**
   * Waits while the disk is busy with a rewrite, for as long as `isWanted` and 30 s at most; asks for one first where so
   * many bytes more would make the server begin. `isBeginning`, where nobody knows how many follow, asks for one as
   * soon as the file has grown a good deal: the server holds less now, and forks faster, than in the middle or at the
   * end. Never rejects. For what is large and can wait.
   */
  async untilFree(bytes: number, isWanted: () => boolean, isBeginning = false): Promise<void> {
    const { env } = this.#options;
    const deadline = env.now() + patienceMs;
    let mayAsk = true;
    while (isWanted() && env.now() <= deadline) {
      if (await this.pause()) continue;
      if (!mayAsk || !(await this.#begin(bytes, isBeginning))) break;
      mayAsk = false;
    }
    this.#passed += bytes;
  }

  /**
   * One slice of waiting where a rewrite is under way, or was a moment ago. False, at once, when the disk is free, or
   * that was waited for long enough. Never rejects.
   */
  async pause(): Promise<boolean> {
    if (this.#isStale()) await this.#look();
    return this.#state?.isRewriting === true ? this.wait() : this.settle();
  }

  /** To be told what the server says of its persistence. */
  saw(info: ReadonlyMap<string, string>): FileState | undefined {
    const state = parse(info);
    const before = this.#state;
    const now = this.#options.env.now();
    this.#state = state;
    this.#seenAt = now;
    this.#passed = 0;
    if (state === undefined || state.isRewriting) return state;
    this.#waitsSince = undefined;
    // One may have begun and ended since.
    if (before?.isRewriting === true || (before !== undefined && before.base !== state.base)) {
      this.#settledAt = now + settleMs;
    }
    if (this.#asked !== undefined && state.lastFailed) {
      this.#putOff(this.#asked, 'it failed; the log of the server says why');
    }
    this.#asked = undefined;
    return state;
  }

  /** A slice of waiting for the rewrite under way. False, at once, when it was waited for long enough. */
  async wait(): Promise<boolean> {
    const { env } = this.#options;
    this.#waitsSince ??= env.now();
    if (env.now() - this.#waitsSince >= patienceMs) return false;
    await this.#sleep(sliceMs);
    return true;
  }

  /** Waits for what the disk still does for a rewrite that is over. False, at once, when that was a while ago. */
  async settle(): Promise<boolean> {
    const left = this.#settledAt - this.#options.env.now();
    if (left <= 0) return false;
    await this.#sleep(left);
    return true;
  }

  /**
   * Asks for a rewrite. `because`, after "the append-only file", is for messages. False when there is none to wait
   * for: it may not be asked for, or the last one failed less than a minute ago.
   */
  async ask(because: string): Promise<boolean> {
    const { connection, env } = this.#options;
    if (this.#isForbidden || env.now() < this.#notBefore) return false;
    try {
      await connection.call('bgrewriteaof', []);
    } catch (error) {
      // Another user of the server, or the server itself, was first.
      const isUnderWay = error instanceof ServerError && /already in progress/.test(error.message);
      if (!isUnderWay) {
        this.#isForbidden = error instanceof ServerError && error.message.startsWith('NOPERM');
        const why = this.#isForbidden ? 'allow the user +bgrewriteaof' : 'the server did not begin';
        this.#putOff(because, why, error);
        return false;
      }
    }
    this.#asked = because;
    return true;
  }

  #isStale(): boolean {
    const isMoving = this.#asked !== undefined || this.#state?.isRewriting === true;
    return isMoving || this.#options.env.now() - this.#seenAt >= freshMs;
  }

  async #look(): Promise<void> {
    const { connection, env } = this.#options;
    // What is not known is not waited for.
    let info: ReadonlyMap<string, string> = new Map<string, string>();
    try {
      // Nothing here is a reason for a new connection.
      if (connection.usable) info = await readInfo(connection, 'persistence');
    } catch (error) {
      env.log.log(LogLevel.Debug, 'cannot ask the server about its append-only file', { error });
    }
    this.saw(info);
  }

  /** Asks for a rewrite where so many bytes more would make the server begin one, or almost. True when it begins. */
  async #begin(bytes: number, isBeginning: boolean): Promise<boolean> {
    const { percentage, minBytes } = this.#options.rule() ?? { percentage: 0, minBytes: 0 };
    if (percentage === 0 || this.#state === undefined || this.#state.isRewriting) return false;
    const { base } = this.#state;
    const size = this.#state.size + this.#passed;
    const limit = Math.max(minBytes, base * (1 + percentage / 100));
    if (!isBeginning && size + bytes + marginBytes < limit) return false;
    // Not for a file that has hardly grown: that would be one rewrite after another.
    const least = isBeginning ? beginningShare : dueShare;
    return size - base >= (limit - base) * least && this.ask('has grown to its limit');
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#options.env.setTimer(ms, resolve);
    });
  }

  #putOff(because: string, why: string, error?: unknown): void {
    const { env } = this.#options;
    this.#notBefore = env.now() + retryMs;
    const text = `the append-only file ${because} and is not rewritten: ${why}`;
    env.log.log(LogLevel.Warn, text, error === undefined ? undefined : { error });
  }
}

function parse(info: ReadonlyMap<string, string>): FileState | undefined {
  if (info.get('aof_enabled') !== '1') return undefined;
  return {
    size: Number(info.get('aof_current_size') ?? 0),
    base: Number(info.get('aof_base_size') ?? 0),
    isRewriting: ['aof_rewrite_in_progress', 'aof_rewrite_scheduled'].some((name) => info.get(name) === '1'),
    lastFailed: info.get('aof_last_bgrewrite_status') === 'err',
  };
}
