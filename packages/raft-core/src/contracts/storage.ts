/**
 * Storage: one Raft group's log, hard state, conf state and snapshots.
 *
 * This page is the contract. What it says, a conformance case checks; an adapter says only how it
 * meets it and where it is stronger.
 *
 * Three outcomes. Every mutating call ends in one of them:
 * - ok: the promise resolves, and what it promises is durable.
 * - refused: it rejects with a code whose outcome is `refused`, before any effect. The store stays
 *   usable, and what was refused never appears later.
 * - unknown: it rejects with `STORE_UNKNOWN_OUTCOME`, for any error once bytes may have left (a failed
 *   sync, a lost connection), which is its `cause`. The store is then poisoned: every later call but `close` rejects with
 *   `STORE_POISONED`, until the engine is closed and opened again.
 *
 * Durable means: survives the death of the process AND a power cut, as far as the operating system
 * and the device keep their word about a sync.
 *
 * Entries that a `RaftNode` gives to a store are plain: all that they say are properties of their own, so that a store
 * may clone a batch or post it to a thread. A store that others feed takes `plainEntry` first, or clones nothing.
 * Payloads are views of what they came in, up to a whole message: a store that keeps entries in memory copies them.
 * Payloads given to a store are not mutated by the caller until the call settles; payloads that come
 * from a store are the caller's, never views of memory that the store writes to again. The same holds for the
 * lists, states and metadata that are given, and for the lists that come back.
 *
 * Indexes, terms and ids are safe integers: any other number is refused (`OUT_OF_RANGE`).
 */
import type { OutlineData } from '../outline.ts';
import type { ConfState, Entry, HardState, LogIndex, SnapshotMetadata } from '../types.ts';

/** A conf state and the index of the entry (or snapshot) at which it took effect. */
export interface IndexedConfState {
  readonly index: LogIndex;
  readonly state: ConfState;
}

/** What `open` found, all of it durable. */
export interface StorageState {
  /** `EmptyHardState` in a fresh store. `hardState.commit <= lastIndex`. */
  readonly hardState: HardState;
  /** `{ index: 0, state: EmptyConfState }` in a fresh store. */
  readonly confState: IndexedConfState;
  /** 1 in a fresh store. */
  readonly firstIndex: LogIndex;
  /** `firstIndex - 1` when the log is empty. */
  readonly lastIndex: LogIndex;
  /** Terms of `[firstIndex - 1, lastIndex]` and places of membership changes. */
  readonly outline: OutlineData;
  /**
   * The newest snapshot that is stored whole, if any. One whose description is damaged is left out, and told to
   * `env.log` as an error, as long as an intact one reaches the boundary of the log; else `open` rejects with
   * `STORE_CORRUPT`. What cannot be read now (`STORE_IO`) is not taken for damaged.
   */
  readonly snapshot: StoredSnapshot | undefined;
  /**
   * A snapshot that was installed in the log but whose restore into the state machine was not
   * reported finished (`WriteBatch.restored`). The runtime restores it before anything else.
   */
  readonly pendingRestore: StoredSnapshot | undefined;
}

/**
 * One atomic change. At every crash point all of it or nothing of it is there afterwards.
 *
 * Order of effect inside a batch: `install`, then `entries`, then `confState`, then `hardState`.
 */
export interface WriteBatch {
  /**
   * Contiguous and ascending, terms never falling. They replace the suffix from the first one's index.
   * Refused: a gap after the last entry or between two of the batch (`STORE_GAP`), a start below the
   * first index (`STORE_BELOW_FIRST`), a term below that of the entry before it (`STORE_TERM_REGRESSION`),
   * a single entry over `maxEntryBytes` (`STORE_ENTRY_TOO_LARGE`), a log that would end below the stored
   * commit (`STORE_COMMIT_OUT_OF_RANGE`).
   */
  readonly entries?: readonly Entry[];
  /**
   * Refused: a term below the stored one (`STORE_TERM_REGRESSION`); a commit beyond the last entry
   * after this batch (`STORE_COMMIT_OUT_OF_RANGE`), so that commit on disk is never above the last
   * entry on disk. A commit below the stored one is refused with `STORE_COMMIT_OUT_OF_RANGE` too, whatever
   * the term: what was committed stays so, and in etcd and raft-rs a commit index never falls (`commitTo`).
   * A caller that has nothing new to say of the commit writes the one it wrote last.
   */
  readonly hardState?: HardState;
  readonly confState?: IndexedConfState;
  /**
   * Makes a received snapshot (committed through `receiveSnapshot`) the base of the log. When the log
   * holds an entry at (index, term) of the snapshot, the suffix after it stays; else the log is
   * cleared. `firstIndex` becomes index + 1, the boundary (index, term); the conf state becomes the
   * snapshot's with its index; hard state commit is raised to at least the index; the restore is
   * recorded as pending. Refused: unknown id (`STORE_SNAPSHOT_NOT_FOUND`), an index at or below the
   * stored commit (`STORE_SNAPSHOT_OUT_OF_DATE`).
   */
  readonly install?: SnapshotId;
  /** The state machine's restore of this snapshot is durable: it is no longer pending. Idempotent. */
  readonly restored?: SnapshotId;
}

/** Names one snapshot within its group. Opaque; made by the store; safe in a file name. */
export type SnapshotId = string;

export interface StoredSnapshot {
  readonly id: SnapshotId;
  readonly metadata: SnapshotMetadata;
  /** Whether this node made it or received it from a peer. */
  readonly origin: 'created' | 'received';
  readonly chunkCount: number;
  /** Sum of the chunk lengths, in bytes. */
  readonly bytes: number;
  /** CRC-32 over all chunks, one after another, as unsigned 32-bit. */
  readonly checksum: number;
}

/**
 * Takes the chunks of one snapshot, in order; a chunk may be empty. Nothing counts before `commit` resolves.
 * Any number of writers may be open beside writes, reads, compactions, pruning and housekeeping.
 */
export interface SnapshotWriter {
  readonly id: SnapshotId;
  /** Chunks written so far. A receiver that lost its connection resumes here. */
  readonly chunkCount: number;
  /** Resolves when the writer can take the next one (back-pressure); not yet durable. At most `maxChunkBytes`. */
  write(chunk: Uint8Array): Promise<void>;
  /**
   * Verifies against `expected` when given (count, bytes and checksum; `STORE_SNAPSHOT_INVALID` when it
   * differs, and the snapshot is aborted), makes everything durable, then makes it visible.
   */
  commit(expected?: Pick<StoredSnapshot, 'chunkCount' | 'bytes' | 'checksum'>): Promise<StoredSnapshot>;
  /** Removes what was written; later calls reject with `STORE_SNAPSHOT_ABORTED`. Idempotent; after `commit` a no-op. */
  abort(): Promise<void>;
}

/** A stored snapshot opened for reading. Stays readable until closed, even when pruned meanwhile. */
export interface SnapshotReader {
  readonly snapshot: StoredSnapshot;
  /** Chunk `n` from 0, checked against its checksum (`STORE_CORRUPT` naming the chunk). */
  chunk(n: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

export interface StorageStats {
  readonly entryCount: number;
  /** Bytes of the group's (or, where they cannot be told apart, the engine's) log on disk. */
  readonly logBytes: number;
  readonly snapshotCount: number;
  readonly snapshotBytes: number;
  /** Bytes on disk that hold nothing live and that `maintain` could give back or reuse. */
  readonly garbageBytes: number;
  /** Duration of the last durable write, in milliseconds; 0 before the first. */
  readonly lastSyncMs: number;
  /** Durable writes since open. */
  readonly writeCount: number;
}

/** Bounds on one chunk of a snapshot, in bytes. */
export const maxChunkBytes: number = 1024 * 1024;

export interface Storage extends AsyncDisposable {
  readonly groupId: string;

  /**
   * Recovers the group. Called once, before anything else (`STORE_NOT_OPEN` otherwise).
   * Resolves only when all that it reports is durable anew: a recovered tail that may never have been
   * synced is synced first. Removes temporaries that a crash left. Rejects with `STORE_CORRUPT`,
   * `STORE_ACKNOWLEDGED_WRITE_LOST` or `STORE_FORMAT_VERSION`, and changes nothing then.
   */
  open(): Promise<StorageState>;

  /**
   * Applies one batch atomically. Resolves only when it is durable. One write of a group is in flight
   * at a time; a second call before the first settles rejects with `STORE_WRITE_IN_FLIGHT`. Writes of
   * different groups overlap freely and share syncs. An empty batch resolves and does nothing.
   */
  write(batch: WriteBatch): Promise<void>;

  /**
   * Entries in `[low, high)`: at least one, cut only by size, as `entrySize` counts it, so that the sum
   * stays within `maxBytes` (the first entry is always returned). `low === high` gives none.
   * `STORE_COMPACTED` when `low` is below the first index, `STORE_UNAVAILABLE` when `high` is above
   * last + 1. Sees every write that has resolved. May run beside a write or a compaction, and then
   * gives a clean prefix or `STORE_COMPACTED`, never a hole. Each entry is verified against its
   * checksum and its place: `STORE_CORRUPT` names the index.
   */
  entries(low: LogIndex, high: LogIndex, maxBytes: number): Promise<Entry[]>;

  /**
   * Drops entries <= `index`. The boundary (index, its term) stays known for ever. At or below the
   * present boundary it is a no-op. Refused: beyond the stored commit (`STORE_COMPACT_OUT_OF_RANGE`),
   * past a membership change whose conf state is not recorded (`STORE_CONF_UNRECORDED`). Resolves when
   * the boundary is durable; space may come back later, by `maintain`. May be called beside a write.
   */
  compactTo(index: LogIndex): Promise<void>;

  /** Begins a snapshot of this node's own state machine. `metadata` describes exactly what the chunks hold. */
  createSnapshot(metadata: SnapshotMetadata): Promise<SnapshotWriter>;
  /**
   * Begins to receive a peer's snapshot. With the `id` of an unfinished one of this process's life it
   * resumes it (`STORE_SNAPSHOT_NOT_FOUND` when there is none, `STORE_SNAPSHOT_INVALID` when the metadata differ).
   */
  receiveSnapshot(metadata: SnapshotMetadata, resume?: SnapshotId): Promise<SnapshotWriter>;
  /** `STORE_SNAPSHOT_NOT_FOUND` when there is none of that id. */
  openSnapshot(id: SnapshotId): Promise<SnapshotReader>;
  /** Stored snapshots, newest (highest index, then latest) first. Unfinished ones are not listed. */
  listSnapshots(): Promise<StoredSnapshot[]>;
  /** Removes all but the newest `keep`; one that is pending a restore stays besides. */
  pruneSnapshots(keep: number): Promise<void>;

  /** Does a bounded slice of giving space back (deleting, checkpointing, vacuuming). True when more is left to do. */
  maintain(): Promise<boolean>;
  stats(): Promise<StorageStats>;

  /** Idempotent. Settles what is in flight. Later calls reject with `STORE_CLOSED`. Leaves the engine open. */
  close(): Promise<void>;
}
