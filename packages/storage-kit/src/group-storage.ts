/**
 * The outside of a Storage: what raft-core's contracts/storage.ts asks for whatever the log and the snapshots
 * lie in. What differs from one adapter to the next stands behind `GroupCore`.
 */
import {
  assertSafeInteger,
  type Entry,
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
import type { FindSnapshot } from './group-commits.ts';
import type { GroupSnapshots } from './group-snapshots.ts';
import { Lifecycle, rejected } from './lifecycle.ts';
import { assertBatchNumbers, isEmptyBatch, type LogState } from './log-state.ts';
import { corrupt } from './store-errors.ts';

/** Space and time of a group's log, as `StorageStats` counts them. */
export type LogStats = Pick<StorageStats, 'logBytes' | 'garbageBytes' | 'lastSyncMs'>;

/**
 * One group's log, once recovered. It is called with arguments that are checked, by an open store, one write
 * at a time; reads, compactions and maintenance may overlap with one another and with a write.
 */
export interface GroupCore {
  readonly state: LogState;
  /** Called once, before anything else, with what a crash left unfinished removed. Rejects with a code. */
  openSnapshots(): Promise<GroupSnapshots>;
  /** A batch that is not empty. Resolves when it is durable and `state` has it. */
  write(batch: WriteBatch, find: FindSnapshot): Promise<void>;
  /** `[low, high)` lies in the log as it is now, and may not as it is later. */
  read(low: LogIndex, high: LogIndex, maxBytes: number): Promise<Entry[]>;
  compact(index: LogIndex): Promise<void>;
  /** Does one slice. True when more is left. */
  maintain(): Promise<boolean>;
  stats(): Promise<LogStats>;
}

export interface GroupStorageOptions {
  readonly groupId: string;
  /** Throws when the engine is closed, poisoned or owned by another. */
  readonly check: () => void;
  /**
   * Reads the group back. Rejects with a code. `assertAlive` is for readers that outlive the call that gave
   * them: it throws once the group is closed, and whatever `check` throws.
   */
  readonly recover: (assertAlive: () => void) => Promise<GroupCore>;
  readonly onClose: () => void;
}

interface Opened {
  readonly core: GroupCore;
  readonly snapshots: GroupSnapshots;
  readonly find: FindSnapshot;
}

export class GroupStorage implements Storage {
  readonly groupId: string;
  readonly #options: GroupStorageOptions;
  readonly #life: Lifecycle;
  #opened: Opened | undefined;
  #writeCount = 0;
  readonly #counts = (): void => {
    this.#writeCount++;
  };

  constructor(options: GroupStorageOptions) {
    this.groupId = options.groupId;
    this.#options = options;
    this.#life = new Lifecycle(`group ${JSON.stringify(options.groupId)}`, options.check);
  }

  open(): Promise<StorageState> {
    return this.#life.openOnce(() => this.#open());
  }

  /** Not an asynchronous function, which would let each write wait for one more step of promises. */
  write(batch: WriteBatch): Promise<void> {
    try {
      const { core, find } = this.#check();
      const isEmpty = isEmptyBatch(batch);
      return this.#life.writeAlone(
        () => {
          assertBatchNumbers(batch);
          return isEmpty ? Promise.resolve() : core.write(batch, find);
        },
        isEmpty ? undefined : this.#counts,
      );
    } catch (error) {
      return rejected(error);
    }
  }

  async entries(low: LogIndex, high: LogIndex, maxBytes: number): Promise<Entry[]> {
    const { core } = this.#check();
    core.state.checkRange(low, high);
    return this.#life.track(() => core.read(low, high, maxBytes));
  }

  async compactTo(index: LogIndex): Promise<void> {
    const { core } = this.#check();
    await this.#life.track(() => core.compact(index));
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
    const { core, snapshots } = this.#check();
    assertSafeInteger(keep, 'snapshots to keep');
    const { pendingRestore } = core.state;
    const pinned = new Set(pendingRestore === undefined ? [] : [pendingRestore]);
    await this.#life.track(() => snapshots.prune(keep, pinned));
  }

  async maintain(): Promise<boolean> {
    const { core } = this.#check();
    return this.#life.track(() => core.maintain());
  }

  async stats(): Promise<StorageStats> {
    const { core, snapshots } = this.#check();
    const log = await this.#life.track(() => core.stats());
    const { outline } = core.state;
    return {
      ...log,
      entryCount: outline.lastIndex - outline.boundary.index,
      snapshotCount: snapshots.list().length,
      snapshotBytes: snapshots.bytes(),
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
      await this.#opened?.snapshots.close();
    } finally {
      this.#options.onClose();
    }
  }

  async #open(): Promise<StorageState> {
    const core = await this.#options.recover(() => {
      this.#life.assertAlive();
    });
    const snapshots = await core.openSnapshots();
    const { hardState, confState, outline, pendingRestore } = core.state;
    const pending = pendingRestore === undefined ? undefined : snapshots.get(pendingRestore);
    if (pendingRestore !== undefined && pending === undefined) {
      throw corrupt(`${this.#life.what}: snapshot ${pendingRestore}, whose restore is pending, is missing`, {
        groupId: this.groupId,
        snapshot: pendingRestore,
      });
    }
    this.#opened = { core, snapshots, find: (id) => snapshots.get(id) };
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

  #check(): Opened {
    return this.#life.assertOpen(this.#opened);
  }
}
