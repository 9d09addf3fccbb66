/** One group's log, hard state and snapshots on files, by the letter of raft-core's contracts/storage.ts. */
import {
  BalsaError,
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
  #opening = false;
  #closed: Promise<void> | undefined;
  #writing = false;
  #writeCount = 0;
  readonly #pending = new Set<Promise<unknown>>();

  constructor(options: FileStorageOptions) {
    this.groupId = options.group.id;
    this.#options = options;
  }

  async open(): Promise<StorageState> {
    this.#checkAlive();
    if (this.#opening || this.#snapshots !== undefined) {
      throw new BalsaError('INVALID_ARGUMENT', `${this.#what()} is opened once`);
    }
    this.#opening = true;
    try {
      return await this.#track(() => this.#recover());
    } finally {
      this.#opening = false;
    }
  }

  async write(batch: WriteBatch): Promise<void> {
    const snapshots = this.#check();
    if (this.#writing) {
      throw new BalsaError('STORE_WRITE_IN_FLIGHT', `a write of ${this.#what()} has not settled yet`);
    }
    assertBatchNumbers(batch);
    if (isEmptyBatch(batch)) return;
    this.#writing = true;
    try {
      await this.#submit(() => this.#prepareWrite(batch, (id) => snapshots.get(id)));
      this.#writeCount++;
    } finally {
      this.#writing = false;
    }
  }

  async entries(low: LogIndex, high: LogIndex, maxBytes: number): Promise<Entry[]> {
    this.#check();
    const { group, segments } = this.#options;
    group.state.checkRange(low, high);
    return this.#track(() => readEntries(segments, group, low, high, maxBytes));
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
    return this.#track(() => snapshots.create(metadata));
  }

  async receiveSnapshot(metadata: SnapshotMetadata, resume?: SnapshotId): Promise<SnapshotWriter> {
    const snapshots = this.#check();
    return this.#track(() => snapshots.receive(metadata, resume));
  }

  async openSnapshot(id: SnapshotId): Promise<SnapshotReader> {
    const snapshots = this.#check();
    return this.#track(() => snapshots.openSnapshot(id));
  }

  async listSnapshots(): Promise<StoredSnapshot[]> {
    return this.#check().list();
  }

  async pruneSnapshots(keep: number): Promise<void> {
    const snapshots = this.#check();
    assertSafeInteger(keep, 'snapshots to keep');
    const { pendingRestore } = this.#options.group.state;
    const pinned = new Set(pendingRestore === undefined ? [] : [pendingRestore]);
    await this.#track(() => snapshots.prune(keep, pinned));
  }

  async maintain(): Promise<boolean> {
    this.#check();
    return this.#track(() => this.#options.maintenance.slice());
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
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    await Promise.allSettled(this.#pending);
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
      throw corrupt(`${this.#what()}: snapshot ${pendingRestore}, whose restore is pending, is missing`, {
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
    await this.#track(() => this.#options.writer.submit({ owner: this.#options.group, prepare }));
  }

  #check(): SnapshotFiles {
    this.#checkAlive();
    if (this.#snapshots === undefined) {
      throw new BalsaError('STORE_NOT_OPEN', `${this.#what()} is not open yet`);
    }
    return this.#snapshots;
  }

  #checkAlive(): void {
    if (this.#closed !== undefined) throw new BalsaError('STORE_CLOSED', `${this.#what()} is closed`);
    this.#options.writer.check();
  }

  #what(): string {
    return `group ${JSON.stringify(this.groupId)}`;
  }

  /** `close` waits for what goes through here. */
  #track<T>(run: () => Promise<T>): Promise<T> {
    const work = run();
    this.#pending.add(work);
    const forget = (): boolean => this.#pending.delete(work);
    work.then(forget, forget);
    return work;
  }
}
