import type { OrderedStore } from '@balsa/raft-core';
import type { ReplicatedLog } from '../replicated-log.ts';

interface Waiting {
  /** Undefined: only the read point is wanted. */
  readonly key: Uint8Array | undefined;
  readonly resolve: (value: Uint8Array | undefined) => void;
  readonly reject: (problem: unknown) => void;
}

/** Read points asked for at the same time. A second one lets reads go on that came while the first was under way. */
const maxRounds = 4;
/** Keys of one trip to the store. */
const maxKeys = 64;

/**
 * Linearizable reads that share their cost: all that arrived before a round began use one read point of
 * the node, and their keys one trip to the store. A read never uses a round that began before it
 * arrived. What waits is bounded by the commands in flight of all connections.
 */
export class ReadBatcher {
  readonly #log: Pick<ReplicatedLog, 'read'>;
  readonly #store: OrderedStore;
  readonly #timeoutMs: number;
  #waiting: Waiting[] = [];
  #rounds = 0;
  #scheduled = false;

  constructor(log: Pick<ReplicatedLog, 'read'>, store: OrderedStore, timeoutMs: number) {
    this.#log = log;
    this.#store = store;
    this.#timeoutMs = timeoutMs;
  }

  /** Read points asked of the node so far. */
  roundCount: number = 0;

  /** The value of `key` at a linearizable point. */
  get(key: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#enqueue(key);
  }

  /** Resolves at a linearizable point: what the store shows from then on is up to date as of the call. */
  async point(): Promise<void> {
    await this.#enqueue(undefined);
  }

  #enqueue(key: Uint8Array | undefined): Promise<Uint8Array | undefined> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ key, resolve, reject });
      this.#schedule();
    });
  }

  /** At the end of the present tick, so that the reads of one pipeline go together. */
  #schedule(): void {
    if (this.#scheduled || this.#rounds >= maxRounds) return;
    this.#scheduled = true;
    process.nextTick(() => {
      this.#scheduled = false;
      const batch = this.#waiting;
      this.#waiting = [];
      if (batch.length > 0) void this.#round(batch);
    });
  }

  async #round(batch: readonly Waiting[]): Promise<void> {
    this.#rounds += 1;
    this.roundCount += 1;
    try {
      await this.#log.read({ timeoutMs: this.#timeoutMs });
      await this.#answer(batch);
    } catch (problem) {
      // Those that were answered before are settled already, so this is a no-op for them.
      for (const waiting of batch) waiting.reject(problem);
    } finally {
      this.#rounds -= 1;
      if (this.#waiting.length > 0) this.#schedule();
    }
  }

  async #answer(batch: readonly Waiting[]): Promise<void> {
    const keyed: (Waiting & { readonly key: Uint8Array })[] = [];
    for (const waiting of batch) {
      if (waiting.key === undefined) waiting.resolve(undefined);
      else keyed.push({ ...waiting, key: waiting.key });
    }
    for (let at = 0; at < keyed.length; at += maxKeys) {
      const slice = keyed.slice(at, at + maxKeys);
      const values = await this.#store.getMany(slice.map((waiting) => waiting.key));
      slice.forEach((waiting, i) => {
        waiting.resolve(values[i]);
      });
    }
  }
}
