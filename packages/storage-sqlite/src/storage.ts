/** One group's log, hard state and snapshots on SQLite, by the letter of raft-core's contracts/storage.ts. */
import {
  assertSafeInteger,
  entryOverheadBytes,
  type Entry,
  type Env,
  type LogIndex,
  type SnapshotId,
  type SnapshotMetadata,
  type SnapshotReader,
  type SnapshotWriter,
  type Storage,
  type StorageState,
  type StorageStats,
  type StoredSnapshot,
  type WriteBatch,
} from '@balsa/raft-core';
import {
  Lifecycle,
  LogState,
  assertBatchNumbers,
  isEmptyBatch,
  type SnapshotDirectory,
  type SnapshotFiles,
} from '@balsa/storage-kit';
import { corrupt, refused } from './errors.ts';
import { GroupLog, type GroupLogOptions } from './group-log.ts';
import type { PreparedJob } from './log-database.ts';
import { deletesPerSlice, type Maintenance } from './maintenance.ts';
import { recoverGroup, yieldTo, type RecoveredGroup } from './recovery.ts';
import type { GroupRow } from './schema.ts';
import { openGroupSnapshots } from './snapshot.ts';
import type { Turns } from './turns.ts';

/** Rows and bytes of one synchronous read; the event loop has its turn after each. */
const readSlice = { sliceRows: 1024, sliceBytes: 4 * 1024 * 1024 } as const;

export interface SqliteStorageOptions extends GroupLogOptions {
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

interface Opened {
  readonly group: GroupLog;
  readonly snapshots: SnapshotFiles;
}

export class SqliteStorage implements Storage {
  readonly groupId: string;
  readonly #options: SqliteStorageOptions;
  #opened: Opened | undefined;
  readonly #life: Lifecycle;
  #writeCount = 0;

  constructor(options: SqliteStorageOptions) {
    this.groupId = options.groupId;
    this.#options = options;
    this.#life = new Lifecycle(`group ${JSON.stringify(options.groupId)}`, () => {
      options.log.check();
    });
  }

  open(): Promise<StorageState> {
    return this.#life.openOnce(() => this.#recover());
  }

  async write(batch: WriteBatch): Promise<void> {
    const { group, snapshots } = this.#check();
    await this.#life.writeAlone(async () => {
      assertBatchNumbers(batch);
      if (!isEmptyBatch(batch)) await this.#write(batch, group, snapshots);
    });
  }

  async entries(low: LogIndex, high: LogIndex, maxBytes: number): Promise<Entry[]> {
    const { group } = this.#check();
    group.state.checkRange(low, high);
    return this.#life.track(() => this.#read(group, low, high, maxBytes));
  }

  async compactTo(index: LogIndex): Promise<void> {
    const { group } = this.#check();
    assertSafeInteger(index, 'index to compact to');
    const prepare = (): PreparedJob | undefined => {
      const boundary = group.state.planCompaction(index);
      if (boundary === undefined) return undefined;
      let result: ReturnType<GroupLog['compact']>;
      return {
        run: (sequence) => {
          result = group.compact(boundary, sequence, deletesPerSlice);
        },
        done: () => {
          if (result !== undefined) group.compacted(boundary, result);
        },
        syncWatermark: false,
      };
    };
    await this.#life.track(() => this.#options.log.submit({ owner: this, prepare }));
  }

  async createSnapshot(metadata: SnapshotMetadata): Promise<SnapshotWriter> {
    const { snapshots } = this.#check();
    return this.#life.track(() => snapshots.create(metadata));
  }

  async receiveSnapshot(metadata: SnapshotMetadata, resume?: SnapshotId): Promise<SnapshotWriter> {
    const { snapshots } = this.#check();
    return this.#life.track(() => snapshots.receive(metadata, resume));
  }

  async openSnapshot(id: SnapshotId): Promise<SnapshotReader> {
    const { snapshots } = this.#check();
    return this.#life.track(() => snapshots.openSnapshot(id));
  }

  async listSnapshots(): Promise<StoredSnapshot[]> {
    return this.#check().snapshots.list();
  }

  async pruneSnapshots(keep: number): Promise<void> {
    const { group, snapshots } = this.#check();
    assertSafeInteger(keep, 'snapshots to keep');
    const { pendingRestore } = group.state;
    const pinned = new Set(pendingRestore === undefined ? [] : [pendingRestore]);
    await this.#life.track(() => snapshots.prune(keep, pinned));
  }

  async maintain(): Promise<boolean> {
    const { group } = this.#check();
    const { maintenance, turns } = this.#options;
    return this.#life.track(() => turns.run(() => maintenance.slice(group)));
  }

  async stats(): Promise<StorageStats> {
    const { group, snapshots } = this.#check();
    const { outline } = group.state;
    const { log, maintenance } = this.#options;
    const list = snapshots.list();
    const space = maintenance.space(group);
    return {
      entryCount: outline.lastIndex - outline.boundary.index,
      logBytes: space.bytes,
      snapshotCount: list.length,
      snapshotBytes: snapshots.bytes(),
      garbageBytes: space.garbageBytes,
      lastSyncMs: log.lastSyncMs,
      writeCount: this.#writeCount,
    };
  }

  close(): Promise<void> {
    return this.#life.close(() => this.#close());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    await this.#life.settled();
    if (this.#opened !== undefined) {
      await this.#opened.snapshots.close();
      this.#options.snapshots.release(this.#opened.snapshots);
    }
    this.#options.onClose();
  }

  async #write(batch: WriteBatch, group: GroupLog, snapshots: SnapshotFiles): Promise<void> {
    const prepare = (): PreparedJob => {
      const plan = group.state.plan(batch, this.#options.maxEntryBytes, (id) => snapshots.get(id));
      let row: GroupRow | undefined;
      return {
        run: (sequence) => {
          row = group.write(plan, sequence);
        },
        done: () => {
          if (row !== undefined) group.applied(plan, row);
          this.#writeCount++;
        },
        syncWatermark: plan.changesTermOrVote,
      };
    };
    await this.#options.log.submit({ owner: this, prepare });
  }

  async #recover(): Promise<StorageState> {
    const { log, env, found } = this.#options;
    const row = found();
    const recovered =
      row === undefined
        ? { state: new LogState(), lowestRow: 1 }
        : (this.#options.recovered() ??
          (await recoverGroup(log.table(row.logId), this.groupId, row, env).catch((error: unknown) => {
            throw refused(error, `open group ${JSON.stringify(this.groupId)}`);
          })));
    const group = new GroupLog(this.#options, row, recovered.state, recovered.lowestRow);
    const snapshots = await openGroupSnapshots(this.#options.snapshots, group, env, () =>
      this.#ensureRow(group),
    );
    const { hardState, confState, outline, pendingRestore } = group.state;
    const pending = pendingRestore === undefined ? undefined : snapshots.get(pendingRestore);
    if (pendingRestore !== undefined && pending === undefined) {
      throw corrupt(
        `group ${JSON.stringify(this.groupId)}: snapshot ${pendingRestore}, whose restore is pending, is missing`,
        {
          groupId: this.groupId,
          snapshot: pendingRestore,
        },
      );
    }
    this.#opened = { group, snapshots };
    return {
      hardState,
      confState,
      firstIndex: outline.firstIndex,
      lastIndex: outline.lastIndex,
      outline: outline.toData(),
      snapshot: snapshots.list()[0],
      pendingRestore: pending,
    };
  }

  /** A group that has a snapshot holds data, also when nothing was ever written to its log. */
  async #ensureRow(group: GroupLog): Promise<void> {
    if (group.row !== undefined) return;
    const prepare = (): PreparedJob | undefined => {
      if (group.row !== undefined) return undefined;
      const plan = group.state.plan({}, this.#options.maxEntryBytes, () => undefined);
      let row: GroupRow | undefined;
      return {
        run: (sequence) => {
          row = group.write(plan, sequence);
        },
        done: () => {
          if (row !== undefined) group.applied(plan, row);
        },
        syncWatermark: false,
      };
    };
    await this.#options.log.submit({ owner: this, prepare });
  }

  async #read(group: GroupLog, low: LogIndex, high: LogIndex, maxBytes: number): Promise<Entry[]> {
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
        page = this.#options.log.table(row.logId).read(next, high, bounds, group.checksum);
      } catch (error) {
        throw refused(error, `read entry ${String(next)} of group ${JSON.stringify(this.groupId)}`);
      }
      for (const entry of page.entries) entries.push(entry);
      next += page.entries.length;
      left -= page.bytes;
      if (page.full || left < entryOverheadBytes) break;
      if (next < high) {
        await yieldTo(this.#options.env);
        this.#options.log.check();
      }
    }
    return entries;
  }

  #check(): Opened {
    return this.#life.assertOpen(this.#opened);
  }
}
