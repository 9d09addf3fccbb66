/** Terms and memberships of what was applied, so that a snapshot at any recent index can be described exactly. */
import {
  Outline,
  type ConfState,
  type IndexedConfState,
  type LogIndex,
  type OutlineData,
  type Term,
} from '@balsa/raft-core';
import type { EntryHead, SnapshotMetadata } from '@balsa/raft-core';

/** Memberships remembered. A view is never as old as this many changes. */
const maxConfStates = 256;

export class AppliedHistory {
  readonly #terms: Outline;
  #confStates: IndexedConfState[];
  #applied: LogIndex;

  /** `confState` may lie above `applied`, when a crash took the unsynced end of the state machine. */
  constructor(outline: OutlineData, applied: LogIndex, confState: IndexedConfState) {
    this.#terms = new Outline(outline);
    this.#confStates = [confState];
    this.#applied = applied;
    if (applied < this.#terms.lastIndex) this.#terms.truncateFrom(applied + 1);
  }

  get applied(): LogIndex {
    return this.#applied;
  }

  /** Index of the newest membership that is recorded in the store. */
  get confIndex(): LogIndex {
    return this.#confStates.at(-1)?.index ?? 0;
  }

  get confState(): IndexedConfState | undefined {
    return this.#confStates.at(-1);
  }

  entriesApplied(entries: readonly EntryHead[], appliedIndex: LogIndex): void {
    this.#terms.append(entries);
    this.#applied = appliedIndex;
  }

  confApplied(confState: IndexedConfState): void {
    this.#confStates.push(confState);
    if (this.#confStates.length > maxConfStates) this.#confStates.shift();
  }

  installed(metadata: SnapshotMetadata): void {
    this.#terms.reset({ index: metadata.index, term: metadata.term });
    this.#confStates = [{ index: metadata.index, state: metadata.confState }];
    this.#applied = metadata.index;
  }

  compacted(index: LogIndex): void {
    this.#terms.compactTo(Math.min(index, this.#terms.lastIndex));
  }

  /** What a snapshot at `index` holds; undefined when it is not known (any more, or again yet). */
  metadata(index: LogIndex): SnapshotMetadata | undefined {
    const term: Term | undefined = this.#terms.term(index);
    const confState: ConfState | undefined = this.#confStates.findLast((conf) => conf.index <= index)?.state;
    return term === undefined || confState === undefined ? undefined : { index, term, confState };
  }
}
