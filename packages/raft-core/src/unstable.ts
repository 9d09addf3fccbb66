/**
 * The unstable tail: what the core has taken into the log and the store has not yet reported durable.
 *
 * Entries are in one of two stages: handed out to the store and in progress, or not handed out yet. A
 * received snapshot lies before the entries until the store has installed it.
 */
import { LogLevel, type Logger } from './contracts/env.ts';
import { invariant } from './invariants.ts';
import { noEntries } from './no-entries.ts';
import type { Entry, LogIndex, Snapshot, Term } from './types.ts';

export class Unstable {
  /** Index of `entries[0]`, or of the next entry when there is none. Entries below it are persisted. */
  offset: LogIndex;
  /** Entries below it were handed out. `offset <= offsetInProgress <= offset + entries.length`. */
  offsetInProgress: LogIndex;
  snapshot: Snapshot | undefined;
  snapshotInProgress = false;
  #entries: readonly Entry[] = noEntries;
  /** `#entries`, when nobody else holds it, so that it may grow. */
  #own: Entry[] | undefined;
  readonly #logger: Logger;

  constructor(offset: LogIndex, logger: Logger) {
    this.offset = offset;
    this.offsetInProgress = offset;
    this.#logger = logger;
  }

  get length(): number {
    return this.#entries.length;
  }

  /** One past the last entry. */
  get end(): LogIndex {
    return this.offset + this.#entries.length;
  }

  at(index: LogIndex): Entry | undefined {
    return this.#entries[index - this.offset];
  }

  get hasNextEntries(): boolean {
    return this.offsetInProgress < this.end;
  }

  get nextSnapshot(): Snapshot | undefined {
    return this.snapshotInProgress ? undefined : this.snapshot;
  }

  /** Entries not handed out yet, as an array that never changes. */
  nextEntries(): readonly Entry[] {
    if (this.offsetInProgress > this.offset) return this.#entries.slice(this.offsetInProgress - this.offset);
    this.#own = undefined;
    return this.#entries;
  }

  /** Everything here has been handed out. */
  acceptInProgress(): void {
    this.offsetInProgress = this.end;
    if (this.snapshot !== undefined) this.snapshotInProgress = true;
  }

  /** Takes contiguous entries, which replace the suffix from the first one's index. */
  append(entries: readonly Entry[]): void {
    const first = entries[0];
    if (first === undefined) return;
    const from = first.index;
    invariant(from <= this.end, 'unstable: entries leave no gap');
    if (from === this.end) {
      if (this.#entries.length === 0) this.#adopt(entries);
      else this.#push(entries);
      return;
    }
    if (from <= this.offset) {
      this.#info('replace the unstable entries from index', from);
      this.offset = from;
      this.offsetInProgress = from;
      this.#adopt(entries);
      return;
    }
    this.#info('truncate the unstable entries before index', from);
    this.#keep(this.#entries.slice(0, from - this.offset));
    this.#push(entries);
    // What was handed out beyond the cut is overwritten: the replacement must be handed out again.
    this.offsetInProgress = Math.min(this.offsetInProgress, from);
  }

  /** The array of an append is nobody's to change: most often it is all there is, and no copy is made. */
  #adopt(entries: readonly Entry[]): void {
    this.#entries = entries;
    this.#own = undefined;
  }

  #keep(entries: Entry[]): Entry[] {
    this.#entries = entries;
    this.#own = entries;
    return entries;
  }

  #push(entries: readonly Entry[]): void {
    const own = this.#own ?? this.#keep(this.#entries.slice());
    for (let i = 0; i < entries.length; i++) {
      const entry = entries[i];
      if (entry !== undefined) own.push(entry);
    }
  }

  /**
   * The store has `(term, index)` and everything before it. Returns the entries that leave the tail; none
   * when the report was overtaken: the entry may have been overwritten and come back under another term
   * while the write was under way, so index alone proves nothing.
   */
  stableTo(term: Term, index: LogIndex): readonly Entry[] {
    if (this.snapshot !== undefined && index === this.snapshot.metadata.index) {
      if (this.#logger.enabled(LogLevel.Info)) {
        this.#logger.log(
          LogLevel.Info,
          `entry at index ${String(index)} matched unstable snapshot; ignoring`,
        );
      }
      return noEntries;
    }
    const entry = this.at(index);
    if (entry === undefined) {
      if (this.#logger.enabled(LogLevel.Info)) {
        this.#logger.log(
          LogLevel.Info,
          `entry at index ${String(index)} missing from unstable log; ignoring`,
        );
      }
      return noEntries;
    }
    if (entry.term !== term) {
      if (this.#logger.enabled(LogLevel.Info)) {
        const reported = `(index,term)=(${String(index)},${String(term)})`;
        const present = `(${String(index)},${String(entry.term)})`;
        this.#logger.log(
          LogLevel.Info,
          `entry at ${reported} mismatched with entry at ${present} in unstable log; ignoring`,
        );
      }
      return noEntries;
    }
    const stable = this.#removeFirst(index + 1 - this.offset);
    this.offset = index + 1;
    this.offsetInProgress = Math.max(this.offsetInProgress, this.offset);
    return stable;
  }

  #removeFirst(count: number): readonly Entry[] {
    const all = this.#entries;
    if (count === all.length) {
      this.#adopt(noEntries);
      return all;
    }
    this.#keep(all.slice(count));
    return all.slice(0, count);
  }

  /** The store has installed the snapshot at `index`; another one may have come meanwhile. */
  stableSnapshotTo(index: LogIndex): void {
    if (this.snapshot?.metadata.index !== index) return;
    this.snapshot = undefined;
    this.snapshotInProgress = false;
  }

  /** The log now begins after `snapshot`. */
  restore(snapshot: Snapshot): void {
    this.offset = snapshot.metadata.index + 1;
    this.offsetInProgress = this.offset;
    this.#adopt(noEntries);
    this.snapshot = snapshot;
    this.snapshotInProgress = false;
  }

  #info(text: string, index: LogIndex): void {
    if (this.#logger.enabled(LogLevel.Info)) this.#logger.log(LogLevel.Info, `${text} ${String(index)}`);
  }
}
