/** Writes one group's log as a node does: entries and the hard state in one batch. */
import { Entry, EntryType, type Engine, type Storage } from '@balsa/raft-core';
import type { PayloadPool } from '../measure/payload-pool.ts';

const voters = Object.freeze([1, 2, 3]);

export class GroupWriter {
  readonly storage: Storage;
  lastIndex = 0;
  readonly #pool: PayloadPool;
  readonly #payloadBytes: number;

  private constructor(storage: Storage, lastIndex: number, pool: PayloadPool, payloadBytes: number) {
    this.storage = storage;
    this.lastIndex = lastIndex;
    this.#pool = pool;
    this.#payloadBytes = payloadBytes;
  }

  static async open(
    engine: Engine,
    id: string,
    pool: PayloadPool,
    payloadBytes: number,
  ): Promise<GroupWriter> {
    const storage = engine.group(id);
    const { lastIndex, confState } = await storage.open();
    if (confState.index === 0 && lastIndex === 0) {
      const state = { voters, votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };
      await storage.write({
        entries: [new Entry(1, 1, EntryType.Normal)],
        confState: { index: 1, state },
        hardState: { term: 1, vote: 1, commit: 1 },
      });
      return new GroupWriter(storage, 1, pool, payloadBytes);
    }
    return new GroupWriter(storage, lastIndex, pool, payloadBytes);
  }

  /** The commit index trails by one batch, as it does on a leader. */
  append(count: number): Promise<void> {
    const commit = this.lastIndex;
    const entries: Entry[] = [];
    for (let i = 0; i < count; i++)
      entries.push(new Entry(1, ++this.lastIndex, EntryType.Normal, this.#pool.take(this.#payloadBytes)));
    return this.storage.write({ entries, hardState: { term: 1, vote: 1, commit } });
  }
}
