/** One group's log, hard state and snapshots on RocksDB, by the letter of raft-core's contracts/storage.ts. */
import {
  LogLevel,
  assertSafeInteger,
  entrySize,
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
import { readEntries } from './group-reader.ts';
import type { PreparedJob } from './log-database.ts';
import { liveBytesOf, type Maintenance } from './maintenance.ts';
import { recoverGroup } from './recovery.ts';
import type { GroupRecord } from './records.ts';

export interface RocksdbStorageOptions extends GroupLogOptions {
  readonly env: Env;
  readonly maxEntryBytes: number;
  readonly maintenance: Maintenance;
  readonly snapshots: SnapshotDirectory;
  /** The record found when the engine was opened, or written since. */
  readonly found: () => GroupRecord | undefined;
  readonly onClose: () => void;
}

interface Opened {
  readonly group: GroupLog;
  readonly snapshots: SnapshotFiles;
}

export class RocksdbStorage implements Storage {
  readonly groupId: string;
  readonly #options: RocksdbStorageOptions;
  readonly #life: Lifecycle;
  #opened: Opened | undefined;
  #writeCount = 0;

  constructor(options: RocksdbStorageOptions) {
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
      if (isEmptyBatch(batch)) return;
      await this.#submit(group, batch, snapshots, () => {
        this.#writeCount++;
      });
    });
  }

  async entries(low: LogIndex, high: LogIndex, maxBytes: number): Promise<Entry[]> {
    const { group } = this.#check();
    group.state.checkRange(low, high);
    const { log, env } = this.#options;
    return this.#life.track(() => readEntries(log, env, group, { low, high, maxBytes }));
  }

  async compactTo(index: LogIndex): Promise<void> {
    const { group } = this.#check();
    assertSafeInteger(index, 'index to compact to');
    const prepare = (): PreparedJob | undefined => {
      const boundary = group.state.planCompaction(index);
      if (boundary === undefined) return undefined;
      let record: GroupRecord | undefined;
      return {
        run: (batch) => {
          record = group.compact(boundary, batch);
        },
        done: () => {
          group.compacted(boundary, record);
        },
        syncWatermark: false,
      };
    };
    await this.#life.track(() => this.#options.log.submit({ owner: this, bytes: 0, prepare }));
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
    return this.#life.track(() => this.#options.maintenance.slice(group));
  }

  async stats(): Promise<StorageStats> {
    const { group, snapshots } = this.#check();
    const { log, maintenance } = this.#options;
    const { outline } = group.state;
    const list = snapshots.list();
    const bytes = await this.#life.track(() => maintenance.bytes());
    return {
      entryCount: outline.lastIndex - outline.boundary.index,
      logBytes: group.record === undefined ? 0 : liveBytesOf(group.record),
      snapshotCount: list.length,
      snapshotBytes: snapshots.bytes(),
      garbageBytes: Math.max(0, bytes - maintenance.liveBytes()),
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

  async #submit(
    group: GroupLog,
    batch: WriteBatch,
    snapshots: SnapshotFiles | undefined,
    written: () => void,
  ): Promise<void> {
    let bytes = 0;
    for (const entry of batch.entries ?? []) bytes += entrySize(entry);
    const prepare = (): PreparedJob => {
      const plan = group.state.plan(batch, this.#options.maxEntryBytes, (id) => snapshots?.get(id));
      let record: GroupRecord | undefined;
      return {
        run: (to) => {
          record = group.write(plan, to);
        },
        done: () => {
          if (record !== undefined) group.applied(plan, record);
          written();
        },
        syncWatermark: plan.changesTermOrVote,
      };
    };
    await this.#options.log.submit({ owner: this, bytes, prepare });
  }

  async #recover(): Promise<StorageState> {
    const { log, env, found } = this.#options;
    const record = found();
    const state =
      record === undefined
        ? new LogState()
        : await recoverGroup(log, record, env).catch((error: unknown) => {
            throw refused(error, `open group ${JSON.stringify(this.groupId)}`);
          });
    const group = new GroupLog(this.#options, record, state);
    const snapshots = await this.#openSnapshots(group);
    const { hardState, confState, outline, pendingRestore } = group.state;
    const pending = pendingRestore === undefined ? undefined : snapshots.get(pendingRestore);
    if (pendingRestore !== undefined && pending === undefined) {
      throw corrupt(
        `group ${JSON.stringify(this.groupId)}: snapshot ${pendingRestore}, whose restore is pending, is missing`,
        { groupId: this.groupId, snapshot: pendingRestore },
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

  /**
   * A damaged snapshot file is passed over, and said aloud, as long as an intact one reaches the log's
   * boundary or the log reaches back to its beginning; otherwise state could be missing, and opening is refused.
   */
  async #openSnapshots(group: GroupLog): Promise<SnapshotFiles> {
    const { snapshots, env } = this.#options;
    const files = await snapshots.group(this.groupId, () => this.#ensureRecord(group));
    const boundary = group.state.outline.boundary.index;
    const covered = boundary === 0 || files.list().some((stored) => stored.metadata.index >= boundary);
    for (const { name, error } of files.damaged()) {
      if (!covered) {
        throw corrupt(
          `snapshot file ${name} is damaged, and no intact snapshot reaches index ${String(boundary)} where the log begins`,
          { file: name, boundary },
          error,
        );
      }
      env.log.log(LogLevel.Error, `snapshot file ${name} is damaged and is ignored`, { file: name, error });
    }
    return files;
  }

  /** A group that has a snapshot holds data, also when nothing was ever written to its log. */
  async #ensureRecord(group: GroupLog): Promise<void> {
    if (group.record !== undefined) return;
    await this.#submit(group, {}, undefined, () => undefined);
  }

  #check(): Opened {
    return this.#life.assertOpen(this.#opened);
  }
}
