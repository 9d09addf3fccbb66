/** All that a leader or candidate knows about the members: configuration, progress, votes. */
import { JointConfig } from '../quorum/joint.ts';
import { formatIds, sortedIds, type AckedIndexer } from '../quorum/majority.ts';
import { VoteResult } from '../quorum/vote-result.ts';
import type { ConfState, LogIndex, NodeId } from '../types.ts';
import type { Progress } from './progress.ts';

/**
 * A membership in working form. Immutable: a change makes a new one.
 * `learners` and voters are disjoint. `learnersNext` are voters of the outgoing half that become learners
 * when the joint configuration is left: until then they must still vote in it (thesis §4.3).
 */
export interface TrackerConfig {
  readonly voters: JointConfig;
  readonly learners: ReadonlySet<NodeId>;
  readonly learnersNext: ReadonlySet<NodeId>;
  /** Whether the leader leaves the joint configuration by itself. */
  readonly autoLeave: boolean;
}

const noIds: ReadonlySet<NodeId> = new Set<NodeId>();

export const EmptyTrackerConfig: TrackerConfig = Object.freeze({
  voters: new JointConfig(),
  learners: noIds,
  learnersNext: noIds,
  autoLeave: false,
});

/** `voters=(1 2)&&(1 3) learners=(4) learners_next=(3) autoleave`, in etcd's words. */
export function formatTrackerConfig(config: TrackerConfig): string {
  let text = `voters=${String(config.voters)}`;
  if (config.learners.size > 0) text += ` learners=${formatIds(sortedIds(config.learners))}`;
  if (config.learnersNext.size > 0) text += ` learners_next=${formatIds(sortedIds(config.learnersNext))}`;
  if (config.autoLeave) text += ' autoleave';
  return text;
}

/** One line for each member, in order of id, each ended by a newline. */
export function formatProgressMap(progress: ReadonlyMap<NodeId, Progress>): string {
  return sortedIds(progress.keys())
    .map((id) => `${String(id)}: ${String(progress.get(id))}\n`)
    .join('');
}

/** How many votes of each kind there are, and what they amount to. */
export interface Tally {
  readonly granted: number;
  readonly rejected: number;
  readonly result: VoteResult;
}

export interface ProgressTrackerOptions {
  /** Appends in flight to one member. */
  readonly maxInflight: number;
  /** Bytes in flight to one member; 0 means no limit. */
  readonly maxInflightBytes: number;
}

const fewMembers = 8;

export class ProgressTracker {
  config: TrackerConfig = EmptyTrackerConfig;
  readonly votes: Map<NodeId, boolean> = new Map();
  readonly maxInflight: number;
  readonly maxInflightBytes: number;
  #progress: ReadonlyMap<NodeId, Progress> = new Map();
  /** The members in order of id, so that `visit` neither sorts nor allocates. */
  #ids: readonly NodeId[] = [];
  #ordered: readonly Progress[] = [];
  readonly #matchOf: AckedIndexer = (id) => this.of(id)?.match;

  constructor(options: ProgressTrackerOptions) {
    this.maxInflight = options.maxInflight;
    this.maxInflightBytes = options.maxInflightBytes;
  }

  get progress(): ReadonlyMap<NodeId, Progress> {
    return this.#progress;
  }

  /** Replaces the members, as a membership change does; the map must not change afterwards. */
  set progress(progress: ReadonlyMap<NodeId, Progress>) {
    const pairs = [...progress].sort((a, b) => a[0] - b[0]);
    this.#progress = progress;
    this.#ids = pairs.map(([id]) => id);
    this.#ordered = pairs.map(([, pr]) => pr);
  }

  /** The progress of one member, on hot paths: to look along a few ids is faster than to hash one. */
  of(id: NodeId): Progress | undefined {
    const ids = this.#ids;
    if (ids.length > fewMembers) return this.#progress.get(id);
    for (let i = 0; i < ids.length; i++) if (ids[i] === id) return this.#ordered[i];
    return undefined;
  }

  /** All members in order of id. A change of membership leaves this array as it is, and makes another. */
  get ids(): readonly NodeId[] {
    return this.#ids;
  }

  /** The membership as plain data. */
  confState(): ConfState {
    const { voters, learners, learnersNext, autoLeave } = this.config;
    return {
      voters: voters.incoming.ids,
      votersOutgoing: voters.outgoing.ids,
      learners: sortedIds(learners),
      learnersNext: sortedIds(learnersNext),
      autoLeave,
    };
  }

  /** Whether one voter decides alone. */
  isSingleton(): boolean {
    return this.config.voters.incoming.size === 1 && this.config.voters.outgoing.size === 0;
  }

  /** The highest index that a quorum has, as far as is known. */
  committed(): LogIndex {
    return this.config.voters.committedIndex(this.#matchOf);
  }

  /** Calls `fn` for every member in order of id: the order in which messages are made is part of the behaviour. */
  visit(fn: (id: NodeId, progress: Progress) => void): void {
    // A change made by `fn` takes effect at the next visit.
    const ids = this.#ids;
    const ordered = this.#ordered;
    for (let i = 0; i < ordered.length; i++) {
      const progress = ordered[i];
      if (progress !== undefined) fn(ids[i] ?? 0, progress);
    }
  }

  /** Whether a quorum of voters was heard of lately (thesis §6.2). */
  quorumActive(): boolean {
    const active = new Map<NodeId, boolean>();
    this.visit((id, progress) => {
      if (!progress.isLearner) active.set(id, progress.recentActive);
    });
    return this.config.voters.voteResult(active) === VoteResult.VoteWon;
  }

  /** Ascending. */
  voterNodes(): readonly NodeId[] {
    return this.config.voters.ids();
  }

  /** Ascending. Without those that become learners only when the joint configuration is left. */
  learnerNodes(): readonly NodeId[] {
    return sortedIds(this.config.learners);
  }

  /** Before a new election. */
  resetVotes(): void {
    this.votes.clear();
  }

  /** The first answer of a member counts, a repeated one does not. */
  recordVote(id: NodeId, granted: boolean): void {
    if (!this.votes.has(id)) this.votes.set(id, granted);
  }

  /** Only voters of the present configuration are counted, whoever answered. */
  tallyVotes(): Tally {
    let granted = 0;
    let rejected = 0;
    this.visit((id, progress) => {
      if (progress.isLearner) return;
      const vote = this.votes.get(id);
      if (vote === true) granted++;
      else if (vote === false) rejected++;
    });
    return { granted, rejected, result: this.config.voters.voteResult(this.votes) };
  }
}
