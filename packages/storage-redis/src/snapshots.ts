/** The snapshots of one group: their lives are records of its log, their chunks are keys. */
import {
  BalsaError,
  type SnapshotId,
  type SnapshotMetadata,
  type SnapshotReader,
  type StoredSnapshot,
} from '@balsa/raft-core';
import {
  SinkSnapshotWriter,
  assertBegunWith,
  copyMetadata,
  newSnapshotId,
  type GroupSnapshots,
} from '@balsa/storage-kit';
import { encodeSnapshotChange, type KnownSnapshot, type SnapshotChange } from './format.ts';
import type { GroupLog } from './group-log.ts';
import type { SnapshotChunks } from './snapshot-chunks.ts';
import { RedisSnapshotReader } from './snapshot-reader.ts';

export interface SnapshotsOptions {
  readonly group: GroupLog;
  readonly chunks: SnapshotChunks;
  /** Uniform in [0, 1); keeps ids apart from those of removed snapshots. */
  readonly random: () => number;
  /** Throws when nothing may be read any more. */
  readonly check: () => void;
  /** Resolves when the disk is free for so many bytes, the first of many where `isBeginning`, or `isWanted` no longer. */
  readonly untilDiskIsFree: (bytes: number, isWanted: () => boolean, isBeginning: boolean) => Promise<void>;
  /** Whether anything can be removed: not with the connection gone. */
  readonly mayWrite: () => boolean;
}

export class Snapshots implements GroupSnapshots {
  readonly #options: SnapshotsOptions;
  readonly #writers = new Map<SnapshotId, SinkSnapshotWriter>();
  readonly #readers = new Set<RedisSnapshotReader>();
  /** Of a doomed snapshot, so many chunks are gone already. */
  readonly #removed = new Map<SnapshotId, number>();
  #ordinal: number;
  #isClosing = false;

  constructor(options: SnapshotsOptions) {
    this.#options = options;
    this.#ordinal = Math.max(0, ...[...options.group.snapshots.values()].map(({ ordinal }) => ordinal));
  }

  /** Newest (highest index, then latest) first. */
  list(): StoredSnapshot[] {
    return this.#stored().flatMap(({ stored }) => (stored === undefined ? [] : [stored]));
  }

  get(id: SnapshotId): StoredSnapshot | undefined {
    return this.#options.group.snapshot(id);
  }

  /** Bytes of the chunks of all stored snapshots. */
  bytes(): number {
    return this.list().reduce((sum, stored) => sum + stored.bytes, 0);
  }

  /** Bytes of those that are to be removed. */
  get garbageBytes(): number {
    let sum = 0;
    for (const { status, stored } of this.#options.group.snapshots.values()) {
      if (status === 'doomed') sum += stored?.bytes ?? 0;
    }
    return sum;
  }

  async create(metadata: SnapshotMetadata): Promise<SinkSnapshotWriter> {
    return this.#begin(metadata, 'created');
  }

  /** With the id of an unfinished one, that one, if it is of the same metadata. */
  async receive(metadata: SnapshotMetadata, resume?: SnapshotId): Promise<SinkSnapshotWriter> {
    if (resume === undefined) return this.#begin(metadata, 'received');
    const writer = this.#writers.get(resume);
    if (writer?.origin !== 'received') throw this.#notFound(resume, 'unfinished snapshot');
    assertBegunWith(writer, metadata);
    return writer;
  }

  async openSnapshot(id: SnapshotId): Promise<SnapshotReader> {
    const stored = this.get(id);
    if (stored === undefined) throw this.#notFound(id, 'snapshot');
    const { chunks, check } = this.#options;
    const reader = new RedisSnapshotReader(stored, chunks, check, (ended) => this.#readers.delete(ended));
    this.#readers.add(reader);
    return reader;
  }

  /** All but the newest `keep` do not count any more, but for one that is pending a restore. `maintain` removes them. */
  async prune(keep: number): Promise<void> {
    for (const known of this.#stored().slice(keep)) {
      await this.#options.group.submit(() => {
        const { group } = this.#options;
        if (known.id === group.state.pendingRestore) return undefined;
        if (group.snapshots.get(known.id)?.status !== 'stored') return undefined;
        return this.#change({ ...known, status: 'doomed' });
      });
    }
  }

  /** Removes what a crash left unfinished. Called when the group is opened. */
  async removeUnfinished(): Promise<void> {
    for (const known of [...this.#options.group.snapshots.values()]) {
      if (known.status !== 'begun') continue;
      while (await this.#removeSome(known));
    }
  }

  /** Whether there is something that `maintain` would remove now. */
  hasDoomed(): boolean {
    return this.#doomed() !== undefined;
  }

  /** A slice of removing. False when nothing is to be removed now. */
  async maintain(): Promise<boolean> {
    const doomed = this.#doomed();
    if (doomed === undefined) return false;
    await this.#removeSome(doomed);
    return true;
  }

  /** Ends what is being written and read. */
  async close(): Promise<void> {
    this.#isClosing = true;
    const mayRemove = this.#options.mayWrite();
    for (const reader of [...this.#readers]) await reader.close();
    // What cannot be removed now, the next opening removes.
    if (mayRemove) for (const writer of [...this.#writers.values()]) await writer.abort();
  }

  async #begin(metadata: SnapshotMetadata, origin: 'created' | 'received'): Promise<SinkSnapshotWriter> {
    const { group, chunks, random, untilDiskIsFree } = this.#options;
    const ordinal = ++this.#ordinal;
    const id = newSnapshotId(metadata, ordinal, random);
    const writer = new SinkSnapshotWriter({
      id,
      origin,
      metadata: copyMetadata(metadata),
      sink: {
        append: (chunk, n) =>
          chunks.write(id, n, chunk, (bytes) => untilDiskIsFree(bytes, () => !this.#isClosing, n === 0)),
        commit: (stored) =>
          group.submit(() =>
            this.#change({ id, ordinal, status: 'stored', chunkCount: stored.chunkCount, stored }),
          ),
        discard: async () => {
          while (await this.#removeSome({ id, ordinal, status: 'begun', chunkCount: 0 }));
        },
      },
      ended: () => this.#writers.delete(id),
    });
    this.#writers.set(id, writer);
    try {
      // Said before the first chunk is there, so that a crash leaves none that nobody knows of.
      await group.submit(() => this.#change({ id, ordinal, status: 'begun', chunkCount: 0 }));
    } catch (error) {
      this.#writers.delete(id);
      throw error;
    }
    return writer;
  }

  /** One that does not count any more, and that nobody reads or writes. */
  #doomed(): KnownSnapshot | undefined {
    const inUse = new Set([...this.#readers].map((reader) => reader.snapshot.id));
    return [...this.#options.group.snapshots.values()].find(({ id, status }) => {
      const isAbandoned = status === 'begun' && !this.#writers.has(id);
      return (status === 'doomed' || isAbandoned) && !inUse.has(id);
    });
  }

  /** False when all chunks are gone, and the snapshot with them. */
  async #removeSome(known: KnownSnapshot): Promise<boolean> {
    const { group, chunks } = this.#options;
    const from = this.#removed.get(known.id) ?? 0;
    const count = await chunks.remove(known.id, from);
    if (count > 0) {
      this.#removed.set(known.id, from + count);
      return true;
    }
    await group.submit(() => this.#change({ id: known.id, status: 'gone' }));
    this.#removed.delete(known.id);
    return false;
  }

  #change(change: SnapshotChange): {
    encode: (sequence: number) => Buffer;
    done: () => void;
    syncWatermark: boolean;
  } {
    return {
      encode: (sequence) => encodeSnapshotChange(sequence, change),
      done: () => {
        this.#options.group.changedSnapshot(change);
      },
      syncWatermark: false,
    };
  }

  #stored(): KnownSnapshot[] {
    return [...this.#options.group.snapshots.values()]
      .filter(({ status }) => status === 'stored')
      .sort(
        (a, b) => (b.stored?.metadata.index ?? 0) - (a.stored?.metadata.index ?? 0) || b.ordinal - a.ordinal,
      );
  }

  #notFound(id: SnapshotId, what: string): BalsaError {
    return new BalsaError(
      'STORE_SNAPSHOT_NOT_FOUND',
      `group ${JSON.stringify(this.#options.group.id)} has no ${what} ${id}`,
      { details: { id } },
    );
  }
}
