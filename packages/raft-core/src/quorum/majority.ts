/** Decisions by a plain majority (paper §5.1). */
import type { LogIndex, NodeId } from '../types.ts';
import { VoteResult } from './vote-result.ts';

/** What a quorum without members has committed: everything. It lets an absent half of a joint quorum agree to all. */
export const CommittedInfinity: LogIndex = Number.MAX_SAFE_INTEGER;

/** How far a member is known to have the log; undefined when nothing was heard of it. */
export type AckedIndexer = (id: NodeId) => LogIndex | undefined;

/** How many of `count` members are more than half. */
export function majority(count: number): number {
  return Math.floor(count / 2) + 1;
}

const byNumber = (a: number, b: number): number => a - b;

/** Ascending, without duplicates. */
export function sortedIds(ids: Iterable<NodeId>): NodeId[] {
  return [...new Set(ids)].sort(byNumber);
}

/** Immutable set of voters. */
export class MajorityConfig {
  /** Ascending, without duplicates. */
  readonly ids: readonly NodeId[];
  readonly #members: ReadonlySet<NodeId>;
  /** Reused by `committedIndex`, which runs on every acknowledgement. */
  readonly #scratch: number[];

  constructor(ids: Iterable<NodeId> = []) {
    this.ids = sortedIds(ids);
    this.#members = new Set(this.ids);
    this.#scratch = this.ids.map(() => 0);
  }

  get size(): number {
    return this.ids.length;
  }

  has(id: NodeId): boolean {
    return this.#members.has(id);
  }

  /**
   * The highest index that a majority has (paper §5.3): with the acknowledged indexes sorted ascending,
   * the one that a majority lies at or above. `CommittedInfinity` when there are no members.
   */
  committedIndex(ackedIndex: AckedIndexer): LogIndex {
    const n = this.ids.length;
    if (n === 0) return CommittedInfinity;
    const sorted = this.#scratch;
    for (let i = 0; i < n; i++) {
      const value = ackedIndex(this.ids[i] ?? 0) ?? 0;
      let at = i;
      // Insertion sort: clusters are small, and it needs no allocation.
      for (; at > 0 && (sorted[at - 1] ?? 0) > value; at--) sorted[at] = sorted[at - 1] ?? 0;
      sorted[at] = value;
    }
    return sorted[n - majority(n)] ?? 0;
  }

  /** An election without voters is won, so that an absent half of a joint quorum never stands in the way. */
  voteResult(votes: ReadonlyMap<NodeId, boolean>): VoteResult {
    if (this.ids.length === 0) return VoteResult.VoteWon;
    let granted = 0;
    let missing = 0;
    for (const id of this.ids) {
      const vote = votes.get(id);
      if (vote === undefined) missing++;
      else if (vote) granted++;
    }
    const quorum = majority(this.ids.length);
    if (granted >= quorum) return VoteResult.VoteWon;
    return granted + missing >= quorum ? VoteResult.VotePending : VoteResult.VoteLost;
  }

  /** `(1 2 a)`: hexadecimal ids, ascending. */
  toString(): string {
    return formatIds(this.ids);
  }
}

/** `(1 2 a)`: hexadecimal ids in the order given. */
export function formatIds(ids: Iterable<NodeId>): string {
  return `(${Array.from(ids, (id) => id.toString(16)).join(' ')})`;
}
