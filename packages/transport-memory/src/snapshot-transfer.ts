/** One snapshot on its way between two nodes of a simulated network. */
import {
  BalsaError,
  toBalsaError,
  type Env,
  type SnapshotSink,
  type SnapshotSource,
  type SnapshotTransfer,
} from '@balsa/raft-core';
import { cloneBytes } from './clone-message.ts';

export interface MemoryTransferOptions {
  readonly env: Env;
  /** For error messages: from, to, group and index. */
  readonly what: string;
  readonly source: SnapshotSource;
  /** Time that the next hop takes, in milliseconds. */
  readonly latency: () => number;
  /** Asks the receiver for its sink. */
  readonly offer: () => Promise<SnapshotSink>;
  readonly onChunk: (bytes: number) => void;
}

/** Chunks go one at a time, each after the sink took the one before: a slow sink slows the sender. */
export class MemorySnapshotTransfer implements SnapshotTransfer {
  readonly done: Promise<void>;
  /** Settles when the sink, too, has been told how it ended. */
  readonly settled: Promise<void>;
  readonly #options: MemoryTransferOptions;
  readonly #broken: Promise<never>;
  #reject: (cause: unknown) => void = () => undefined;
  #cause: BalsaError | undefined;
  #ended = false;
  #sentChunks = 0;

  constructor(options: MemoryTransferOptions) {
    this.#options = options;
    this.#broken = new Promise<never>((_, reject) => {
      this.#reject = reject;
    });
    const work = this.#run();
    this.done = Promise.race([work, this.#broken]);
    this.settled = work.then(
      () => undefined,
      () => undefined,
    );
    // Who never looks at `done` has still been told through `onChunk` and the sink; no unhandled rejection.
    this.done.catch(() => undefined);
    this.#broken.catch(() => undefined);
  }

  get sentChunks(): number {
    return this.#sentChunks;
  }

  abort(reason: string): void {
    this.fail(new BalsaError('ABORTED', `the sender aborted: ${reason}`));
  }

  /** Breaks the transfer; without effect once it has ended. */
  fail(cause: unknown): void {
    if (this.#ended || this.#cause !== undefined) return;
    this.#cause = new BalsaError('SNAPSHOT_TRANSFER_FAILED', `${this.#options.what}: ${describe(cause)}`, {
      cause,
    });
    this.#reject(this.#cause);
  }

  async #run(): Promise<void> {
    let sink: SnapshotSink | undefined;
    try {
      await this.#hop();
      // A sink that comes after the transfer broke still has to be told.
      const offered = this.#options.offer();
      sink = await offered;
      this.#check();
      await this.#sendChunks(sink);
      await sink.finish();
      // Stored is stored: a connection lost meanwhile must not make the sink take it back.
      sink = undefined;
      this.#check();
      await this.#hop();
      this.#ended = true;
    } catch (error) {
      this.fail(error);
      this.#ended = true;
      const cause = this.#cause ?? toBalsaError(error, 'SNAPSHOT_TRANSFER_FAILED', this.#options.what);
      if (sink !== undefined) await sink.abort(cause);
      throw cause;
    }
  }

  async #sendChunks(sink: SnapshotSink): Promise<void> {
    const { source } = this.#options;
    const first = sink.nextChunk;
    if (!Number.isSafeInteger(first) || first < 0 || first > source.chunkCount) {
      throw new BalsaError(
        'OUT_OF_RANGE',
        `the sink wants to resume at chunk ${String(first)} of ${String(source.chunkCount)}`,
      );
    }
    this.#sentChunks = first;
    for (let n = first; n < source.chunkCount; n++) {
      const chunk = cloneBytes(await Promise.race([source.chunk(n), this.#broken]));
      await this.#hop();
      await sink.write(chunk);
      this.#check();
      this.#sentChunks = n + 1;
      this.#options.onChunk(chunk.length);
    }
  }

  async #hop(): Promise<void> {
    this.#check();
    let timer: { cancel(): void } | undefined;
    const passed = new Promise<void>((resolve) => {
      timer = this.#options.env.setTimer(this.#options.latency(), resolve);
    });
    try {
      await Promise.race([passed, this.#broken]);
    } finally {
      timer?.cancel();
    }
  }

  #check(): void {
    if (this.#cause !== undefined) throw this.#cause;
  }
}

function describe(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
