/** One group's log, hard state and snapshots on Redis, by the letter of raft-core's contracts/storage.ts. */
import {
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
import { Lifecycle, assertBatchNumbers, isEmptyBatch } from '@balsa/storage-kit';
import { readEntries } from './entry-reader.ts';
import { corrupt } from './errors.ts';
import { encodeCompact, encodeWrite } from './format.ts';
import type { GroupLog, PreparedRecord } from './group-log.ts';
import type { AppendOnlyFile } from './append-only-file.ts';
import type { LogWriter } from './log-writer.ts';
import { maintainGroup } from './maintenance.ts';
import type { ReadRange } from './recovery.ts';
import type { SnapshotChunks } from './snapshot-chunks.ts';
import { Snapshots } from './snapshots.ts';

export interface RedisStorageOptions {
  readonly id: string;
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

interface Opened {
  readonly group: GroupLog;
  readonly snapshots: Snapshots;
}

export class RedisStorage implements Storage {
  readonly groupId: string;
  readonly #options: RedisStorageOptions;
  readonly #life: Lifecycle;
  #opened: Opened | undefined;
  #writeCount = 0;

  constructor(options: RedisStorageOptions) {
    this.groupId = options.id;
    this.#options = options;
    this.#life = new Lifecycle(`group ${JSON.stringify(options.id)}`, () => {
      options.writer.check();
    });
  }

  /** Of an open group: what the server has to hold. */
  get expectedHead(): { readonly key: string; readonly text: string } | undefined {
    const group = this.#opened?.group;
    return group === undefined ? undefined : { key: group.keys.head, text: group.headText };
  }

  open(): Promise<StorageState> {
    return this.#life.openOnce(() => this.#recover());
  }

  async write(batch: WriteBatch): Promise<void> {
    const { group } = this.#check();
    await this.#life.writeAlone(async () => {
      assertBatchNumbers(batch);
      if (isEmptyBatch(batch)) return;
      await group.submit(() => this.#prepareWrite(group, batch));
      this.#writeCount++;
    });
  }

  async entries(low: LogIndex, high: LogIndex, maxBytes: number): Promise<Entry[]> {
    const { group } = this.#check();
    group.state.checkRange(low, high);
    if (low === high) return [];
    return this.#life.track(() => readEntries(this.#options.read, group, low, high, maxBytes));
  }

  async compactTo(index: LogIndex): Promise<void> {
    const { group } = this.#check();
    assertSafeInteger(index, 'index to compact to');
    await this.#life.track(() =>
      group.submit(() => {
        const boundary = group.state.planCompaction(index);
        if (boundary === undefined) return undefined;
        return {
          encode: (sequence) => encodeCompact(sequence, boundary),
          done: () => {
            group.compacted(boundary);
          },
          syncWatermark: false,
        };
      }),
    );
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
    return this.#check().snapshots.openSnapshot(id);
  }

  async listSnapshots(): Promise<StoredSnapshot[]> {
    return this.#check().snapshots.list();
  }

  async pruneSnapshots(keep: number): Promise<void> {
    const { snapshots } = this.#check();
    assertSafeInteger(keep, 'snapshots to keep');
    await this.#life.track(() => snapshots.prune(keep));
  }

  async maintain(): Promise<boolean> {
    const { group, snapshots } = this.#check();
    const { read, file } = this.#options;
    return this.#life.track(
      async () => (await maintainGroup(group, snapshots, read)) || (await file.maintain()),
    );
  }

  async stats(): Promise<StorageStats> {
    const { group, snapshots } = this.#check();
    const { outline } = group.state;
    const list = snapshots.list();
    const { file, writer } = this.#options;
    const wasted = Math.max(0, group.bytes - group.locations.liveBytes) + snapshots.garbageBytes;
    const inFile = await this.#life.track(() => file.garbageBytes());
    return {
      entryCount: outline.lastIndex - outline.boundary.index,
      logBytes: group.bytes,
      snapshotCount: list.length,
      snapshotBytes: snapshots.bytes,
      garbageBytes: wasted + inFile,
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
    try {
      await this.#life.settled();
      const { writer } = this.#options;
      await this.#opened?.snapshots.close(writer.mayWrite);
    } finally {
      this.#options.onClose();
    }
  }

  async #recover(): Promise<StorageState> {
    const { recover, chunks, env } = this.#options;
    const group = await recover();
    const snapshots = new Snapshots({
      group,
      chunks,
      random: () => env.random(),
      check: () => {
        this.#life.assertAlive();
      },
    });
    const { hardState, confState, outline, pendingRestore } = group.state;
    const pending = pendingRestore === undefined ? undefined : group.snapshot(pendingRestore);
    if (pendingRestore !== undefined && pending === undefined) {
      throw corrupt(`${this.#life.what}: snapshot ${pendingRestore}, whose restore is pending, is missing`, {
        groupId: this.groupId,
        snapshot: pendingRestore,
      });
    }
    await snapshots.removeUnfinished();
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

  #prepareWrite(group: GroupLog, batch: WriteBatch): PreparedRecord {
    const plan = group.state.plan(batch, this.#options.maxEntryBytes, (id) => group.snapshot(id));
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

  #check(): Opened {
    return this.#life.assertOpen(this.#opened);
  }
}
