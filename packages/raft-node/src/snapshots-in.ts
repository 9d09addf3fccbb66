/** Snapshots that this node receives: one at a time, resumable, in the core's hands only when all of it is verified and durable. */
import {
  BalsaError,
  type Message,
  type NodeId,
  type Snapshot,
  type SnapshotId,
  type SnapshotSink,
  type SnapshotSource,
  type SnapshotWriter,
  type Storage,
} from '@balsa/raft-core';
import type { MetricsRecorder } from './metrics.ts';
import { decodeDescription } from './snapshot-description.ts';
import type { SnapshotProgress } from './status.ts';

export interface SnapshotsInOptions {
  readonly storage: Storage;
  readonly metrics: MetricsRecorder;
  /** Why a snapshot is not wanted; undefined when it is. */
  readonly refusal: (message: Message) => string | undefined;
  /** All of it is stored: the core may know. */
  readonly onStored: (message: Message) => void;
  readonly onProgress: (progress: SnapshotProgress) => void;
}

type Offer = Omit<SnapshotSource, 'chunk'>;

interface Receiving {
  readonly key: string;
  readonly from: NodeId;
  readonly offer: Offer;
  readonly writer: SnapshotWriter;
  /** Whether a transfer holds it now; else it waits to be resumed. */
  active: boolean;
}

/** Stored snapshots that the core has not installed yet, remembered at most. */
const maxStored = 8;

export class SnapshotsIn {
  readonly #options: SnapshotsInOptions;
  readonly #stored = new Map<string, SnapshotId>();
  #receiving: Receiving | undefined;
  #closed = false;

  constructor(options: SnapshotsInOptions) {
    this.#options = options;
  }

  get progress(): SnapshotProgress | undefined {
    return this.#receiving?.active === true ? progressOf(this.#receiving, 'running') : undefined;
  }

  /** The stored form of a snapshot that the core wants installed. */
  storedId(snapshot: Snapshot): SnapshotId {
    const id = this.#stored.get(keyOf(snapshot));
    if (id === undefined) {
      throw new BalsaError(
        'INVARIANT_BROKEN',
        `the core wants to install a snapshot at index ${String(snapshot.metadata.index)} that was never stored`,
      );
    }
    return id;
  }

  async onOffer(from: NodeId, message: Message, offer: Offer): Promise<SnapshotSink> {
    const snapshot = message.snapshot;
    const refusal = this.#closed
      ? 'the node stops'
      : snapshot === undefined
        ? 'there is no snapshot in the message'
        : this.#options.refusal(message);
    if (snapshot === undefined || refusal !== undefined)
      throw new BalsaError('SNAPSHOT_TRANSFER_FAILED', `not wanted: ${String(refusal)}`);
    checkOffer(snapshot, offer);
    const receiving = await this.#begin(from, keyOf(snapshot), offer);
    return this.#sink(receiving, message);
  }

  /** Never rejects. */
  async close(): Promise<void> {
    this.#closed = true;
    const receiving = this.#receiving;
    this.#receiving = undefined;
    await receiving?.writer.abort().catch(() => undefined);
  }

  async #begin(from: NodeId, key: string, offer: Offer): Promise<Receiving> {
    const present = this.#receiving;
    if (present?.active === true)
      throw new BalsaError(
        'OVERLOADED',
        `a snapshot from node ${String(present.from)} is being received already`,
      );
    if (present?.key === key) {
      present.active = true;
      return present;
    }
    this.#receiving = undefined;
    // The place is taken before anything is awaited: two offers must not both begin.
    const writerReady = (async (): Promise<SnapshotWriter> => {
      await present?.writer.abort();
      return await this.#options.storage.receiveSnapshot(offer.metadata);
    })();
    const placeholder = { key, from, offer, active: true, writer: undefined as unknown as SnapshotWriter };
    this.#receiving = placeholder;
    try {
      placeholder.writer = await writerReady;
      return placeholder;
    } catch (error) {
      if (this.#receiving === placeholder) this.#receiving = undefined;
      throw error;
    }
  }

  #sink(receiving: Receiving, message: Message): SnapshotSink {
    const { onProgress, onStored, metrics } = this.#options;
    const { writer, offer } = receiving;
    onProgress(progressOf(receiving, 'running'));
    return {
      nextChunk: writer.chunkCount,
      write: async (chunk) => {
        if (this.#receiving !== receiving)
          throw new BalsaError('SNAPSHOT_TRANSFER_FAILED', 'this transfer was given up');
        await writer.write(chunk);
        onProgress(progressOf(receiving, 'running'));
      },
      finish: async () => {
        if (this.#receiving !== receiving)
          throw new BalsaError('SNAPSHOT_TRANSFER_FAILED', 'this transfer was given up');
        try {
          const stored = await writer.commit({
            chunkCount: offer.chunkCount,
            bytes: offer.bytes,
            checksum: offer.checksum,
          });
          this.#remember(receiving.key, stored.id);
        } finally {
          // What failed its verification is of no use for a resumption.
          this.#receiving = undefined;
        }
        metrics.add('snapshotsReceived');
        onProgress(progressOf(receiving, 'done'));
        onStored(message);
      },
      abort: async (cause) => {
        if (this.#receiving !== receiving) return;
        receiving.active = false;
        metrics.add('snapshotsFailed');
        onProgress({
          ...progressOf(receiving, 'failed'),
          reason: cause instanceof Error ? cause.message : String(cause),
        });
        await Promise.resolve();
      },
    };
  }

  #remember(key: string, id: SnapshotId): void {
    this.#stored.set(key, id);
    const oldest = this.#stored.keys().next();
    if (this.#stored.size > maxStored && oldest.done !== true) this.#stored.delete(oldest.value);
  }
}

function keyOf(snapshot: Snapshot): string {
  const { checksum, bytes } = decodeDescription(snapshot.data);
  return `${String(snapshot.metadata.index)}:${String(snapshot.metadata.term)}:${String(checksum)}:${String(bytes)}`;
}

function checkOffer(snapshot: Snapshot, offer: Offer): void {
  const told = decodeDescription(snapshot.data);
  const same =
    told.chunkCount === offer.chunkCount &&
    told.bytes === offer.bytes &&
    told.checksum === offer.checksum &&
    snapshot.metadata.index === offer.metadata.index &&
    snapshot.metadata.term === offer.metadata.term;
  if (!same)
    throw new BalsaError('STORE_SNAPSHOT_INVALID', 'the message and the offer describe different snapshots');
}

function progressOf(receiving: Receiving, state: SnapshotProgress['state']): SnapshotProgress {
  return {
    phase: 'receiving',
    peer: receiving.from,
    index: receiving.offer.metadata.index,
    chunks: receiving.writer.chunkCount,
    totalChunks: receiving.offer.chunkCount,
    state,
  };
}
