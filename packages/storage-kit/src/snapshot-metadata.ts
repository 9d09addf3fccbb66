/** What a snapshot is called, and whether an unfinished one is the one that is asked for. */
import {
  BalsaError,
  assertSafeInteger,
  type ConfState,
  type SnapshotId,
  type SnapshotMetadata,
  type SnapshotWriter,
} from '@balsa/raft-core';

/** A copy that the caller cannot reach, with its fields in one order. */
export function copyConfState(state: ConfState): ConfState {
  const { voters, votersOutgoing, learners, learnersNext, autoLeave } = state;
  return {
    voters: [...voters],
    votersOutgoing: [...votersOutgoing],
    learners: [...learners],
    learnersNext: [...learnersNext],
    autoLeave,
  };
}

/** A copy with its fields in one order, so that two can be compared as text. */
export function copyMetadata({ index, term, confState }: SnapshotMetadata): SnapshotMetadata {
  return { index, term, confState: copyConfState(confState) };
}

/**
 * Index, term, ordinal and eight digits of `random`, uniform in [0, 1), which keep it apart from those of removed
 * snapshots. Throws what `assertSafeInteger` does unless index and term are what they should be.
 */
export function newSnapshotId(
  { index, term }: SnapshotMetadata,
  ordinal: number,
  random: () => number,
): SnapshotId {
  assertSafeInteger(index, 'snapshot index');
  assertSafeInteger(term, 'snapshot term');
  const salt = Math.floor(random() * 0x1_0000_0000)
    .toString(16)
    .padStart(8, '0');
  return `${String(index)}-${String(term)}-${String(ordinal)}-${salt}`;
}

/** `STORE_SNAPSHOT_INVALID` unless the unfinished snapshot, whose metadata are a copy, was begun with `metadata`. */
export function assertBegunWith(
  { id, metadata: begun }: Pick<SnapshotWriter, 'id'> & { readonly metadata: SnapshotMetadata },
  metadata: SnapshotMetadata,
): void {
  const [found, wanted] = [begun, copyMetadata(metadata)].map((m) => JSON.stringify(m));
  if (found === wanted) return;
  throw new BalsaError(
    'STORE_SNAPSHOT_INVALID',
    `unfinished snapshot ${id} was begun with metadata ${String(found)}, not ${String(wanted)}`,
    { details: { id } },
  );
}
