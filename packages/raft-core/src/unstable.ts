/**
 * The unstable tail: what the core has taken into the log and the store has not yet reported durable.
 *
 * Entries are in one of two stages: handed out to the store and in progress, or not handed out yet. A
 * received snapshot lies before the entries until the store has installed it.
 */
import { LogLevel, type Logger } from './contracts/env.ts';
import { invariant } from './invariants.ts';
import type { Entry, LogIndex, Snapshot, Term } from './types.ts';

export class Unstable {
  /** Index of `entries[0]`, or of the next entry when there is none. Entries below it are persisted. */
  offset: LogIndex;
  /** Entries below it were handed out. `offset <= offsetInProgress <= offset + entries.length`. */
  offsetInProgress: LogIndex;
  snapshot: Snapshot | undefined;
  snapshotInProgress = false;
  #entries: Entry[] = [];
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

  /** Entries not handed out yet, as a copy that never changes. */
  nextEntries(): readonly Entry[] {
    return this.#entries.slice(this.offsetInProgress - this.offset);
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
      for (const entry of entries) this.#entries.push(entry);
      return;
    }
    if (from <= this.offset) {
      this.#info('replace the unstable entries from index', from);
      this.offset = from;
      this.offsetInProgress = from;
      this.#entries = entries.slice();
      return;
    }
    this.#info('truncate the unstable entries before index', from);
    this.#entries.length = from - this.offset;
    for (const entry of entries) this.#entries.push(entry);
    // What was handed out beyond the cut is overwritten: the replacement must be handed out again.
    this.offsetInProgress = Math.min(this.offsetInProgress, from);
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
      return [];
    }
    const entry = this.at(index);
    if (entry === undefined) {
      if (this.#logger.enabled(LogLevel.Info)) {
        this.#logger.log(
          LogLevel.Info,
          `entry at index ${String(index)} missing from unstable log; ignoring`,
        );
      }
      return [];
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
      return [];
    }
    const stable = this.#entries.splice(0, index + 1 - this.offset);
    this.offset = index + 1;
    this.offsetInProgress = Math.max(this.offsetInProgress, this.offset);
    return stable;
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
    this.#entries = [];
    this.snapshot = snapshot;
    this.snapshotInProgress = false;
  }

  #info(text: string, index: LogIndex): void {
    if (this.#logger.enabled(LogLevel.Info)) this.#logger.log(LogLevel.Info, `${text} ${String(index)}`);
  }
}
