/** Which member belongs to which group, where group commit is on (see `quorum/group-commit.ts`). */
import { BalsaError } from './errors.ts';
import { assertSafeInteger } from './invariants.ts';
import { groupCommitted, type GroupCommitted } from './quorum/group-commit.ts';
import type { ProgressTracker } from './tracker/tracker.ts';
import type { NodeId } from './types.ts';

/** Assignments outlive changes of role and membership, so a member may be assigned before it joins. At most `maxGroupMembers`. */
export class CommitGroups {
  enabled = false;
  readonly #groups: Map<NodeId, number> = new Map();

  /** Throws `OUT_OF_RANGE` for a group below 1, `INVALID_ARGUMENT` beyond `maxGroupMembers`; nothing is assigned then. */
  assign(pairs: Iterable<readonly [NodeId, number]>): void {
    const all = [...pairs];
    for (const [id, group] of all) {
      assertSafeInteger(id, 'id', 1);
      assertSafeInteger(group, 'group', 1);
    }
    const members = new Set([...this.#groups.keys(), ...all.map(([id]) => id)]);
    if (members.size > maxGroupMembers)
      throw new BalsaError('INVALID_ARGUMENT', `at most ${String(maxGroupMembers)} members can have a group`);
    for (const [id, group] of all) this.#groups.set(id, group);
  }

  clear(): void {
    this.#groups.clear();
  }

  committed(tracker: ProgressTracker): GroupCommitted {
    const { progress } = tracker;
    return groupCommitted(
      tracker.config.voters,
      (id) => progress.get(id)?.match,
      (id) => this.#groups.get(id) ?? 0,
    );
  }
}

/** Far above any membership; bounds what assignments to nodes that never join can cost. */
const maxGroupMembers = 4096;
