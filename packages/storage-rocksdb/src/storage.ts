/** One group's log on RocksDB, behind the kit's `GroupStorage`. */
import type { Entry, Env, LogIndex, Storage, WriteBatch } from '@balsa/raft-core';
import {
  GroupCommits,
  GroupStorage,
  LogState,
  openSnapshotFiles,
  type FindSnapshot,
  type GroupCore,
  type GroupSnapshots,
  type LogStats,
  type SnapshotDirectory,
} from '@balsa/storage-kit';
import type { RocksBatch } from './binding.ts';
import { refused } from './errors.ts';
import { GroupLog, type GroupLogOptions } from './group-log.ts';
import { readEntries } from './group-reader.ts';
import { liveBytesOf, type Maintenance } from './maintenance.ts';
import { recoverGroup } from './recovery.ts';
import type { GroupRecord } from './records.ts';

export interface RocksdbGroupOptions extends GroupLogOptions {
  readonly env: Env;
  readonly maxEntryBytes: number;
  readonly maintenance: Maintenance;
  readonly snapshots: SnapshotDirectory;
  /** The record found when the engine was opened, or written since. */
  readonly found: () => GroupRecord | undefined;
  readonly onClose: () => void;
}

export function rocksdbStorage(options: RocksdbGroupOptions): Storage {
  return new GroupStorage({
    ...options,
    check: () => {
      options.log.check();
    },
    recover: () => recover(options),
  });
}

async function recover(options: RocksdbGroupOptions): Promise<RocksdbGroup> {
  const { log, env, groupId } = options;
  const record = options.found();
  const state =
    record === undefined
      ? new LogState()
      : await recoverGroup(log, record, env).catch((error: unknown) => {
          throw refused(error, `open group ${JSON.stringify(groupId)}`);
        });
  return new RocksdbGroup(options, new GroupLog(options, record, state));
}

class RocksdbGroup implements GroupCore {
  readonly #options: RocksdbGroupOptions;
  readonly #group: GroupLog;
  readonly #commits: GroupCommits<RocksBatch, GroupRecord, GroupRecord | undefined>;

  constructor(options: RocksdbGroupOptions, group: GroupLog) {
    this.#options = options;
    this.#group = group;
    this.#commits = new GroupCommits(options.log.queue, group, options.maxEntryBytes);
  }

  get state(): LogState {
    return this.#group.state;
  }

  write(batch: WriteBatch, find: FindSnapshot): Promise<void> {
    return this.#commits.write(batch, find);
  }

  openSnapshots(): Promise<GroupSnapshots> {
    return openSnapshotFiles(this.#options, this.state, () => this.#commits.ensureStored());
  }

  compact(index: LogIndex): Promise<void> {
    return this.#commits.compact(index);
  }

  read(low: LogIndex, high: LogIndex, maxBytes: number): Promise<Entry[]> {
    const { log, env } = this.#options;
    return readEntries(log, env, this.#group, { low, high, maxBytes });
  }

  maintain(): Promise<boolean> {
    return this.#options.maintenance.slice(this.#group);
  }

  async stats(): Promise<LogStats> {
    const { log, maintenance } = this.#options;
    const bytes = await maintenance.bytes();
    const { record } = this.#group;
    return {
      logBytes: record === undefined ? 0 : liveBytesOf(record),
      garbageBytes: Math.max(0, bytes - maintenance.liveBytes()),
      lastSyncMs: log.lastSyncMs,
    };
  }
}
