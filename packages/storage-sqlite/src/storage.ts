/** One group's log on SQLite, behind the kit's `GroupStorage`. */
import {
  entryOverheadBytes,
  type Entry,
  type Env,
  type LogIndex,
  type Storage,
  type WriteBatch,
} from '@balsa/raft-core';
import {
  GroupCommits,
  GroupStorage,
  LogState,
  openSnapshotFiles,
  yieldTo,
  type FindSnapshot,
  type GroupCore,
  type GroupSnapshots,
  type LogStats,
  type SnapshotDirectory,
} from '@balsa/storage-kit';
import { refused } from './errors.ts';
import { GroupLog, type GroupLogOptions } from './group-log.ts';
import type { Maintenance } from './maintenance.ts';
import { recoverGroup, type RecoveredGroup } from './recovery.ts';
import type { GroupRow } from './schema.ts';
import type { Turns } from './turns.ts';

/** Entries and bytes of one synchronous read; the event loop has its turn after each. */
const readSlice = { sliceEntries: 1024, sliceBytes: 4 * 1024 * 1024 } as const;

export interface SqliteGroupOptions extends GroupLogOptions {
  readonly env: Env;
  readonly maxEntryBytes: number;
  readonly maintenance: Maintenance;
  readonly turns: Turns;
  readonly snapshots: SnapshotDirectory;
  /** The row found when the engine was opened, or written since. */
  readonly found: () => GroupRow | undefined;
  /** What the look before the first write to the engine has recovered, given once. */
  readonly recovered: () => RecoveredGroup | undefined;
  readonly onClose: () => void;
}

export function sqliteStorage(options: SqliteGroupOptions): Storage {
  return new GroupStorage({
    ...options,
    check: () => {
      options.log.check();
    },
    recover: () => recover(options),
  });
}

async function recover(options: SqliteGroupOptions): Promise<SqliteGroup> {
  const { log, env, groupId } = options;
  const row = options.found();
  if (row === undefined) return new SqliteGroup(options, new GroupLog(options, row, new LogState(), 1));
  const found =
    options.recovered() ??
    (await recoverGroup(log.table(row.logId), groupId, row, env).catch((error: unknown) => {
      throw refused(error, `open group ${JSON.stringify(groupId)}`);
    }));
  return new SqliteGroup(options, new GroupLog(options, found.row, found.state, found.lowestRow));
}

class SqliteGroup implements GroupCore {
  readonly #options: SqliteGroupOptions;
  readonly #group: GroupLog;
  readonly #commits: GroupCommits<number, unknown, unknown>;

  constructor(options: SqliteGroupOptions, group: GroupLog) {
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

  async maintain(): Promise<boolean> {
    const { maintenance, turns } = this.#options;
    await this.#settled();
    const more = await turns.run(() => maintenance.slice(this.#group));
    if (!more) await maintenance.checkpoint();
    return more;
  }

  /**
   * Rows that were replaced or deleted, and not durably so yet, belong to neither the old log nor the new one. Returns
   * whether there were any to wait for.
   */
  async #settled(): Promise<boolean> {
    const { queue } = this.#options.log;
    let waited = false;
    while (this.#group.rewriting && queue.committing !== undefined) {
      await queue.committing;
      queue.check();
      waited = true;
    }
    return waited;
  }

  async stats(): Promise<LogStats> {
    const { log, maintenance } = this.#options;
    const { bytes, garbageBytes } = maintenance.space(this.#group);
    return { logBytes: bytes, garbageBytes, lastSyncMs: log.lastSyncMs };
  }

  async read(low: LogIndex, high: LogIndex, maxBytes: number): Promise<Entry[]> {
    const group = this.#group;
    const { log, env } = this.#options;
    // What was in range when the call came may be so no more.
    if (await this.#settled()) group.state.checkRange(low, high);
    const { rewrites } = group;
    const entries: Entry[] = [];
    let [next, left] = [low, maxBytes];
    while (next < high) {
      const { row } = group;
      // A compaction or a rewrite since the last slice: what was read is a clean prefix.
      if (entries.length > 0 && (group.rewrites !== rewrites || next <= group.state.outline.boundary.index))
        break;
      if (row === undefined) break;
      let page;
      try {
        const bounds = { ...readSlice, maxBytes: left, first: entries.length === 0 };
        page = log.table(row.logId).read(next, high, bounds, group.checksum);
      } catch (error) {
        throw refused(error, `read entry ${String(next)} of group ${JSON.stringify(group.groupId)}`);
      }
      for (const entry of page.entries) entries.push(entry);
      next += page.entries.length;
      left -= page.bytes;
      if (page.full || left < entryOverheadBytes) break;
      if (next < high) {
        await yieldTo(env);
        await this.#settled();
        log.check();
      }
    }
    return entries;
  }
}
