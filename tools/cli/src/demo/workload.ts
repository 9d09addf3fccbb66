/** Writes and reads, many at a time, each of them recorded with its outcome. */
import { setTimeout as sleep } from 'node:timers/promises';
import { CommandFailure } from '../messages.ts';
import type { HistoryChecker } from './checker.ts';
import type { ClusterClient, Random } from '@balsa/cluster';
import type { Item } from './input.ts';
import { checksumOf, decodeValue, encodeValue } from './stored-value.ts';

export interface WorkloadOptions {
  readonly client: ClusterClient;
  readonly checker: HistoryChecker;
  readonly random: Random;
  readonly signal: AbortSignal;
}

/** Operations under way at once. */
const concurrency = 256;
/** One read for about this many writes. */
const writesPerRead = 8;
/** Keys written lately that reads choose from. */
const recentKeys = 512;
/** Pause after an operation that was refused or whose outcome is unknown, in milliseconds. */
const pauseMs = 40;
/** A key that cannot be written or read for this long ends the run, in milliseconds. */
const patienceMs = 30_000;

export class Workload {
  readonly #options: WorkloadOptions;
  readonly #recent: string[] = [];
  #lastId = 0;
  #writes = 0;

  constructor(options: WorkloadOptions) {
    this.#options = options;
  }

  /** Writes every item until it is acknowledged, with reads in between. */
  writeAll(items: AsyncIterable<Item>): Promise<void> {
    return this.#inParallel(items, async (item) => {
      await this.#write(item);
      if (this.#options.random.next() * writesPerRead < 1) {
        const key = this.#options.random.pick(this.#recent);
        if (key !== undefined) await this.#read(key, false);
      }
    });
  }

  /** Reads every key that was ever written, once, as its final value. */
  readAll(): Promise<void> {
    return this.#inParallel(this.#options.checker.keys(), (key) => this.#readUntilAnswered(key));
  }

  async #write({ key, json }: Item): Promise<void> {
    const { client, checker } = this.#options;
    const deadline = performance.now() + patienceMs;
    for (;;) {
      // Every try is a write of its own: one of unknown outcome may still take effect later.
      const id = ++this.#lastId;
      const text = encodeValue(id, json);
      const write = checker.called(key, id, checksumOf(text), performance.now());
      const outcome = await client.set(key, text);
      checker.answered(write, outcome, performance.now());
      if (outcome === 'acknowledged') break;
      await this.#pause(deadline, `a write of ${JSON.stringify(key)}`);
    }
    this.#recent[this.#writes++ % recentKeys] = key;
  }

  async #readUntilAnswered(key: string): Promise<void> {
    const deadline = performance.now() + patienceMs;
    while (!(await this.#read(key, true))) await this.#pause(deadline, `a read of ${JSON.stringify(key)}`);
  }

  async #read(key: string, final: boolean): Promise<boolean> {
    const called = performance.now();
    const result = await this.#options.client.get(key);
    if (!result.ok) return false;
    const value = result.text === null ? undefined : decodeValue(result.text);
    this.#options.checker.read(key, value, called, performance.now(), final);
    return true;
  }

  async #pause(deadline: number, what: string): Promise<void> {
    this.#options.signal.throwIfAborted();
    if (performance.now() > deadline) {
      throw new CommandFailure(`No node took ${what} for ${patienceMs / 1000} s.`);
    }
    await sleep(pauseMs, undefined, { signal: this.#options.signal });
  }

  /** Bounded in memory: an item is taken from the source only when a worker is free for it. */
  async #inParallel<T>(
    source: AsyncIterable<T> | Iterable<T>,
    work: (item: T) => Promise<void>,
  ): Promise<void> {
    const iterator =
      Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
    // One at a time asks for the next item: a generator would queue the calls anyway.
    let turn: Promise<unknown> = Promise.resolve();
    const next = (): Promise<IteratorResult<T>> => {
      const mine = turn.then(() => iterator.next());
      turn = mine.catch(() => undefined);
      return mine;
    };
    const worker = async (): Promise<void> => {
      for (let step = await next(); step.done !== true; step = await next()) {
        this.#options.signal.throwIfAborted();
        await work(step.value);
      }
    };
    try {
      await Promise.all(Array.from({ length: concurrency }, worker));
    } finally {
      await iterator.return?.();
    }
  }
}

/** Rounds of updates that go on until they are told to stop. */
export class BackgroundLoad {
  readonly #checker: HistoryChecker;
  /** Never rejects. */
  readonly ended: Promise<void>;
  #stopping = false;
  #failure: unknown;

  constructor(checker: HistoryChecker, round: () => Promise<void>) {
    this.#checker = checker;
    this.ended = this.#run(round);
  }

  /** Acknowledged writes so far. Throws what ended the load before its time. */
  acknowledged(): number {
    if (this.#failure !== undefined) throw this.#failure as Error;
    return this.#checker.acknowledgedWrites;
  }

  /** Lets the round under way end. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.ended;
    if (this.#failure !== undefined) throw this.#failure as Error;
  }

  async #run(round: () => Promise<void>): Promise<void> {
    try {
      while (!this.#stopping) await round();
    } catch (error) {
      this.#failure = error;
    }
  }
}
