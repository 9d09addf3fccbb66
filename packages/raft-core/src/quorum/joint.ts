/** Decisions that need both halves of a joint configuration (thesis §4.3). */
import type { LogIndex, NodeId } from '../types.ts';
import { MajorityConfig, sortedIds, type AckedIndexer } from './majority.ts';
import { VoteResult } from './vote-result.ts';

/** Two majorities that must agree; with an empty `outgoing` it is the plain majority of `incoming`. Immutable. */
export class JointConfig {
  readonly incoming: MajorityConfig;
  readonly outgoing: MajorityConfig;
  readonly #ids: readonly NodeId[];

  constructor(
    incoming: MajorityConfig = new MajorityConfig(),
    outgoing: MajorityConfig = new MajorityConfig(),
  ) {
    this.incoming = incoming;
    this.outgoing = outgoing;
    this.#ids = outgoing.size === 0 ? incoming.ids : sortedIds([...incoming.ids, ...outgoing.ids]);
  }

  /** The members of either half, ascending. */
  ids(): readonly NodeId[] {
    return this.#ids;
  }

  /** Whether `id` votes in either half. */
  has(id: NodeId): boolean {
    return this.incoming.has(id) || this.outgoing.has(id);
  }

  /** What both halves have committed. */
  committedIndex(ackedIndex: AckedIndexer): LogIndex {
    if (this.outgoing.size === 0) return this.incoming.committedIndex(ackedIndex);
    return Math.min(this.incoming.committedIndex(ackedIndex), this.outgoing.committedIndex(ackedIndex));
  }

  /** Won when both halves are, lost as soon as one half is. */
  voteResult(votes: ReadonlyMap<NodeId, boolean>): VoteResult {
    const a = this.incoming.voteResult(votes);
    const b = this.outgoing.voteResult(votes);
    if (a === b) return a;
    return a === VoteResult.VoteLost || b === VoteResult.VoteLost
      ? VoteResult.VoteLost
      : VoteResult.VotePending;
  }

  /** `(1 2)`, or `(1 2)&&(2 3)` when joint. */
  toString(): string {
    return this.outgoing.size === 0
      ? String(this.incoming)
      : `${String(this.incoming)}&&${String(this.outgoing)}`;
  }
}
