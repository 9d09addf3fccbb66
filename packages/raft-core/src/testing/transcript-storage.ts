/** The store of a node in a transcript: etcd's MemoryStorage by its behaviour, as far as transcripts show it. */
import type { LogPeek } from '../config.ts';
import { BalsaError } from '../errors.ts';
import { invariant } from '../invariants.ts';
import { limitSize } from '../entry-size.ts';
import { EmptyOutline, Outline, type OutlineData, type TermRun } from '../outline.ts';
import { EmptyHardState, type Entry, type HardState, type LogIndex, type Snapshot } from '../types.ts';

export class TranscriptStorage implements LogPeek {
  hardState: HardState = EmptyHardState;
  /** Nothing is in memory: all that is read has to be fetched. */
  cold = false;
  /** The snapshot that was installed last. */
  installed: Snapshot | undefined;
  readonly #newestSnapshot: () => Snapshot | undefined;
  #boundary: TermRun = { index: 0, term: 0 };
  #entries: Entry[] = [];

  /** `newestSnapshot` says what to send to a peer: one is taken after every applied entry. */
  constructor(newestSnapshot: () => Snapshot | undefined) {
    this.#newestSnapshot = newestSnapshot;
  }

  get firstIndex(): LogIndex {
    return this.#boundary.index + 1;
  }

  get lastIndex(): LogIndex {
    return this.#boundary.index + this.#entries.length;
  }

  outline(): OutlineData {
    const outline = new Outline({
      ...EmptyOutline,
      boundary: this.#boundary,
      lastIndex: this.#boundary.index,
    });
    outline.append(this.#entries);
    return outline.toData();
  }

  all(): readonly Entry[] {
    return this.#entries;
  }

  entries(low: LogIndex, high: LogIndex, maxBytes: number): readonly Entry[] | undefined {
    return this.cold ? undefined : this.read(low, high, maxBytes);
  }

  read(low: LogIndex, high: LogIndex, maxBytes: number): readonly Entry[] | undefined {
    if (low < this.firstIndex || low > this.lastIndex) return undefined;
    return limitSize(this.#entries.slice(low - this.firstIndex, high - this.firstIndex), maxBytes);
  }

  snapshot(minIndex: LogIndex): Snapshot | undefined {
    if (this.cold) return undefined;
    const snapshot = this.#newestSnapshot();
    return snapshot !== undefined && snapshot.metadata.index >= Math.max(minIndex, 1) ? snapshot : undefined;
  }

  /** Replaces the suffix from the first entry's index; what is compacted already is passed over. */
  append(entries: readonly Entry[]): void {
    const fresh = entries.filter((entry) => entry.index >= this.firstIndex);
    const first = fresh[0];
    if (first === undefined) return;
    invariant(first.index <= this.lastIndex + 1, 'transcript: appends leave no gap');
    this.#entries.length = first.index - this.firstIndex;
    this.#entries.push(...fresh);
  }

  install(snapshot: Snapshot): void {
    const { index, term } = snapshot.metadata;
    if (this.#boundary.index >= index && this.#boundary.index > 0) {
      throw new BalsaError(
        'STORE_SNAPSHOT_OUT_OF_DATE',
        'requested index is older than the existing snapshot',
      );
    }
    this.#boundary = { index, term };
    this.#entries = [];
    this.installed = snapshot;
  }

  /** Drops entries <= `index`. */
  compact(index: LogIndex): void {
    if (index <= this.#boundary.index) {
      throw new BalsaError('STORE_COMPACTED', 'requested index is unavailable due to compaction');
    }
    const entry = this.#entries[index - this.firstIndex];
    invariant(entry !== undefined, 'transcript: compaction stays within the log');
    this.#entries = this.#entries.slice(index - this.#boundary.index);
    this.#boundary = { index, term: entry.term };
  }
}
