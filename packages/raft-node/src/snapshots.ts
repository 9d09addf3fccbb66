/** Everything about snapshots of one node: making, sending, receiving and restoring them. */
import type {
  Env,
  LogIndex,
  Message,
  NodeId,
  RaftCore,
  SnapshotMetadata,
  StateMachine,
  Storage,
  Transport,
} from '@balsa/raft-core';
import type { AddressBook } from './address-book.ts';
import type { AppliedHistory } from './history.ts';
import { Installer } from './installer.ts';
import type { MetricsRecorder } from './metrics.ts';
import type { NodeSettings } from './options.ts';
import { SnapshotMaker } from './snapshot-maker.ts';
import { SnapshotsIn } from './snapshots-in.ts';
import { SnapshotsOut } from './snapshots-out.ts';
import type { SnapshotProgress } from './status.ts';

export interface SnapshotsOptions {
  readonly settings: NodeSettings;
  readonly core: RaftCore;
  readonly storage: Storage;
  readonly stateMachine: StateMachine;
  readonly transport: Transport;
  readonly env: Env;
  readonly metrics: MetricsRecorder;
  readonly history: AppliedHistory;
  readonly book: AddressBook;
  readonly firstIndex: () => LogIndex;
  readonly onProgress: (progress: SnapshotProgress) => void;
  /** A snapshot was sent whole, or was not. */
  readonly report: (peer: NodeId, ok: boolean) => void;
  /** All of a received snapshot is stored: the core may know. */
  readonly onStored: (message: Message) => void;
  /** The state machine holds a received snapshot, durably. */
  readonly onInstalled: (metadata: SnapshotMetadata) => void;
}

export class Snapshots {
  readonly maker: SnapshotMaker;
  readonly out: SnapshotsOut;
  readonly incoming: SnapshotsIn;
  readonly installer: Installer;

  constructor(options: SnapshotsOptions) {
    const { settings, onStored } = options;
    this.maker = new SnapshotMaker({ ...options, id: settings.id });
    this.out = new SnapshotsOut({
      ...options,
      group: settings.group,
      maxSending: settings.limits.maxSnapshotsSending,
      stallMs: settings.limits.snapshotStallMs,
    });
    this.installer = new Installer({ ...options, id: settings.id });
    this.incoming = new SnapshotsIn({
      ...options,
      onStored,
      refusal: (message) => this.installer.refusal(message),
      holds: (message) => this.installer.holds(message),
      // The core ignores it, and tells the sender what it has.
      onHeld: onStored,
    });
  }

  /** What is on its way now. */
  get progress(): SnapshotProgress[] {
    const one = [this.maker.progress, this.incoming.progress, this.installer.restoring];
    return [...one.filter((progress) => progress !== undefined), ...this.out.progress];
  }

  /** Entries above it are still needed by what is being made or sent; Infinity when there is nothing. */
  get pinnedIndex(): LogIndex {
    return Math.min(this.out.pinnedIndex, this.maker.makingIndex ?? Infinity);
  }

  /** Since when no stored snapshot was of use, in the time of Env; Infinity while one is. */
  get idleSince(): number {
    const isBusy = this.maker.makingIndex !== undefined || this.installer.restoring !== undefined;
    return isBusy ? Infinity : this.out.idleSince;
  }

  /** Never rejects. */
  async close(): Promise<void> {
    await Promise.all([this.incoming.close(), this.out.close(), this.maker.close()]);
  }
}
