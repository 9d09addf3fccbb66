/** One group's log, hard state and snapshots on Redis, behind the kit's `GroupStorage`. */
import {
  assertSafeInteger,
  type Entry,
  type Env,
  type LogIndex,
  type Storage,
  type WriteBatch,
} from '@balsa/raft-core';
import {
  GroupStorage,
  type FindSnapshot,
  type GroupCore,
  type GroupSnapshots,
  type LogState,
  type LogStats,
} from '@balsa/storage-kit';
import { readEntries } from './entry-reader.ts';
import { encodeCompact, encodeWrite } from './format.ts';
import type { GroupLog, PreparedRecord } from './group-log.ts';
import type { AppendOnlyFile } from './append-only-file.ts';
import type { LogWriter } from './log-writer.ts';
import { maintainGroup } from './maintenance.ts';
import type { ReadRange } from './recovery.ts';
import type { SnapshotChunks } from './snapshot-chunks.ts';
import { Snapshots } from './snapshots.ts';

export interface RedisGroupOptions {
  readonly groupId: string;
  readonly env: Env;
  readonly writer: LogWriter;
  readonly maxEntryBytes: number;
  readonly chunks: SnapshotChunks;
  readonly read: ReadRange;
  /** Of the server. */
  readonly file: AppendOnlyFile;
  /** Takes the group over and reads it back. */
  readonly recover: () => Promise<GroupLog>;
  readonly onClose: () => void;
}

export function redisStorage(options: RedisGroupOptions): Storage {
  return new GroupStorage({
    ...options,
    check: () => {
      options.writer.check();
    },
    recover: async (assertAlive) => new RedisGroup(options, await options.recover(), assertAlive),
  });
}

class RedisGroup implements GroupCore {
  readonly #options: RedisGroupOptions;
  readonly #group: GroupLog;
  readonly #snapshots: Snapshots;

  constructor(options: RedisGroupOptions, group: GroupLog, check: () => void) {
    const { chunks, env, writer, file } = options;
    this.#options = options;
    this.#group = group;
    this.#snapshots = new Snapshots({
      group,
      chunks,
      random: () => env.random(),
      check,
      untilDiskIsFree: (...of) => file.untilFree(...of),
      mayWrite: () => writer.mayWrite,
    });
  }

  get state(): LogState {
    return this.#group.state;
  }

  async openSnapshots(): Promise<GroupSnapshots> {
    await this.#snapshots.removeUnfinished();
    return this.#snapshots;
  }

  write(batch: WriteBatch, find: FindSnapshot): Promise<void> {
    return this.#group.submit(() => this.#prepareWrite(batch, find));
  }

  async read(low: LogIndex, high: LogIndex, maxBytes: number): Promise<Entry[]> {
    if (low === high) return [];
    return readEntries(this.#options.read, this.#group, low, high, maxBytes);
  }

  async compact(index: LogIndex): Promise<void> {
    const group = this.#group;
    assertSafeInteger(index, 'index to compact to');
    await group.submit(() => {
      const boundary = group.state.planCompaction(index);
      if (boundary === undefined) return undefined;
      return {
        encode: (sequence) => encodeCompact(sequence, boundary),
        done: () => {
          group.compacted(boundary);
        },
        syncWatermark: false,
      };
    });
  }

  async maintain(): Promise<boolean> {
    const { read, file } = this.#options;
    const pause = (): Promise<boolean> => file.pause();
    return (await maintainGroup(this.#group, this.#snapshots, read, pause)) || (await file.maintain());
  }

  async stats(): Promise<LogStats> {
    const { file, writer } = this.#options;
    const { bytes, locations } = this.#group;
    const wasted = Math.max(0, bytes - locations.liveBytes) + this.#snapshots.garbageBytes;
    const garbageBytes = wasted + (await file.garbageBytes());
    return { logBytes: bytes, garbageBytes, lastSyncMs: writer.lastSyncMs };
  }

  #prepareWrite(batch: WriteBatch, find: FindSnapshot): PreparedRecord {
    const group = this.#group;
    const plan = group.state.plan(batch, this.#options.maxEntryBytes, find);
    const confChanged = plan.confState !== group.state.confState;
    let firstEntry = 0;
    return {
      encode: (sequence, allocate) => {
        const encoded = encodeWrite(sequence, plan, confChanged, group.checksum, allocate);
        firstEntry = encoded.firstEntry;
        return encoded.record;
      },
      done: (segment, offset) => {
        group.applied(plan, segment, offset + firstEntry);
      },
      syncWatermark: plan.changesTermOrVote,
    };
  }
}
