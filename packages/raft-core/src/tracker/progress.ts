/** What a leader knows about one member, and when it may send to it (thesis §10.2.1, etcd's flow control). */
import { ProgressState } from '../core.ts';
import { invariantError } from '../invariants.ts';
import type { LogIndex } from '../types.ts';
import type { Inflights } from './inflights.ts';

export interface ProgressFields {
  readonly match?: LogIndex;
  readonly next: LogIndex;
  readonly inflights: Inflights;
  readonly isLearner?: boolean;
  readonly recentActive?: boolean;
}

const stateNames: Readonly<Record<ProgressState, string>> = {
  [ProgressState.Probe]: 'StateProbe',
  [ProgressState.Replicate]: 'StateReplicate',
  [ProgressState.Snapshot]: 'StateSnapshot',
};

/** The name, as the transcripts print it. */
export function progressStateName(state: ProgressState): string {
  return stateNames[state];
}

/**
 * One member as its leader sees it. `match < next` always.
 *
 * - Probe: where the logs agree is not known; one append at a time.
 * - Replicate: appends are pipelined, `next` runs ahead of `match` within `inflights`.
 * - Snapshot: a snapshot is under way; no appends.
 */
export class Progress {
  /** The member has the log up to here, durably. */
  match: LogIndex;
  /** The next entry to send. */
  next: LogIndex;
  /** The highest commit index that a message on its way carries: says whether an empty append would be news. */
  sentCommit: LogIndex;
  state: ProgressState;
  /** In Snapshot: the index of the snapshot under way, else 0. */
  pendingSnapshot: LogIndex;
  /** In Snapshot: ticks since it was sent, where they are counted. */
  snapshotTicks: number;
  /** raft-rs's request: the member wants a snapshot at this index or above, though it may have the log; 0 when it does not. */
  requestedSnapshot: LogIndex;
  /** The member's commit index, as far as it said; 0 unless members report it. */
  committed: LogIndex;
  /** Something was heard of the member since the last check of the quorum. */
  recentActive: boolean;
  /** No more appends until an answer comes: a probe is out, or the window is full. */
  msgAppFlowPaused: boolean;
  inflights: Inflights;
  isLearner: boolean;

  constructor(fields: ProgressFields) {
    this.match = fields.match ?? 0;
    this.next = fields.next;
    this.sentCommit = 0;
    this.state = ProgressState.Probe;
    this.pendingSnapshot = 0;
    this.snapshotTicks = 0;
    this.requestedSnapshot = 0;
    this.committed = 0;
    this.recentActive = fields.recentActive ?? false;
    this.msgAppFlowPaused = false;
    this.inflights = fields.inflights;
    this.isLearner = fields.isLearner ?? false;
  }

  /** A copy that shares the window: a membership change keeps what it knows of members that stay. */
  cloneShallow(): Progress {
    const copy = new Progress(this);
    copy.sentCommit = this.sentCommit;
    copy.state = this.state;
    copy.pendingSnapshot = this.pendingSnapshot;
    copy.snapshotTicks = this.snapshotTicks;
    copy.requestedSnapshot = this.requestedSnapshot;
    copy.committed = this.committed;
    copy.msgAppFlowPaused = this.msgAppFlowPaused;
    return copy;
  }

  /** Enters `state` with an empty window, not paused, no snapshot under way. */
  resetState(state: ProgressState): void {
    this.msgAppFlowPaused = false;
    this.pendingSnapshot = 0;
    this.snapshotTicks = 0;
    this.state = state;
    this.inflights.reset();
  }

  /** After a snapshot the probe starts behind it: the member has either taken it or needs another. */
  becomeProbe(): void {
    const pending = this.state === ProgressState.Snapshot ? this.pendingSnapshot : 0;
    // It has what it asked for, or asks again.
    if (this.state === ProgressState.Snapshot) this.requestedSnapshot = 0;
    this.resetState(ProgressState.Probe);
    this.next = Math.max(this.match + 1, pending + 1);
    this.sentCommit = Math.min(this.sentCommit, this.next - 1);
  }

  becomeReplicate(): void {
    this.resetState(ProgressState.Replicate);
    this.next = this.match + 1;
  }

  /** A snapshot at `index` was sent. It carries its own index as commit. */
  becomeSnapshot(index: LogIndex): void {
    this.resetState(ProgressState.Snapshot);
    this.pendingSnapshot = index;
    this.next = index + 1;
    this.sentCommit = index;
  }

  /** An append with `count` entries of `bytes` was sent, beginning at `next`. */
  sentEntries(count: number, bytes: number): void {
    if (this.state === ProgressState.Replicate) {
      if (count > 0) {
        this.next += count;
        this.inflights.add(this.next - 1, bytes);
      }
      // With the window full, this message doubles as a probe: the next one waits for news.
      this.msgAppFlowPaused = this.inflights.full();
    } else if (this.state === ProgressState.Probe) {
      if (count > 0) this.msgAppFlowPaused = true;
    } else {
      throw invariantError('progress: no entries are sent while a snapshot is under way');
    }
  }

  /** Whether an append with commit `index` would tell the member something that no message on its way does. */
  canBumpCommit(index: LogIndex): boolean {
    return index > this.sentCommit && this.sentCommit < this.next - 1;
  }

  sentCommitUpTo(commit: LogIndex): void {
    this.sentCommit = commit;
  }

  /** The member acknowledged up to `n`. False for an answer that is old news. */
  maybeUpdate(n: LogIndex): boolean {
    if (n <= this.match) return false;
    this.match = n;
    this.next = Math.max(this.next, n + 1);
    this.msgAppFlowPaused = false;
    return true;
  }

  /**
   * The member refused an append that followed index `rejected`, and hints that the logs may agree at
   * `matchHint`. False when the refusal is stale: the member has moved on since.
   */
  maybeDecrTo(rejected: LogIndex, matchHint: LogIndex): boolean {
    if (this.state === ProgressState.Replicate) {
      if (rejected <= this.match) return false;
      this.next = this.match + 1;
      this.sentCommit = Math.min(this.sentCommit, this.next - 1);
      return true;
    }
    // A probe has one append out, so only a refusal of exactly that one is news.
    if (this.next - 1 !== rejected) return false;
    this.next = Math.max(Math.min(rejected, matchHint + 1), this.match + 1);
    this.sentCommit = Math.min(this.sentCommit, this.next - 1);
    this.msgAppFlowPaused = false;
    return true;
  }

  /** Whether appends to the member must wait. */
  isPaused(): boolean {
    return this.state === ProgressState.Snapshot || this.msgAppFlowPaused;
  }

  /** `StateReplicate match=3 next=5 inflight=1`, in etcd's words. */
  toString(): string {
    let text = `${progressStateName(this.state)} match=${String(this.match)} next=${String(this.next)}`;
    if (this.isLearner) text += ' learner';
    if (this.isPaused()) text += ' paused';
    if (this.pendingSnapshot > 0) text += ` pendingSnap=${String(this.pendingSnapshot)}`;
    if (!this.recentActive) text += ' inactive';
    if (this.inflights.count > 0) {
      text += ` inflight=${String(this.inflights.count)}`;
      if (this.inflights.full()) text += '[full]';
    }
    return text;
  }
}
