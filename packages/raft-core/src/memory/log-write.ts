/** Decides a write batch: either a refusal, or a change that can no longer fail. */
import type { WriteBatch } from '../contracts/storage.ts';
import { entrySize } from '../entry-size.ts';
import { BalsaError } from '../errors.ts';
import { assertSafeInteger } from '../invariants.ts';
import { Outline } from '../outline.ts';
import type { Entry, HardState } from '../types.ts';
import { copyConfState, copyEntry, type GroupData, type SnapshotData } from './data.ts';

/** A copy that the caller cannot reach, with every number checked. */
export function copyBatch(batch: WriteBatch): WriteBatch {
  const { entries, hardState, confState, install, restored } = batch;
  for (const entry of entries ?? []) {
    assertSafeInteger(entry.index, 'entry index', 1);
    assertSafeInteger(entry.term, 'entry term');
  }
  if (hardState !== undefined) {
    assertSafeInteger(hardState.term, 'hard state term');
    assertSafeInteger(hardState.vote, 'hard state vote');
    assertSafeInteger(hardState.commit, 'hard state commit');
  }
  if (confState !== undefined) assertSafeInteger(confState.index, 'conf state index');
  return {
    ...(entries !== undefined && { entries: entries.map(copyEntry) }),
    ...(hardState !== undefined && {
      hardState: Object.freeze({ term: hardState.term, vote: hardState.vote, commit: hardState.commit }),
    }),
    ...(confState !== undefined && {
      confState: Object.freeze({ index: confState.index, state: copyConfState(confState.state) }),
    }),
    ...(install !== undefined && { install }),
    ...(restored !== undefined && { restored }),
  };
}

export function isEmptyBatch(batch: WriteBatch): boolean {
  return (
    (batch.entries === undefined || batch.entries.length === 0) &&
    batch.hardState === undefined &&
    batch.confState === undefined &&
    batch.install === undefined &&
    batch.restored === undefined
  );
}

/** Throws the refusal, having changed nothing, or returns what makes the whole change. */
export function planWrite(data: GroupData, batch: WriteBatch, maxEntryBytes: number): () => void {
  const outline = new Outline(data.outline.toData());
  const snapshot = batch.install === undefined ? undefined : findInstall(data, batch.install);
  const keepsSuffix = snapshot === undefined || rebase(outline, snapshot);
  const entries = batch.entries ?? [];
  checkEntries(outline, entries, maxEntryBytes);
  outline.append(entries);
  const hardState = decideHardState(data.hardState, batch.hardState, snapshot, outline);

  return () => {
    const dropped = outline.boundary.index - data.outline.boundary.index;
    if (!keepsSuffix) data.entries = [];
    else if (dropped > 0) data.entries = data.entries.slice(dropped);
    const first = entries[0];
    if (first !== undefined) {
      data.entries.length = first.index - outline.firstIndex;
      for (const entry of entries) data.entries.push(entry);
    }
    data.outline = outline;
    data.hardState = hardState;
    if (snapshot !== undefined) {
      const { id, metadata } = snapshot.stored;
      data.confState = Object.freeze({ index: metadata.index, state: metadata.confState });
      data.pendingRestore = id;
    }
    if (batch.confState !== undefined) data.confState = batch.confState;
    if (batch.restored === data.pendingRestore) data.pendingRestore = undefined;
  };
}

function findInstall(data: GroupData, id: string): SnapshotData {
  const snapshot = data.snapshots.get(id);
  if (snapshot === undefined || snapshot.stored.origin !== 'received') {
    throw new BalsaError('STORE_SNAPSHOT_NOT_FOUND', `no received snapshot has the id ${id}`, {
      details: { id },
    });
  }
  const { index } = snapshot.stored.metadata;
  if (index <= data.hardState.commit) {
    throw new BalsaError(
      'STORE_SNAPSHOT_OUT_OF_DATE',
      `snapshot ${id} is at ${String(index)}, but ${String(data.hardState.commit)} is committed already`,
      { details: { id, index, commit: data.hardState.commit } },
    );
  }
  return snapshot;
}

/** Puts the outline on the snapshot; whether the suffix behind it stays (paper §7, Figure 13, step 6). */
function rebase(outline: Outline, snapshot: SnapshotData): boolean {
  const { index, term } = snapshot.stored.metadata;
  if (outline.term(index) === term) {
    outline.compactTo(index);
    return true;
  }
  outline.reset({ index, term });
  return false;
}

/**
 * Refuses entries that cannot be written. The same rules stand in storage-kit's log-state.ts, on purpose: this store is
 * the oracle of those built on that one, and an oracle shares no decision with what it judges.
 */
function checkEntries(outline: Outline, entries: readonly Entry[], maxEntryBytes: number): void {
  const first = entries[0];
  if (first === undefined) return;
  const log = `the log is [${String(outline.firstIndex)}, ${String(outline.lastIndex)}]`;
  if (first.index < outline.firstIndex) {
    throw new BalsaError('STORE_BELOW_FIRST', `entries begin at ${String(first.index)}, but ${log}`, {
      details: { index: first.index, firstIndex: outline.firstIndex },
    });
  }
  let expected = Math.min(first.index, outline.lastIndex + 1);
  let term = outline.term(expected - 1) ?? 0;
  for (const entry of entries) {
    if (entry.index !== expected) {
      throw new BalsaError(
        'STORE_GAP',
        `entry ${String(entry.index)} stands where ${String(expected)} belongs; ${log}`,
        {
          details: { index: entry.index, expected },
        },
      );
    }
    if (entry.term < term) {
      throw new BalsaError(
        'STORE_TERM_REGRESSION',
        `entry ${String(entry.index)} has term ${String(entry.term)} after term ${String(term)}`,
        { details: { index: entry.index, term: entry.term, previousTerm: term } },
      );
    }
    const size = entrySize(entry);
    if (size > maxEntryBytes) {
      throw new BalsaError(
        'STORE_ENTRY_TOO_LARGE',
        `entry ${String(entry.index)} has ${String(size)} bytes, the limit is ${String(maxEntryBytes)}`,
        { details: { index: entry.index, size, limit: maxEntryBytes } },
      );
    }
    term = entry.term;
    expected++;
  }
}

/** The hard state after the batch, or a refusal. `outline` is the log as the batch leaves it. */
function decideHardState(
  stored: HardState,
  wanted: HardState | undefined,
  installed: SnapshotData | undefined,
  outline: Outline,
): HardState {
  const base = wanted ?? stored;
  if (base.term < stored.term) {
    throw new BalsaError(
      'STORE_TERM_REGRESSION',
      `hard state term ${String(base.term)} is below ${String(stored.term)}`,
      {
        details: { term: base.term, stored: stored.term },
      },
    );
  }
  const commit = Math.max(base.commit, installed?.stored.metadata.index ?? 0);
  const lowest = stored.commit;
  if (commit < lowest || commit > outline.lastIndex) {
    throw new BalsaError(
      'STORE_COMMIT_OUT_OF_RANGE',
      `commit ${String(commit)} must lie within [${String(lowest)}, ${String(outline.lastIndex)}] after this batch`,
      { details: { commit, lowest, lastIndex: outline.lastIndex } },
    );
  }
  return Object.freeze({ term: base.term, vote: base.vote, commit });
}
