/**
 * What a store knows of one group in memory, and the one place that decides whether a batch or a
 * compaction is allowed. A plan is made first and changes nothing; the store writes it; once it is
 * durable, `apply` makes it the present. So a write that fails halfway leaves no trace in memory.
 */
import {
  BalsaError,
  EmptyConfState,
  EmptyHardState,
  Outline,
  assertSafeInteger,
  entrySize,
  type Entry,
  type HardState,
  type IndexedConfState,
  type LogIndex,
  type OutlineData,
  type SnapshotId,
  type StoredSnapshot,
  type Term,
  type TermRun,
  type WriteBatch,
} from '@balsa/raft-core';
import { copyConfState } from './snapshot-metadata.ts';

/** What a batch will have done. */
export interface WritePlan {
  readonly entries: readonly Entry[];
  /** Stored entries from here on are replaced. */
  readonly truncateFrom: LogIndex | undefined;
  /** A snapshot that becomes the base; when `keepsSuffix` is false the whole log goes. */
  readonly install: { readonly snapshot: StoredSnapshot; readonly keepsSuffix: boolean } | undefined;
  readonly hardState: HardState;
  readonly confState: IndexedConfState;
  readonly pendingRestore: SnapshotId | undefined;
  readonly boundary: TermRun;
  readonly lastIndex: LogIndex;
  /** Whether a promise to other members (term or vote) is in this batch. */
  readonly changesTermOrVote: boolean;
}

export interface LogStateData {
  readonly hardState: HardState;
  readonly confState: IndexedConfState;
  readonly pendingRestore: SnapshotId | undefined;
  readonly outline: OutlineData;
}

export function isEmptyBatch(batch: WriteBatch): boolean {
  return (
    (batch.entries?.length ?? 0) === 0 &&
    batch.hardState === undefined &&
    batch.confState === undefined &&
    batch.install === undefined &&
    batch.restored === undefined
  );
}

/** It is kept for as long as it holds, and the caller may use its own again. */
function ownConf(given: IndexedConfState | undefined): IndexedConfState | undefined {
  return given && { index: given.index, state: copyConfState(given.state) };
}

/** `OUT_OF_RANGE` when a number in the batch is not a safe integer. */
export function assertBatchNumbers(batch: WriteBatch): void {
  for (const entry of batch.entries ?? []) {
    assertSafeInteger(entry.index, 'entry index', 1);
    assertSafeInteger(entry.term, 'entry term');
  }
  if (batch.hardState !== undefined) {
    assertSafeInteger(batch.hardState.term, 'hard state term');
    assertSafeInteger(batch.hardState.vote, 'hard state vote');
    assertSafeInteger(batch.hardState.commit, 'hard state commit');
  }
  if (batch.confState !== undefined) assertSafeInteger(batch.confState.index, 'conf state index');
}

/** The log as it stands in the middle of a batch: after the installation, before the entries. */
interface Base {
  readonly boundary: TermRun;
  readonly lastIndex: LogIndex;
  term(index: LogIndex): Term | undefined;
}

export class LogState {
  #hardState: HardState;
  #confState: IndexedConfState;
  #pendingRestore: SnapshotId | undefined;
  readonly #outline: Outline;

  constructor(data?: LogStateData) {
    this.#hardState = data?.hardState ?? EmptyHardState;
    this.#confState = data?.confState ?? Object.freeze({ index: 0, state: EmptyConfState });
    this.#pendingRestore = data?.pendingRestore;
    this.#outline = new Outline(data?.outline);
  }

  get hardState(): HardState {
    return this.#hardState;
  }

  get confState(): IndexedConfState {
    return this.#confState;
  }

  get pendingRestore(): SnapshotId | undefined {
    return this.#pendingRestore;
  }

  /** Read only: it changes through `apply` and `applyCompaction`. */
  get outline(): Omit<Outline, 'append' | 'truncateFrom' | 'compactTo' | 'reset'> {
    return this.#outline;
  }

  /** Throws the refusal that the contract names, or returns what the batch will do. */
  plan(
    batch: WriteBatch,
    maxEntryBytes: number,
    snapshot: (id: SnapshotId) => StoredSnapshot | undefined,
  ): WritePlan {
    const install = batch.install === undefined ? undefined : this.#planInstall(batch.install, snapshot);
    const base = this.#base(install);
    const entries = batch.entries ?? [];
    const truncateFrom = checkEntries(base, entries, maxEntryBytes);
    const lastIndex = entries.at(-1)?.index ?? base.lastIndex;
    const hardState = this.#decideHardState(batch.hardState, install?.snapshot, lastIndex);
    const { metadata } = install?.snapshot ?? {};
    const fromInstall =
      metadata === undefined ? undefined : { index: metadata.index, state: metadata.confState };
    const pending = install?.snapshot.id ?? this.#pendingRestore;
    return {
      entries,
      truncateFrom,
      install,
      hardState,
      confState: ownConf(batch.confState) ?? fromInstall ?? this.#confState,
      pendingRestore: batch.restored === pending ? undefined : pending,
      boundary: base.boundary,
      lastIndex,
      changesTermOrVote: hardState.term !== this.#hardState.term || hardState.vote !== this.#hardState.vote,
    };
  }

  /** Makes a plan, now durable, the present. Nothing may have been applied since it was made. */
  apply(plan: WritePlan): void {
    if (plan.install?.keepsSuffix === true) this.#outline.compactTo(plan.boundary.index);
    else if (plan.install !== undefined) this.#outline.reset(plan.boundary);
    this.#outline.append(plan.entries);
    this.#hardState = plan.hardState;
    this.#confState = plan.confState;
    this.#pendingRestore = plan.pendingRestore;
  }

  /** The boundary that `compactTo(index)` leads to, undefined when there is nothing to do, or the refusal. */
  planCompaction(index: LogIndex): TermRun | undefined {
    if (assertSafeInteger(index, 'index to compact to') <= this.#outline.boundary.index) return undefined;
    const { commit } = this.#hardState;
    const term = this.#outline.term(index);
    if (index > commit || term === undefined) {
      throw new BalsaError(
        'STORE_COMPACT_OUT_OF_RANGE',
        `cannot compact to ${String(index)}: only ${String(commit)} is committed`,
        { details: { index, commit } },
      );
    }
    const [unrecorded] = this.#outline.confIndexesIn(this.#confState.index, index);
    if (unrecorded !== undefined) {
      throw new BalsaError(
        'STORE_CONF_UNRECORDED',
        `cannot compact to ${String(index)}: the conf state of entry ${String(unrecorded)} is not recorded`,
        { details: { index, unrecorded, recorded: this.#confState.index } },
      );
    }
    return { index, term };
  }

  applyCompaction(boundary: TermRun): void {
    this.#outline.compactTo(boundary.index);
  }

  /** `STORE_COMPACTED` or `STORE_UNAVAILABLE` unless `[low, high)` lies in the log. */
  checkRange(low: LogIndex, high: LogIndex): void {
    assertSafeInteger(low, 'low');
    assertSafeInteger(high, 'high');
    const { firstIndex, lastIndex } = this.#outline;
    if (low > high) {
      throw new BalsaError('INVALID_ARGUMENT', `low ${String(low)} is above high ${String(high)}`);
    }
    if (low < firstIndex) {
      throw new BalsaError(
        'STORE_COMPACTED',
        `entry ${String(low)} is asked for, the first one is ${String(firstIndex)}`,
        { details: { low, firstIndex } },
      );
    }
    if (high > lastIndex + 1) {
      throw new BalsaError(
        'STORE_UNAVAILABLE',
        `entries below ${String(high)} are asked for, the last one is ${String(lastIndex)}`,
        { details: { high, lastIndex } },
      );
    }
  }

  #planInstall(
    id: SnapshotId,
    find: (id: SnapshotId) => StoredSnapshot | undefined,
  ): { readonly snapshot: StoredSnapshot; readonly keepsSuffix: boolean } {
    const snapshot = find(id);
    if (snapshot?.origin !== 'received') {
      throw new BalsaError('STORE_SNAPSHOT_NOT_FOUND', `no received snapshot has the id ${id}`, {
        details: { id },
      });
    }
    const { index, term } = snapshot.metadata;
    const { commit } = this.#hardState;
    if (index <= commit) {
      throw new BalsaError(
        'STORE_SNAPSHOT_OUT_OF_DATE',
        `snapshot ${id} is at ${String(index)}, but ${String(commit)} is committed already`,
        { details: { id, index, commit } },
      );
    }
    // Paper §7, Figure 13, step 6: what follows an entry that the snapshot ends with stays.
    return { snapshot, keepsSuffix: this.#outline.term(index) === term };
  }

  #base(install: WritePlan['install']): Base {
    const outline = this.#outline;
    if (install === undefined) {
      return {
        boundary: outline.boundary,
        lastIndex: outline.lastIndex,
        term: (index) => outline.term(index),
      };
    }
    const { index, term } = install.snapshot.metadata;
    const boundary = { index, term };
    if (install.keepsSuffix) return { boundary, lastIndex: outline.lastIndex, term: (i) => outline.term(i) };
    return { boundary, lastIndex: index, term: (i) => (i === index ? term : undefined) };
  }

  #decideHardState(
    wanted: HardState | undefined,
    installed: StoredSnapshot | undefined,
    lastIndex: LogIndex,
  ): HardState {
    const stored = this.#hardState;
    const base = wanted ?? stored;
    if (base.term < stored.term) {
      throw new BalsaError(
        'STORE_TERM_REGRESSION',
        `hard state term ${String(base.term)} is below ${String(stored.term)}`,
        { details: { term: base.term, stored: stored.term } },
      );
    }
    const commit = Math.max(base.commit, installed?.metadata.index ?? 0);
    const lowest = stored.commit;
    if (commit < lowest || commit > lastIndex) {
      throw new BalsaError(
        'STORE_COMMIT_OUT_OF_RANGE',
        `commit ${String(commit)} must lie within [${String(lowest)}, ${String(lastIndex)}] after this batch`,
        { details: { commit, lowest, lastIndex } },
      );
    }
    return { term: base.term, vote: base.vote, commit };
  }
}

/**
 * Refuses entries that cannot be written; the index from which a stored suffix goes, if one does. The same rules stand
 * in raft-core's memory/log-write.ts, on purpose: that store is the oracle of this one, and shares no decision with it.
 */
function checkEntries(base: Base, entries: readonly Entry[], maxEntryBytes: number): LogIndex | undefined {
  const first = entries[0];
  if (first === undefined) return undefined;
  const firstIndex = base.boundary.index + 1;
  const log = (): string => `the log is [${String(firstIndex)}, ${String(base.lastIndex)}]`;
  if (first.index < firstIndex) {
    throw new BalsaError('STORE_BELOW_FIRST', `entries begin at ${String(first.index)}, but ${log()}`, {
      details: { index: first.index, firstIndex },
    });
  }
  let expected = Math.min(first.index, base.lastIndex + 1);
  let term = base.term(expected - 1) ?? 0;
  for (const entry of entries) {
    if (entry.index !== expected) {
      throw new BalsaError(
        'STORE_GAP',
        `entry ${String(entry.index)} stands where ${String(expected)} belongs; ${log()}`,
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
  return first.index <= base.lastIndex ? first.index : undefined;
}
