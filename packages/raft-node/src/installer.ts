/** Brings a received snapshot from the store into the core, and from the log into the state machine. */
import {
  type Message,
  type NodeId,
  type RaftCore,
  type Snapshot,
  type SnapshotId,
  type SnapshotMetadata,
  type StateMachine,
  type Storage,
} from '@balsa/raft-core';
import type { AddressBook } from './address-book.ts';
import { chunksOf } from './recover.ts';
import { decodeDescription } from './snapshot-description.ts';
import type { SnapshotProgress } from './status.ts';

export interface InstallerOptions {
  readonly id: NodeId;
  readonly core: RaftCore;
  readonly storage: Storage;
  readonly stateMachine: StateMachine;
  readonly book: AddressBook;
  readonly onProgress: (progress: SnapshotProgress) => void;
  /** The state machine holds the snapshot, durably. */
  readonly onInstalled: (metadata: SnapshotMetadata) => void;
}

export class Installer {
  readonly #options: InstallerOptions;
  #restoring: SnapshotProgress | undefined;

  constructor(options: InstallerOptions) {
    this.#options = options;
  }

  get restoring(): SnapshotProgress | undefined {
    return this.#restoring;
  }

  /** Whether this node has all that an offered snapshot covers. */
  holds(message: Message): boolean {
    const { core } = this.#options;
    return message.term >= core.term && (message.snapshot?.metadata.index ?? Infinity) <= core.committed;
  }

  /** Why an offered snapshot is not wanted; undefined when it is. */
  refusal(message: Message): string | undefined {
    const { core } = this.#options;
    const index = message.snapshot?.metadata.index ?? 0;
    if (message.term < core.term)
      return `it is of term ${String(message.term)}, this node is in term ${String(core.term)}`;
    if (index <= core.committed)
      return `it covers index ${String(index)}, this node has ${String(core.committed)}`;
    if (this.#restoring !== undefined) return 'another snapshot is being restored';
    return undefined;
  }

  /**
   * Durable when it resolves. Before the snapshot is installed: whoever has its membership after a crash, and not where
   * its members listen, can answer none of them and elect nobody.
   */
  async recordMembers(snapshot: Snapshot): Promise<void> {
    const { members, removed } = decodeDescription(snapshot.data);
    await this.#options.book.record(members, removed);
  }

  /** Idempotent, for a crash may come at any point of it: the store keeps it pending until it is reported restored. */
  async restore(id: SnapshotId, snapshot: Snapshot): Promise<void> {
    const { storage, stateMachine, onInstalled } = this.#options;
    const { metadata } = snapshot;
    const reader = await storage.openSnapshot(id);
    const total = reader.snapshot.chunkCount;
    this.#report(metadata, 0, total, 'running');
    try {
      await stateMachine.restore(
        metadata,
        chunksOf(reader, (n) => this.#report(metadata, n, total, 'running')),
      );
      this.#report(metadata, total, total, 'done');
    } catch (error) {
      this.#report(metadata, 0, total, 'failed');
      throw error;
    } finally {
      await reader.close();
    }
    onInstalled(metadata);
  }

  #report(
    metadata: SnapshotMetadata,
    chunks: number,
    totalChunks: number,
    state: SnapshotProgress['state'],
  ): void {
    const { id, onProgress } = this.#options;
    const progress: SnapshotProgress = {
      phase: 'restoring',
      peer: id,
      index: metadata.index,
      chunks,
      totalChunks,
      state,
    };
    this.#restoring = state === 'running' ? progress : undefined;
    onProgress(progress);
  }
}
