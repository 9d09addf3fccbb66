/** The thread of checkpoints as those see it who ask it for one. */
import { Worker } from 'node:worker_threads';
import Database from 'better-sqlite3';
import type { Timer } from '@balsa/raft-core';
import { builtModule, unheededTimer } from '@balsa/storage-kit/worker';

export interface CheckpointRequest {
  readonly id: number;
  /** Of the database. Somebody has it open until the answer comes. */
  readonly path: string;
  /** What is synced on the way, as `PRAGMA synchronous` gives it. */
  readonly synchronous: number;
}

export interface CheckpointReply {
  readonly id: number;
  /** `code` is SQLite's (`SQLITE_FULL`, ...); without one nothing was tried. */
  readonly error?: { readonly message: string; readonly code?: string };
}

/** A thread, as far as it matters here. */
export interface Thread {
  on(event: 'message', told: (reply: CheckpointReply) => void): unknown;
  on(event: 'error', told: (error: unknown) => void): unknown;
  on(event: 'exit', told: (code: number) => void): unknown;
  postMessage(request: CheckpointRequest): void;
  ref(): void;
  unref(): void;
  terminate(): Promise<unknown>;
}

interface Waiting {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export interface CheckpointThreadOptions {
  readonly start: () => Thread;
  /** Milliseconds without a request after which the thread ends. */
  readonly idleMs: number;
  readonly setTimer: (ms: number, callback: () => void) => Timer;
}

/** Starts a thread when it is first asked, and again when that one has ended. Requests are served in their order. */
export class CheckpointThread {
  readonly #options: CheckpointThreadOptions;
  readonly #waiting = new Map<number, Waiting>();
  #thread: Thread | undefined;
  #idle: Timer | undefined;
  #last = 0;

  constructor(options: CheckpointThreadOptions) {
    this.#options = options;
  }

  /**
   * Copies what it can of a write-ahead log into its database. Keeps the process alive meanwhile. Rejects with SQLite's
   * error, or, when there is no thread to do it, with another.
   */
  async run(path: string, synchronous: number): Promise<void> {
    this.#idle?.cancel();
    this.#thread ??= this.#start();
    this.#thread.ref();
    const id = ++this.#last;
    const answer = new Promise<void>((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
    this.#thread.postMessage({ id, path, synchronous });
    await answer;
  }

  #start(): Thread {
    const thread = this.#options.start();
    thread.on('message', ({ id, error }) => {
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) waiting?.resolve();
      else waiting?.reject(errorOf(error));
      if (this.#waiting.size === 0) this.#rest(thread);
    });
    thread.on('error', (error) => this.#ended(thread, error));
    thread.on('exit', (code) => this.#ended(thread, new Error(`it ended with exit code ${String(code)}`)));
    return thread;
  }

  #rest(thread: Thread): void {
    thread.unref();
    this.#idle = this.#options.setTimer(this.#options.idleMs, () => {
      if (this.#thread === thread) this.#thread = undefined;
      void thread.terminate();
    });
  }

  #ended(thread: Thread, cause: unknown): void {
    if (this.#thread !== thread) return;
    this.#thread = undefined;
    this.#idle?.cancel();
    const error = new Error('the thread of checkpoints is gone', { cause });
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { reject } of waiting) reject(error);
  }
}

function errorOf({ message, code }: NonNullable<CheckpointReply['error']>): Error {
  return code === undefined ? new Error(message) : new Database.SqliteError(message, code);
}

/** Of this process. A store that is busy asks every second at least, so that it keeps its thread. */
export const checkpointThread: CheckpointThread = new CheckpointThread({
  start: () =>
    new Worker(builtModule('./checkpoint-thread.js', import.meta.url), {
      // The flags of this process are its own: a debugger's port, a loader of a test runner.
      execArgv: [],
      name: 'balsa checkpoints',
    }),
  idleMs: 10_000,
  setTimer: unheededTimer,
});
