/** Comparing the small nouns. */
import { sortedIds } from './quorum/majority.ts';
import type { ConfState, HardState, NodeId, Snapshot, SoftState } from './types.ts';

export function isEmptyHardState(hardState: HardState): boolean {
  return hardState.term === 0 && hardState.vote === 0 && hardState.commit === 0;
}

export function isHardStateEqual(a: HardState, b: HardState): boolean {
  return a.term === b.term && a.vote === b.vote && a.commit === b.commit;
}

export function isSoftStateEqual(a: SoftState, b: SoftState): boolean {
  return a.leader === b.leader && a.state === b.state;
}

/** Whether it stands for no snapshot: index 0. */
export function isEmptySnap(snapshot: Snapshot | undefined): boolean {
  return snapshot === undefined || snapshot.metadata.index === 0;
}

/** Whether both are the same membership, in whatever order the ids stand. */
export function confStateEquivalent(a: ConfState, b: ConfState): boolean {
  const same = (x: readonly NodeId[], y: readonly NodeId[]): boolean => {
    const [left, right] = [sortedIds(x), sortedIds(y)];
    return left.length === right.length && left.every((id, i) => id === right[i]);
  };
  return (
    same(a.voters, b.voters) &&
    same(a.votersOutgoing, b.votersOutgoing) &&
    same(a.learners, b.learners) &&
    same(a.learnersNext, b.learnersNext) &&
    a.autoLeave === b.autoLeave
  );
}
