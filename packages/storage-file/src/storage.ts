/** One group's log, hard state and snapshots on files, by the letter of raft-core's contracts/storage.ts. */
import {
  LogLevel,
  assertSafeInteger,
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
  assertBatchNumbers,
  isEmptyBatch,
  type SnapshotDirectory,
  type SnapshotFiles,
} from '@balsa/storage-kit';
import { readEntries } from './entry-reader.ts';
import { corrupt } from './errors.ts';
import { addCompact, addWrite } from './format.ts';
import type { GroupLog } from './group-log.ts';
import type { LogWriter, PreparedJob } from './log-writer.ts';
import type { Maintenance } from './maintenance.ts';
import type { Segments } from './segments.ts';

export interface FileStorageOptions {
  readonly group: GroupLog;
  readonly env: Env;
  readonly maxEntryBytes: number;
  readonly writer: LogWriter;
  readonly segments: Segments;
  readonly maintenance: Maintenance;
  readonly snapshots: SnapshotDirectory;
  /** Whether anything of the group is in the log. */
  readonly isKnown: () => boolean;
  /** Something of the group is in the log now. */
  readonly onStored: () => void;
  readonly onClose: () => void;
}

export class FileStorage implements Storage {
  readonly groupId: string;
  readonly #options: FileStorageOptions;
  #snapshots: SnapshotFiles | undefined;
  readonly #life: Lifecycle;
  #writeCount = 0;

  constructor(options: FileStorageOptions) {
    this.groupId = options.group.id;
    this.#options = options;
    this.#life = new Lifecycle(`group ${JSON.stringify(this.groupId)}`, () => {
      options.writer.check();
    });
  }

  open(): Promise<StorageState> {
    return this.#life.openOnce(() => this.#recover());
  }

  async write(batch: WriteBatch): Promise<void> {
    const snapshots = this.#check();
    await this.#life.writeAlone(async () => {
      assertBatchNumbers(batch);
      if (isEmptyBatch(batch)) return;
      await this.#submit(() => this.#prepareWrite(batch, (id) => snapshots.get(id)));
      this.#writeCount++;
    });
  }

  async entries(low: LogIndex, high: LogIndex, maxBytes: number): Promise<Entry[]> {
    this.#check();
    const { group, segments } = this.#options;
    group.state.checkRange(low, high);
    return this.#life.track(() => readEntries(segments, group, low, high, maxBytes));
  }

  async compactTo(index: LogIndex): Promise<void> {
    this.#check();
    const { group } = this.#options;
    assertSafeInteger(index, 'index to compact to');
    await this.#submit(() => {
      const boundary = group.state.planCompaction(index);
      if (boundary === undefined) return undefined;
      return {
        encode: (body) => {
          addCompact(body, group.id, boundary);
        },
        done: () => {
          group.compacted(boundary);
        },
        syncWatermark: false,
      };
    });
  }

  async createSnapshot(metadata: SnapshotMetadata): Promise<SnapshotWriter> {
    const snapshots = this.#check();
    return this.#life.track(() => snapshots.create(metadata));
  }

  async receiveSnapshot(metadata: SnapshotMetadata, resume?: SnapshotId): Promise<SnapshotWriter> {
    const snapshots = this.#check();
    return this.#life.track(() => snapshots.receive(metadata, resume));
  }

  async openSnapshot(id: SnapshotId): Promise<SnapshotReader> {
    const snapshots = this.#check();
    return this.#life.track(() => snapshots.openSnapshot(id));
  }

  async listSnapshots(): Promise<StoredSnapshot[]> {
    return this.#check().list();
  }

  async pruneSnapshots(keep: number): Promise<void> {
    const snapshots = this.#check();
    assertSafeInteger(keep, 'snapshots to keep');
    const { pendingRestore } = this.#options.group.state;
    const pinned = new Set(pendingRestore === undefined ? [] : [pendingRestore]);
    await this.#life.track(() => snapshots.prune(keep, pinned));
  }

  async maintain(): Promise<boolean> {
    this.#check();
    return this.#life.track(() => this.#options.maintenance.slice());
  }

  async stats(): Promise<StorageStats> {
    const snapshots = this.#check();
    const { group, segments, maintenance, writer } = this.#options;
    const { outline } = group.state;
    return {
      entryCount: outline.lastIndex - outline.boundary.index,
      logBytes: segments.bytes,
      snapshotCount: snapshots.list().length,
      snapshotBytes: snapshots.bytes(),
      garbageBytes: maintenance.garbageBytes,
      lastSyncMs: writer.lastSyncMs,
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
    if (this.#snapshots !== undefined) {
      await this.#snapshots.close();
      this.#options.snapshots.release(this.#snapshots);
    }
    this.#options.onClose();
  }

  async #recover(): Promise<StorageState> {
    const { group, snapshots: directory } = this.#options;
    const snapshots = await directory.group(this.groupId, () => this.#becomeKnown());
    this.#reportDamaged(snapshots);
    const { hardState, confState, outline, pendingRestore } = group.state;
    const pending = pendingRestore === undefined ? undefined : snapshots.get(pendingRestore);
    if (pendingRestore !== undefined && pending === undefined) {
      throw corrupt(`${this.#life.what}: snapshot ${pendingRestore}, whose restore is pending, is missing`, {
        groupId: this.groupId,
        snapshot: pendingRestore,
      });
    }
    this.#snapshots = snapshots;
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
   * A damaged snapshot file is skipped, and said aloud, as long as an intact one reaches the log's
   * boundary or the log reaches back to its beginning; otherwise state could be missing.
   */
  #reportDamaged(files: SnapshotFiles): void {
    const boundary = this.#options.group.state.outline.boundary.index;
    const covered = boundary === 0 || files.list().some((stored) => stored.metadata.index >= boundary);
    for (const { name, error } of files.damaged()) {
      if (!covered) {
        throw corrupt(
          `snapshot file ${name} is damaged, and no intact snapshot reaches index ${String(boundary)} where the log begins`,
          { file: name, boundary, cause: error },
        );
      }
      const text = `snapshot file ${name} is damaged and is ignored`;
      this.#options.env.log.log(LogLevel.Error, text, { file: name, error });
    }
  }

  /** A group that has a snapshot holds data, also when nothing was ever written to its log. */
  async #becomeKnown(): Promise<void> {
    const { writer, isKnown } = this.#options;
    if (isKnown()) return;
    const prepare = (): PreparedJob | undefined =>
      isKnown() ? undefined : this.#prepareWrite({}, () => undefined);
    await writer.submit({ owner: this.#options.group, prepare });
  }

  #prepareWrite(batch: WriteBatch, find: (id: SnapshotId) => StoredSnapshot | undefined): PreparedJob {
    const { group, maxEntryBytes, onStored } = this.#options;
    const plan = group.state.plan(batch, maxEntryBytes, find);
    const confChanged = plan.confState !== group.state.confState;
    let first = 0;
    return {
      encode: (body) => {
        first = addWrite(body, group.id, plan, confChanged, group.checksum);
      },
      done: (segment, offset) => {
        group.applied(plan, segment, offset + first);
        onStored();
      },
      syncWatermark: plan.changesTermOrVote,
    };
  }

  async #submit(prepare: () => PreparedJob | undefined): Promise<void> {
    await this.#life.track(() => this.#options.writer.submit({ owner: this.#options.group, prepare }));
  }

  #check(): SnapshotFiles {
    return this.#life.assertOpen(this.#snapshots);
  }
}
