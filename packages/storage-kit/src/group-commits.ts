/** A group's writes and compactions as jobs of a commit queue: planned when their turn comes, applied once durable. */
import {
  entrySize,
  type LogIndex,
  type SnapshotId,
  type StoredSnapshot,
  type TermRun,
  type WriteBatch,
} from '@balsa/raft-core';
import type { CommitQueue, PreparedJob } from './commit-queue.ts';
import type { LogState, WritePlan } from './log-state.ts';

/** A group's log in a database: what plans mean there. */
export interface PlannedLog<Target, Written, Cut> {
  readonly state: LogState;
  /** Whether anything of the group is in the database. */
  readonly isStored: boolean;
  /** Adds a plan to the commit under way. The result is given to `applied` once it is durable. */
  write(plan: WritePlan, target: Target): Written;
  /** Makes a plan, now durable, the present. Must not throw. */
  applied(plan: WritePlan, written: Written): void;
  /** Moves the boundary, in the commit under way. */
  compact(boundary: TermRun, target: Target): Cut;
  /** Must not throw. */
  compacted(boundary: TermRun, cut: Cut): void;
}

export type FindSnapshot = (id: SnapshotId) => StoredSnapshot | undefined;

/** One group's commits. Its jobs have one owner, so that each is planned on what the one before left. */
export class GroupCommits<Target, Written, Cut> {
  readonly #queue: CommitQueue<Target>;
  readonly #log: PlannedLog<Target, Written, Cut>;
  readonly #maxEntryBytes: number;

  constructor(queue: CommitQueue<Target>, log: PlannedLog<Target, Written, Cut>, maxEntryBytes: number) {
    this.#queue = queue;
    this.#log = log;
    this.#maxEntryBytes = maxEntryBytes;
  }

  /** Resolves when the batch is durable, rejects with the refusal that the contract names. */
  write(batch: WriteBatch, find: FindSnapshot): Promise<void> {
    let bytes = 0;
    for (const entry of batch.entries ?? []) bytes += entrySize(entry);
    return this.#queue.submit({ owner: this, bytes, prepare: () => this.#prepare(batch, find) });
  }

  /** A group that has a snapshot holds data, also when nothing was ever written to its log. */
  async ensureStored(): Promise<void> {
    if (this.#log.isStored) return;
    const prepare = (): PreparedJob<Target> | undefined =>
      this.#log.isStored ? undefined : this.#prepare({}, () => undefined);
    await this.#queue.submit({ owner: this, bytes: 0, prepare });
  }

  async compact(index: LogIndex): Promise<void> {
    const log = this.#log;
    const prepare = (): PreparedJob<Target> | undefined => {
      const boundary = log.state.planCompaction(index);
      if (boundary === undefined) return undefined;
      let cut: Cut;
      return {
        run: (target) => {
          cut = log.compact(boundary, target);
        },
        done: () => {
          log.compacted(boundary, cut);
        },
        syncWatermark: false,
      };
    };
    await this.#queue.submit({ owner: this, bytes: 0, prepare });
  }

  #prepare(batch: WriteBatch, find: FindSnapshot): PreparedJob<Target> {
    const log = this.#log;
    const plan = log.state.plan(batch, this.#maxEntryBytes, find);
    let written: Written;
    return {
      run: (target) => {
        written = log.write(plan, target);
      },
      done: () => {
        log.applied(plan, written);
      },
      syncWatermark: plan.changesTermOrVote,
    };
  }
}
