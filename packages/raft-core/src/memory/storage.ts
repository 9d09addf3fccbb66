/** One group in memory, by the letter of contracts/storage.ts. */
import type {
  SnapshotId,
  SnapshotReader,
  SnapshotWriter,
  Storage,
  StorageState,
  StorageStats,
  StoredSnapshot,
  WriteBatch,
} from '../contracts/storage.ts';
import { entrySize, limitSize } from '../entry-size.ts';
import { BalsaError } from '../errors.ts';
import { assertSafeInteger } from '../invariants.ts';
import type { Entry, LogIndex, SnapshotMetadata } from '../types.ts';
import { copyEntry, type GroupData } from './data.ts';
import { Gate, type Life } from './gate.ts';
import { copyBatch, isEmptyBatch, planWrite } from './log-write.ts';
import { SnapshotShelf } from './snapshots.ts';

export interface MemoryStorageOptions {
  readonly groupId: string;
  readonly data: GroupData;
  readonly life: Life;
  readonly maxEntryBytes: number;
  /** Called once, when the group is closed. */
  readonly onClose: () => void;
}

export class MemoryStorage implements Storage {
  readonly groupId: string;
  readonly #data: GroupData;
  readonly #gate: Gate;
  readonly #snapshots: SnapshotShelf;
  readonly #maxEntryBytes: number;
  readonly #onClose: () => void;
  #opened: 'no' | 'opening' | 'yes' = 'no';
  #writing = false;
  #writeCount = 0;

  constructor(options: MemoryStorageOptions) {
    this.groupId = options.groupId;
    this.#data = options.data;
    this.#gate = new Gate(options.life, `group ${JSON.stringify(options.groupId)}`, options.groupId);
    this.#snapshots = new SnapshotShelf(this.#data, this.#gate);
    this.#maxEntryBytes = options.maxEntryBytes;
    this.#onClose = options.onClose;
  }

  async open(): Promise<StorageState> {
    this.#gate.check();
    if (this.#opened !== 'no') throw new BalsaError('INVALID_ARGUMENT', 'a group is opened once');
    this.#opened = 'opening';
    try {
      const state = await this.#gate.run('open', 'read', () => this.#state());
      this.#opened = 'yes';
      return state;
    } finally {
      if (this.#opened === 'opening') this.#opened = 'no';
    }
  }

  async write(batch: WriteBatch): Promise<void> {
    this.#check();
    if (this.#writing) {
      throw new BalsaError('STORE_WRITE_IN_FLIGHT', 'a write of this group has not settled yet');
    }
    this.#writing = true;
    try {
      const copy = copyBatch(batch);
      if (isEmptyBatch(copy)) return;
      await this.#gate.run('write', 'write', () => {
        planWrite(this.#data, copy, this.#maxEntryBytes)();
        this.#writeCount++;
      });
    } finally {
      this.#writing = false;
    }
  }

  async entries(low: LogIndex, high: LogIndex, maxBytes: number): Promise<Entry[]> {
    this.#check();
    assertSafeInteger(low, 'low');
    assertSafeInteger(high, 'high');
    if (low > high) {
      throw new BalsaError('INVALID_ARGUMENT', `low ${String(low)} is above high ${String(high)}`);
    }
    return this.#gate.run('entries', 'read', () => this.#read(low, high, maxBytes));
  }

  async compactTo(index: LogIndex): Promise<void> {
    this.#check();
    assertSafeInteger(index, 'index to compact to');
    await this.#gate.run('compactTo', 'write', () => {
      this.#compact(index);
    });
  }

  async createSnapshot(metadata: SnapshotMetadata): Promise<SnapshotWriter> {
    this.#check();
    return this.#snapshots.create(metadata);
  }

  async receiveSnapshot(metadata: SnapshotMetadata, resume?: SnapshotId): Promise<SnapshotWriter> {
    this.#check();
    return this.#snapshots.receive(metadata, resume);
  }

  async openSnapshot(id: SnapshotId): Promise<SnapshotReader> {
    this.#check();
    return this.#snapshots.open(id);
  }

  async listSnapshots(): Promise<StoredSnapshot[]> {
    this.#check();
    return this.#gate.run('listSnapshots', 'read', () => this.#snapshots.list());
  }

  async pruneSnapshots(keep: number): Promise<void> {
    this.#check();
    assertSafeInteger(keep, 'snapshots to keep');
    await this.#gate.run('pruneSnapshots', 'write', () => {
      this.#snapshots.prune(keep);
    });
  }

  async maintain(): Promise<boolean> {
    this.#check();
    return this.#gate.run('maintain', 'read', () => false);
  }

  async stats(): Promise<StorageStats> {
    this.#check();
    return this.#gate.run('stats', 'read', () => {
      const snapshots = this.#snapshots.list();
      return {
        entryCount: this.#data.entries.length,
        logBytes: this.#data.entries.reduce((sum, entry) => sum + entrySize(entry), 0),
        snapshotCount: snapshots.length,
        snapshotBytes: snapshots.reduce((sum, snapshot) => sum + snapshot.bytes, 0),
        garbageBytes: 0,
        lastSyncMs: 0,
        writeCount: this.#writeCount,
      };
    });
  }

  async close(): Promise<void> {
    const first = !this.#gate.closed;
    await this.#gate.close();
    if (!first) return;
    await this.#snapshots.abortUnfinished();
    this.#onClose();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #check(): void {
    this.#gate.check();
    if (this.#opened !== 'yes') {
      throw new BalsaError('STORE_NOT_OPEN', `group ${JSON.stringify(this.groupId)} is not open yet`);
    }
  }

  #state(): StorageState {
    const { hardState, confState, outline, pendingRestore } = this.#data;
    return {
      hardState,
      confState,
      firstIndex: outline.firstIndex,
      lastIndex: outline.lastIndex,
      outline: outline.toData(),
      snapshot: this.#snapshots.list()[0],
      pendingRestore: this.#snapshots.get(pendingRestore),
    };
  }

  #read(low: LogIndex, high: LogIndex, maxBytes: number): Entry[] {
    const { outline, entries } = this.#data;
    if (low < outline.firstIndex) {
      throw new BalsaError(
        'STORE_COMPACTED',
        `entry ${String(low)} is asked for, the first one is ${String(outline.firstIndex)}`,
        { details: { low, firstIndex: outline.firstIndex } },
      );
    }
    if (high > outline.lastIndex + 1) {
      throw new BalsaError(
        'STORE_UNAVAILABLE',
        `entries below ${String(high)} are asked for, the last one is ${String(outline.lastIndex)}`,
        { details: { high, lastIndex: outline.lastIndex } },
      );
    }
    const found = entries.slice(low - outline.firstIndex, high - outline.firstIndex);
    return limitSize(found, maxBytes).map(copyEntry);
  }

  #compact(index: LogIndex): void {
    const { outline, hardState, confState } = this.#data;
    const count = index - outline.boundary.index;
    if (count <= 0) return;
    if (index > hardState.commit) {
      throw new BalsaError(
        'STORE_COMPACT_OUT_OF_RANGE',
        `cannot compact to ${String(index)}: only ${String(hardState.commit)} is committed`,
        { details: { index, commit: hardState.commit } },
      );
    }
    const [unrecorded] = outline.confIndexesIn(confState.index, index);
    if (unrecorded !== undefined) {
      throw new BalsaError(
        'STORE_CONF_UNRECORDED',
        `cannot compact to ${String(index)}: the conf state of entry ${String(unrecorded)} is not recorded`,
        { details: { index, unrecorded, recorded: confState.index } },
      );
    }
    outline.compactTo(index);
    this.#data.entries = this.#data.entries.slice(count);
  }
}
