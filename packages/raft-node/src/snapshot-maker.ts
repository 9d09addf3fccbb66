/** Makes snapshots of the state machine and finds stored ones. One is made at a time, shared by all who need it. */
import {
  BalsaError,
  maxChunkBytes,
  toBalsaError,
  type ConfState,
  type Env,
  type LogIndex,
  type NodeId,
  type SnapshotWriter,
  type StateMachine,
  type Storage,
  type StoredSnapshot,
} from '@balsa/raft-core';
import { isBytes, notBytes } from './bytes.ts';
import type { AppliedHistory } from './history.ts';
import type { MetricsRecorder } from './metrics.ts';
import { nextTurn } from './next-turn.ts';
import type { SnapshotProgress } from './status.ts';

export interface SnapshotMakerOptions {
  readonly id: NodeId;
  readonly storage: Storage;
  readonly stateMachine: StateMachine;
  readonly env: Env;
  readonly metrics: MetricsRecorder;
  readonly history: AppliedHistory;
  readonly firstIndex: () => LogIndex;
  readonly onProgress: (progress: SnapshotProgress) => void;
}

export class SnapshotMaker {
  readonly #options: SnapshotMakerOptions;
  #making: Promise<StoredSnapshot> | undefined;
  #makingIndex: LogIndex | undefined;
  #progress: SnapshotProgress | undefined;
  #closed = false;

  constructor(options: SnapshotMakerOptions) {
    this.#options = options;
  }

  /** Index of the snapshot that is being made: the log has to go on from there when it is done. */
  get makingIndex(): LogIndex | undefined {
    return this.#makingIndex;
  }

  get progress(): SnapshotProgress | undefined {
    return this.#progress;
  }

  /** A stored snapshot from which the log of this node goes on, at or above `minIndex`; the newest. */
  async find(minIndex: LogIndex): Promise<StoredSnapshot | undefined> {
    const { storage, firstIndex, history } = this.#options;
    const stored = await storage.listSnapshots();
    const least = Math.max(minIndex, firstIndex() - 1);
    // One that was received and never installed may lie above what this node knows to be committed.
    return stored.find(({ metadata }) => metadata.index >= least && metadata.index <= history.applied);
  }

  /**
   * For `peer`. A snapshot from before it became a member is no use to it: a node ignores one whose
   * membership it is not in.
   */
  async findOrMake(minIndex: LogIndex, peer: NodeId): Promise<StoredSnapshot> {
    const stored = await this.find(minIndex);
    if (stored !== undefined && isMember(stored.metadata.confState, peer)) return stored;
    const made = await this.make();
    // The one that was being made may have begun before; the next one has not.
    return isMember(made.metadata.confState, peer) ? made : this.make();
  }

  /** Of the present state. Resolves when it is stored, durably. */
  make(): Promise<StoredSnapshot> {
    this.#making ??= this.#make().finally(() => {
      this.#making = undefined;
      this.#makingIndex = undefined;
      this.#progress = undefined;
    });
    return this.#making;
  }

  /** Aborts what is being made. Never rejects. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#making?.catch(() => undefined);
  }

  async #make(): Promise<StoredSnapshot> {
    const { stateMachine, storage, history, metrics } = this.#options;
    const view = await stateMachine.snapshot();
    this.#makingIndex = view.appliedIndex;
    let writer: SnapshotWriter | undefined;
    try {
      const metadata = history.metadata(view.appliedIndex);
      if (metadata === undefined) {
        throw new BalsaError(
          'STORE_SNAPSHOT_ABORTED',
          `the membership at index ${String(view.appliedIndex)} is not known again yet`,
        );
      }
      writer = await storage.createSnapshot(metadata);
      for await (const chunk of view.chunks()) {
        if (!isBytes(chunk)) throw new TypeError(notBytes(chunk, 'a chunk'));
        for (let at = 0; at < chunk.length || at === 0; at += maxChunkBytes) {
          await writer.write(chunk.subarray(at, at + maxChunkBytes));
          this.#report(metadata.index, writer.chunkCount, 'running');
          // So that appends and heartbeats go on between two chunks.
          await nextTurn(this.#options.env);
          if (this.#closed) throw new BalsaError('STOPPED', 'the node stopped while it made a snapshot');
        }
      }
      const stored = await writer.commit();
      metrics.add('snapshotsCreated');
      this.#report(metadata.index, stored.chunkCount, 'done');
      return stored;
    } catch (error) {
      metrics.add('snapshotsFailed');
      this.#report(view.appliedIndex, writer?.chunkCount ?? 0, 'failed', String(error));
      await writer?.abort().catch(() => undefined);
      // The store's own errors have codes.
      throw toBalsaError(
        error,
        'STATE_MACHINE_FAILED',
        `the state machine could not be written out as a snapshot: ${String(error)}`,
      );
    } finally {
      await view.release();
    }
  }

  #report(index: LogIndex, chunks: number, state: SnapshotProgress['state'], reason?: string): void {
    const { id, onProgress } = this.#options;
    this.#progress = {
      phase: 'creating',
      peer: id,
      index,
      chunks,
      totalChunks: 0,
      state,
      ...(reason !== undefined && { reason }),
    };
    onProgress(this.#progress);
  }
}

function isMember({ voters, votersOutgoing, learners, learnersNext }: ConfState, id: NodeId): boolean {
  return [voters, votersOutgoing, learners, learnersNext].some((ids) => ids.includes(id));
}
