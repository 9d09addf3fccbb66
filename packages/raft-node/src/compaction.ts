/**
 * When the log is shortened, and to where.
 *
 * Order, always: the state at index i is durable (a stored snapshot, or `sync()` >= i) and its conf state
 * recorded; then entries up to at most i go; then old snapshots. A running transfer and recently active
 * followers hold the log back within a byte budget; a dead follower never does.
 */
import {
  isBalsaError,
  LogLevel,
  ProgressState,
  StateType,
  type Env,
  type LogIndex,
  type NodeId,
  type PeerProgress,
  type RaftCore,
  type StateMachine,
  type Storage,
  type StorageStats,
} from '@balsa/raft-core';
import type { AppendQueue } from './append-queue.ts';
import type { AppliedHistory } from './history.ts';
import type { MetricsRecorder } from './metrics.ts';
import type { CompactionOptions } from './options.ts';
import type { SnapshotMaker } from './snapshot-maker.ts';

export interface CompactorOptions {
  readonly settings: CompactionOptions;
  readonly storage: Storage;
  readonly stateMachine: StateMachine;
  readonly env: Env;
  readonly metrics: MetricsRecorder;
  readonly core: RaftCore;
  readonly queue: AppendQueue;
  readonly history: AppliedHistory;
  readonly maker: SnapshotMaker;
  /** No entry above it may go: transfers under way need what follows. Infinity when there is none. */
  readonly pinned: () => LogIndex;
  /** A peer that was not heard of for so many milliseconds holds nothing back. More than one election timeout. */
  readonly activeMs: number;
  /** Since when no stored snapshot was of use, in the time of Env. */
  readonly idleSince: () => number;
  readonly firstIndex: LogIndex;
  readonly onCompacted: (index: LogIndex) => void;
  readonly onError: (error: unknown) => void;
}

const noStats: StorageStats = {
  entryCount: 0,
  logBytes: 0,
  snapshotCount: 0,
  snapshotBytes: 0,
  garbageBytes: 0,
  lastSyncMs: 0,
  writeCount: 0,
};

export class Compactor {
  readonly #options: CompactorOptions;
  #firstIndex: LogIndex;
  #stats: StorageStats = noStats;
  #entries = 0;
  #bytes = 0;
  #maintainedAt: number;
  /** Applied index of a persistent state machine when it was last asked to be durable. */
  #syncedIndex: LogIndex = 0;
  /** When each peer was last known to be active; empty unless leading. */
  readonly #activeAt = new Map<NodeId, number>();
  #running: Promise<void> | undefined;
  #closed = false;

  constructor(options: CompactorOptions) {
    this.#options = options;
    this.#firstIndex = options.firstIndex;
    this.#maintainedAt = options.env.now();
  }

  get firstIndex(): LogIndex {
    return this.#firstIndex;
  }

  /** As of the last look. */
  get stats(): StorageStats {
    return this.#stats;
  }

  onApplied(entries: number, bytes: number): void {
    const { checkEveryEntries, checkEveryBytes } = this.#options.settings;
    this.#entries += entries;
    this.#bytes += bytes;
    if (this.#entries < checkEveryEntries && this.#bytes < checkEveryBytes) return;
    this.#start(() => this.#compact());
  }

  /** A snapshot became the base of the log. */
  onInstalled(index: LogIndex): void {
    this.#firstIndex = Math.max(this.#firstIndex, index + 1);
    this.#start(() => this.#prune());
  }

  /** Housekeeping in slices, between other work. */
  tick(): void {
    this.#noteActive();
    const now = this.#options.env.now();
    if (now - this.#maintainedAt < this.#options.settings.maintainEveryMs) return;
    this.#maintainedAt = now;
    this.#start(async () => {
      await this.#pruneIdle();
      await this.#options.storage.maintain();
      this.#stats = await this.#options.storage.stats();
    });
  }

  /** Lets what is under way finish. Never rejects. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#running;
  }

  #start(work: () => Promise<void>): void {
    if (this.#closed || this.#running !== undefined) return;
    this.#running = this.#run(work);
  }

  async #run(work: () => Promise<void>): Promise<void> {
    try {
      await Promise.resolve();
      await work();
    } catch (error) {
      if (!this.#isClosed()) this.#onFailure(error);
    } finally {
      this.#running = undefined;
    }
  }

  /** What could not be done now is tried again later, unless the store itself is lost. */
  #onFailure(error: unknown): void {
    const { env, onError } = this.#options;
    if (isBalsaError(error, 'STORE_SNAPSHOT_ABORTED') || isBalsaError(error, 'STOPPED')) {
      env.log.log(LogLevel.Warn, `compaction is put off: ${error.message}`, { error });
      return;
    }
    onError(error);
  }

  /** Asked again after an await. */
  #isClosed(): boolean {
    return this.#closed;
  }

  async #compact(): Promise<void> {
    const { storage, history, core, queue, settings, onCompacted, metrics } = this.#options;
    this.#entries = 0;
    this.#bytes = 0;
    this.#stats = await storage.stats();
    const target = this.#target();
    // Small steps cost as much as large ones.
    if (target - this.#firstIndex + 1 < Math.max(1, Math.floor(settings.checkEveryEntries / 2))) return;
    const durable = await this.#durableState(target);
    if (queue.durableCommit < Math.min(target, durable)) await queue.flush();
    const index = Math.min(
      target,
      durable,
      queue.durableCommit,
      core.applied,
      history.applied,
      this.#needed(),
    );
    if (this.#closed || index < this.#firstIndex) return;
    await storage.compactTo(index);
    // A snapshot may have been installed meanwhile.
    this.#firstIndex = Math.max(this.#firstIndex, index + 1);
    metrics.add('compactions');
    onCompacted(index);
    await this.#prune();
    this.#stats = await storage.stats();
  }

  /**
   * A received snapshot that was never installed may be the newest and of no use, so it does not count
   * among those kept.
   */
  async #prune(): Promise<void> {
    const { storage, settings, history } = this.#options;
    const stored = await storage.listSnapshots();
    const first = stored.findIndex(({ metadata }) => metadata.index <= history.applied);
    if (first >= 0) await storage.pruneSnapshots(first + settings.snapshotsKept);
  }

  /** A state machine on disk needs none for itself, and whoever needs one later gets it made. */
  async #pruneIdle(): Promise<void> {
    const { storage, settings, history, stateMachine, env, idleSince } = this.#options;
    if (!stateMachine.persistent || env.now() - idleSince() < settings.snapshotIdleMs) return;
    const stored = await storage.listSnapshots();
    // One above is being received or installed.
    if (stored.length > 0 && stored.every(({ metadata }) => metadata.index <= history.applied))
      await storage.pruneSnapshots(0);
  }

  /** Up to which index the state is durable, after making it so as far as `target` needs. */
  async #durableState(target: LogIndex): Promise<LogIndex> {
    const { stateMachine, storage, history, maker } = this.#options;
    if (stateMachine.persistent) {
      // What was made durable for one compaction is enough for the next ones, until they catch up with it.
      if (this.#syncedIndex < target) this.#syncedIndex = await stateMachine.sync();
      return this.#syncedIndex;
    }
    const stored = (await storage.listSnapshots()).find(({ metadata }) => metadata.index <= history.applied);
    if (stored !== undefined && stored.metadata.index >= target) return stored.metadata.index;
    return (await maker.make()).metadata.index;
  }

  #target(): LogIndex {
    const { settings, history } = this.#options;
    const keep = Math.min(settings.keepEntries, Math.floor(settings.keepBytes / this.#entryBytes));
    return Math.min(history.applied - keep, this.#needed());
  }

  /**
   * The progress of the other members, after a look at which of them are active. The core's own mark is
   * taken away once an election timeout, until the next answer: a moment too short to let go of the log.
   */
  #noteActive(): readonly PeerProgress[] {
    const { core, env, activeMs } = this.#options;
    const status = core.state === StateType.Leader ? core.status() : undefined;
    const peers = status?.progress.filter((peer) => peer.id !== status.id) ?? [];
    const now = env.now();
    for (const peer of peers) if (peer.recentActive) this.#activeAt.set(peer.id, now);
    for (const [id, at] of this.#activeAt) {
      if (now - at > activeMs || !peers.some((peer) => peer.id === id)) this.#activeAt.delete(id);
    }
    return peers;
  }

  /** Mean, of what is in the log. */
  get #entryBytes(): number {
    const { entryCount, logBytes } = this.#stats;
    return Math.max(1, logBytes / Math.max(1, entryCount));
  }

  /** Nothing above it may go: transfers under way and recently active followers need what follows, within `maxLogBytes`. */
  #needed(): LogIndex {
    const { settings, core, pinned } = this.#options;
    let least = pinned();
    const progress = this.#noteActive();
    for (const peer of progress) {
      if (this.#activeAt.has(peer.id)) least = Math.min(least, neededBy(peer));
    }
    return Math.max(least, core.lastIndex - Math.floor(settings.maxLogBytes / this.#entryBytes));
  }
}

/**
 * What a peer goes on from. One that gets, or has just got, a snapshot goes on from that, also while it
 * restores it and has acknowledged nothing yet; else it would need another snapshot as soon as it is done.
 */
function neededBy({ state, pendingSnapshot, match, next }: PeerProgress): LogIndex {
  if (state === ProgressState.Snapshot) return pendingSnapshot;
  return match > 0 ? match : next - 1;
}
