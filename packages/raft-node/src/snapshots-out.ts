/** Snapshots that this node sends: a bounded number at a time, each watched, each reported to the core whatever happens. */
import {
  BalsaError,
  LogLevel,
  type Env,
  type LogIndex,
  type Message,
  type NodeId,
  type SnapshotReader,
  type SnapshotTransfer,
  type Storage,
  type Transport,
} from '@balsa/raft-core';
import type { MetricsRecorder } from './metrics.ts';
import { decodeDescription } from './snapshot-description.ts';
import { nextTurn } from './next-turn.ts';
import type { SnapshotProgress } from './status.ts';

export interface SnapshotsOutOptions {
  readonly group: string;
  readonly storage: Storage;
  readonly transport: Transport;
  readonly env: Env;
  readonly metrics: MetricsRecorder;
  readonly maxSending: number;
  readonly stallMs: number;
  readonly report: (peer: NodeId, ok: boolean) => void;
  readonly onProgress: (progress: SnapshotProgress) => void;
}

interface Sending {
  readonly message: Message;
  readonly index: LogIndex;
  totalChunks: number;
  transfer: SnapshotTransfer | undefined;
  /** Chunks acknowledged at the last look, and when that number last grew. */
  seen: number;
  movedAt: number;
  cancelled: string | undefined;
}

export class SnapshotsOut {
  readonly #options: SnapshotsOutOptions;
  readonly #sending = new Map<NodeId, Sending>();
  #queue: Message[] = [];
  #usedAt: number;
  readonly #tasks = new Set<Promise<void>>();
  #closed = false;

  constructor(options: SnapshotsOutOptions) {
    this.#options = options;
    this.#usedAt = options.env.now();
  }

  /** Since when nothing was sent or waited to be, in the time of Env; now while there is something. */
  get idleSince(): number {
    return this.#sending.size + this.#queue.length > 0 ? this.#options.env.now() : this.#usedAt;
  }

  /** The lowest index that a transfer needs the log to go on from. */
  get pinnedIndex(): LogIndex {
    let least = Infinity;
    for (const sending of this.#sending.values()) least = Math.min(least, sending.index);
    for (const message of this.#queue) least = Math.min(least, message.snapshot?.metadata.index ?? Infinity);
    return least;
  }

  get progress(): SnapshotProgress[] {
    return [...this.#sending.values()].map((sending) => progressOf(sending, 'running'));
  }

  /** Takes a MsgSnap of the core, which hears how it ended. An older one to the same peer is given up for it, and this one's end reported instead. */
  send(message: Message): void {
    if (this.#closed) return;
    this.#cancel(message.to, 'a newer snapshot is to be sent');
    this.#queue = this.#queue.filter((waiting) => waiting.to !== message.to);
    this.#queue.push(message);
    this.#next();
  }

  /** Gives up transfers that do not move on. */
  tick(): void {
    const now = this.#options.env.now();
    for (const sending of this.#sending.values()) {
      const chunks = sending.transfer?.sentChunks ?? 0;
      if (chunks > sending.seen) {
        sending.seen = chunks;
        sending.movedAt = now;
        this.#options.onProgress(progressOf(sending, 'running'));
      } else if (now - sending.movedAt > this.#options.stallMs) {
        this.#cancel(sending.message.to, `no progress for ${String(this.#options.stallMs)} ms`);
      }
    }
  }

  /** A node that no longer leads has nobody to send to. */
  abortAll(reason: string): void {
    this.#queue = [];
    for (const peer of [...this.#sending.keys()]) this.#cancel(peer, reason);
  }

  /** Never rejects. */
  async close(): Promise<void> {
    this.#closed = true;
    this.abortAll('the node stops');
    await Promise.all(this.#tasks);
  }

  #next(): void {
    while (this.#sending.size < this.#options.maxSending) {
      const i = this.#queue.findIndex((message) => !this.#sending.has(message.to));
      const [message] = i < 0 ? [] : this.#queue.splice(i, 1);
      if (message === undefined) return;
      const sending: Sending = {
        message,
        index: message.snapshot?.metadata.index ?? 0,
        totalChunks: 0,
        transfer: undefined,
        seen: 0,
        movedAt: this.#options.env.now(),
        cancelled: undefined,
      };
      this.#sending.set(message.to, sending);
      const task = this.#run(sending).finally(() => this.#tasks.delete(task));
      this.#tasks.add(task);
    }
  }

  async #run(sending: Sending): Promise<void> {
    const { metrics, env, report, onProgress } = this.#options;
    const peer = sending.message.to;
    let ok = false;
    try {
      await this.#transfer(sending);
      ok = true;
      metrics.add('snapshotsSent');
      onProgress(progressOf(sending, 'done'));
    } catch (error) {
      metrics.add('snapshotsFailed');
      const reason = error instanceof Error ? error.message : String(error);
      env.log.log(
        LogLevel.Warn,
        `the snapshot at index ${String(sending.index)} did not reach node ${String(peer)}: ${reason}`,
        { error },
      );
      onProgress({ ...progressOf(sending, 'failed'), reason });
    }
    this.#sending.delete(peer);
    this.#usedAt = env.now();
    if (this.#closed) return;
    // The core waits for the newer one now: the failure of the older would end that wait.
    if (!this.#queue.some((message) => message.to === peer)) report(peer, ok);
    this.#next();
  }

  async #transfer(sending: Sending): Promise<void> {
    const { group, storage, transport, env } = this.#options;
    const snapshot = sending.message.snapshot;
    if (snapshot === undefined) throw new BalsaError('INVALID_ARGUMENT', 'a MsgSnap without a snapshot');
    const { id, chunkCount, bytes, checksum } = decodeDescription(snapshot.data);
    sending.totalChunks = chunkCount;
    const reader: SnapshotReader = await storage.openSnapshot(id);
    try {
      if (sending.cancelled !== undefined)
        throw new BalsaError('SNAPSHOT_TRANSFER_FAILED', sending.cancelled);
      const chunk = async (n: number): Promise<Uint8Array> => {
        await nextTurn(env);
        return await reader.chunk(n);
      };
      const source = { metadata: snapshot.metadata, chunkCount, bytes, checksum, chunk };
      sending.transfer = transport.sendSnapshot(group, sending.message, source);
      await sending.transfer.done;
      sending.seen = chunkCount;
    } finally {
      await reader.close();
    }
  }

  #cancel(peer: NodeId, reason: string): void {
    const sending = this.#sending.get(peer);
    if (sending === undefined || sending.cancelled !== undefined) return;
    sending.cancelled = reason;
    sending.transfer?.abort(reason);
  }
}

function progressOf(sending: Sending, state: SnapshotProgress['state']): SnapshotProgress {
  return {
    phase: 'sending',
    peer: sending.message.to,
    index: sending.index,
    chunks: sending.transfer?.sentChunks ?? 0,
    totalChunks: sending.totalChunks,
    state,
  };
}
