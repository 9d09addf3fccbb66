/** The snapshots of one group, wherever they lie. */
import type {
  SnapshotId,
  SnapshotMetadata,
  SnapshotReader,
  SnapshotWriter,
  StoredSnapshot,
} from '@balsa/raft-core';

/** Called by an open store. The calls mean what those of the contract's Storage mean. */
export interface GroupSnapshots {
  /** Newest (highest index, then latest) first. */
  list(): StoredSnapshot[];
  get(id: SnapshotId): StoredSnapshot | undefined;
  /** Bytes of the chunks of all stored snapshots. */
  bytes(): number;
  create(metadata: SnapshotMetadata): Promise<SnapshotWriter>;
  receive(metadata: SnapshotMetadata, resume?: SnapshotId): Promise<SnapshotWriter>;
  openSnapshot(id: SnapshotId): Promise<SnapshotReader>;
  /** All but the newest `keep` go, and never one in `pinned`. */
  prune(keep: number, pinned: ReadonlySet<SnapshotId>): Promise<void>;
  /** Ends what is being written and read. Nothing else is under way, and nothing is called after it. */
  close(): Promise<void>;
}
