/** What one disk has promised to hold of the log: the model that its store is held to. */
import {
  EmptyHardState,
  EmptyConfState,
  type Entry,
  type HardState,
  type IndexedConfState,
  type LogIndex,
  type SnapshotMetadata,
  type StorageState,
  type Term,
  type WriteBatch,
} from '@balsa/raft-core';

export class LogModel {
  first: LogIndex = 1;
  last: LogIndex = 0;
  boundaryTerm: Term = 0;
  hardState: HardState = EmptyHardState;
  confState: IndexedConfState = { index: 0, state: EmptyConfState };
  readonly #terms = new Map<LogIndex, Term>();

  /** The term at an index that the log knows: an entry's, or the boundary's. */
  term(index: LogIndex): Term | undefined {
    return index === this.first - 1 ? this.boundaryTerm : this.#terms.get(index);
  }

  /** Whether the entry is there, or was and is covered by a snapshot. */
  holds(index: LogIndex, term: Term): boolean {
    return index < this.first - 1 || this.term(index) === term;
  }

  copy(): LogModel {
    const copy = new LogModel();
    copy.first = this.first;
    copy.last = this.last;
    copy.boundaryTerm = this.boundaryTerm;
    copy.hardState = this.hardState;
    copy.confState = this.confState;
    for (const [index, term] of this.#terms) copy.#terms.set(index, term);
    return copy;
  }

  apply(batch: WriteBatch, installed: SnapshotMetadata | undefined): void {
    if (installed !== undefined) this.#install(installed);
    for (const entry of batch.entries ?? []) this.#append(entry);
    if (batch.confState !== undefined) this.confState = batch.confState;
    if (batch.hardState !== undefined) this.hardState = batch.hardState;
  }

  compactTo(index: LogIndex): void {
    if (index < this.first) return;
    this.boundaryTerm = this.#terms.get(index) ?? 0;
    for (let i = this.first; i <= index; i++) this.#terms.delete(i);
    this.first = index + 1;
  }

  /** Takes over what a store found. */
  adopt(state: StorageState): void {
    this.#terms.clear();
    this.first = state.firstIndex;
    this.last = state.lastIndex;
    this.hardState = state.hardState;
    this.confState = state.confState;
    this.boundaryTerm = state.outline.boundary.term;
    let run = 0;
    const { runs } = state.outline;
    for (let index = this.first; index <= this.last; index++) {
      while ((runs[run + 1]?.index ?? Infinity) <= index) run++;
      this.#terms.set(index, runs[run]?.term ?? this.boundaryTerm);
    }
  }

  /** Where a store that found `state` differs from this model; undefined when it does not. */
  difference(state: StorageState): string | undefined {
    const found = new LogModel();
    found.adopt(state);
    const { hardState, confState } = this;
    if (found.last !== this.last) return `the log ends at ${found.last}, not at ${this.last}`;
    if (found.first !== this.first) return `the log begins at ${found.first}, not at ${this.first}`;
    if (found.boundaryTerm !== this.boundaryTerm)
      return `the term before the log is ${found.boundaryTerm}, not ${this.boundaryTerm}`;
    for (let index = this.first; index <= this.last; index++) {
      if (found.term(index) !== this.term(index)) {
        return `the entry at ${index} has term ${String(found.term(index))}, not ${String(this.term(index))}`;
      }
    }
    if (JSON.stringify(found.hardState) !== JSON.stringify(hardState)) {
      return `the hard state is ${JSON.stringify(found.hardState)}, not ${JSON.stringify(hardState)}`;
    }
    if (found.confState.index !== confState.index) {
      return `the membership is of index ${found.confState.index}, not ${confState.index}`;
    }
    return undefined;
  }

  #append(entry: Entry): void {
    for (let i = entry.index; i <= this.last; i++) this.#terms.delete(i);
    this.#terms.set(entry.index, entry.term);
    this.last = entry.index;
  }

  #install({ index, term, confState }: SnapshotMetadata): void {
    if (this.term(index) === term) {
      for (let i = this.first; i <= index; i++) this.#terms.delete(i);
    } else {
      this.#terms.clear();
      this.last = index;
    }
    this.first = index + 1;
    this.boundaryTerm = term;
    this.confState = { index, state: confState };
    const { hardState } = this;
    this.hardState = { ...hardState, commit: Math.max(hardState.commit, index) };
  }
}
