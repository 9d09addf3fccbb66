/**
 * A store that gives space back while entries are replaced. What it moves it has read before, and writes it behind what
 * has taken its place. Left to themselves the two hardly meet: entries are replaced rarely, and moved at other times.
 */
import type { LogIndex, Storage, WriteBatch } from '@balsa/raft-core';
import type { Chance } from './chance.ts';

export const replacedBesideMaintenance = 'entries replaced beside maintenance';

/** Slices before a write at most. */
const mostSlices = 12;

export interface TidyingOptions {
  readonly chance: Chance;
  readonly lastIndex: () => LogIndex;
  /** Entries are about to be replaced while a slice runs. */
  readonly onMet: () => void;
}

/** Changes `storage`, and gives it back. */
export function tidying(storage: Storage, options: TidyingOptions): Storage {
  const write = storage.write.bind(storage);
  storage.write = async (batch) => {
    const first = batch.entries?.[0]?.index ?? Infinity;
    if (first <= options.lastIndex()) await new Meeting(storage, options).replace(first, batch, write);
    else await write(batch);
  };
  return storage;
}

class Meeting {
  readonly #storage: Storage;
  readonly #options: TidyingOptions;

  constructor(storage: Storage, options: TidyingOptions) {
    this.#storage = storage;
    this.#options = options;
  }

  async replace(first: LogIndex, batch: WriteBatch, write: Storage['write']): Promise<void> {
    // What fails here fails for the write as well, or was not needed.
    const isDue = await this.#prepare().catch(() => false);
    if (!isDue) return write(batch);
    this.#options.onMet();
    const slice = this.#storage.maintain();
    const written = write(batch);
    // The judge looks at what is read. It may be gone again, or the disk bad.
    Promise.all([slice, written])
      .then(() => this.#storage.entries(first, this.#options.lastIndex() + 1, Infinity))
      .catch(() => undefined);
    return written;
  }

  /** True once the next slice may move entries: a slice that removed files is followed by one that does not. */
  async #prepare(): Promise<boolean> {
    const { chance } = this.#options;
    let { logBytes } = await this.#storage.stats();
    // The first one moves as well where there is nothing to remove.
    for (let slices = 0, moves = chance.happens(0.6); slices < mostSlices; slices++) {
      if (moves && chance.happens(0.6)) return true;
      if (!(await this.#storage.maintain())) return false;
      const stats = await this.#storage.stats();
      moves = stats.logBytes < logBytes;
      ({ logBytes } = stats);
    }
    return false;
  }
}
