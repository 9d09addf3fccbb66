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
  /** Whether this node has all that it covers. */
  readonly holds: (message: Message) => boolean;
  /** Then its sender must hear of it, or sends it for ever: the answer to an earlier one may have been lost. */
  readonly onHeld: (message: Message) => void;
  /** All of it is stored: the core may know. */
  readonly onStored: (message: Message) => void;
  readonly onProgress: (progress: SnapshotProgress) => void;
}

type Offer = Omit<SnapshotSource, 'chunk'>;

interface Receiving {
  readonly key: string;
  readonly from: NodeId;
  readonly offer: Offer;
  /** Undefined until the store has begun it, which may take a while. */
  writer: SnapshotWriter | undefined;
  /** Whether a transfer holds it now; else it waits to be resumed. */
  active: boolean;
  /** Its writer failed once (a full disk) and takes nothing more: it is of no use for a resumption. */
  broken: boolean;
}

/** One whose writer is there. */
interface Begun {
  readonly receiving: Receiving;
  readonly writer: SnapshotWriter;
}

/** Stored snapshots that the core has not installed yet, remembered at most. */
const maxStored = 8;

export class SnapshotsIn {
  readonly #options: SnapshotsInOptions;
  readonly #stored = new Map<string, SnapshotId>();
  #receiving: Receiving | undefined;
  /** Never rejects. Settles when no beginning is under way. */
  #beginning: Promise<unknown> = Promise.resolve();
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
    if (!this.#closed && this.#options.holds(message)) this.#options.onHeld(message);
    if (snapshot === undefined || refusal !== undefined)
      throw new BalsaError('SNAPSHOT_TRANSFER_FAILED', `not wanted: ${String(refusal)}`);
    checkOffer(snapshot, offer);
    return this.#sink(await this.#begin(from, keyOf(snapshot), offer), message);
  }

  /** Never rejects. */
  async close(): Promise<void> {
    this.#closed = true;
    const receiving = this.#receiving;
    this.#receiving = undefined;
    // What is being begun is given up by who began it.
    await this.#beginning;
    await receiving?.writer?.abort().catch(() => undefined);
  }

  async #begin(from: NodeId, key: string, offer: Offer): Promise<Begun> {
    const present = this.#receiving;
    if (present?.active === true)
      throw new BalsaError(
        'OVERLOADED',
        `a snapshot from node ${String(present.from)} is being received already`,
      );
    if (present?.writer !== undefined && present.key === key && !present.broken) {
      present.active = true;
      return { receiving: present, writer: present.writer };
    }
    // The place is taken before anything is awaited: two offers must not both begin.
    const receiving: Receiving = { key, from, offer, active: true, broken: false, writer: undefined };
    this.#receiving = receiving;
    const opening = this.#openWriter(present, offer);
    this.#beginning = opening.catch(() => undefined);
    try {
      const writer = await opening;
      receiving.writer = writer;
      return { receiving, writer };
    } catch (error) {
      if (this.#receiving === receiving) this.#receiving = undefined;
      throw error;
    }
  }

  async #openWriter(before: Receiving | undefined, offer: Offer): Promise<SnapshotWriter> {
    await before?.writer?.abort();
    const writer = await this.#options.storage.receiveSnapshot(offer.metadata);
    if (!this.#closed) return writer;
    await writer.abort();
    throw new BalsaError('SNAPSHOT_TRANSFER_FAILED', 'not wanted: the node stops');
  }

  #sink({ receiving, writer }: Begun, message: Message): SnapshotSink {
    const { onProgress, onStored, metrics } = this.#options;
    const { offer } = receiving;
    onProgress(progressOf(receiving, 'running'));
    return {
      nextChunk: writer.chunkCount,
      write: async (chunk) => {
        if (this.#receiving !== receiving)
          throw new BalsaError('SNAPSHOT_TRANSFER_FAILED', 'this transfer was given up');
        try {
          await writer.write(chunk);
        } catch (error) {
          receiving.broken = true;
          throw error;
        }
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
    chunks: receiving.writer?.chunkCount ?? 0,
    totalChunks: receiving.offer.chunkCount,
    state,
  };
}
