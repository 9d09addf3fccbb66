/**
 * The outline of a whole log: which term every index has, and where the membership changes are.
 *
 * It costs one pair per change of term and one number per membership change, so it is kept in memory
 * for the whole log. With it `term(i)` and the scan for unapplied membership changes before a campaign
 * never need the store.
 */
import { invariant } from './invariants.ts';
import { EntryType, type Entry, type LogIndex, type Term } from './types.ts';

/** The first index of a stretch of entries that share a term. */
export interface TermRun {
  readonly index: LogIndex;
  readonly term: Term;
}

/** Plain data, as a store reports it. */
export interface OutlineData {
  /** The last index that is not in the log, whose term is still known: (0, 0) in a fresh store. */
  readonly boundary: TermRun;
  /** Ascending; the first one, if any, starts at `boundary.index + 1`; neighbours differ in term. */
  readonly runs: readonly TermRun[];
  /** Indexes of entries of type ConfChange or ConfChangeV2, ascending. */
  readonly confIndexes: readonly LogIndex[];
  readonly lastIndex: LogIndex;
}

export const EmptyOutline: OutlineData = Object.freeze({
  boundary: Object.freeze({ index: 0, term: 0 }),
  runs: Object.freeze([]),
  confIndexes: Object.freeze([]),
  lastIndex: 0,
});

/** What `append` looks at: an entry, or a stored row without its payload. */
export type EntryHead = Pick<Entry, 'index' | 'term' | 'type'>;

/** A mutable outline. Pure bookkeeping: it neither reads nor writes a store. */
export class Outline {
  #boundary: TermRun;
  #runs: TermRun[];
  #confIndexes: LogIndex[];
  #lastIndex: LogIndex;
  /** Of the last run, or of the boundary when there is none. */
  #lastTerm: Term;

  constructor(data: OutlineData = EmptyOutline) {
    this.#boundary = data.boundary;
    this.#runs = [...data.runs];
    this.#confIndexes = [...data.confIndexes];
    this.#lastIndex = data.lastIndex;
    this.#lastTerm = this.#termAtEnd();
    invariant(data.lastIndex >= data.boundary.index, 'outline: last index is not below the boundary');
    const first = data.runs[0];
    invariant(
      data.lastIndex === data.boundary.index ? first === undefined : first?.index === data.boundary.index + 1,
      'outline: the first run starts right after the boundary',
    );
  }

  get firstIndex(): LogIndex {
    return this.#boundary.index + 1;
  }

  get lastIndex(): LogIndex {
    return this.#lastIndex;
  }

  get lastTerm(): Term {
    return this.#lastTerm;
  }

  get boundary(): TermRun {
    return this.#boundary;
  }

  /** The term of the entry at `index`, for `firstIndex - 1 <= index <= lastIndex`; else undefined. */
  term(index: LogIndex): Term | undefined {
    if (index === this.#boundary.index) return this.#boundary.term;
    if (index < this.#boundary.index || index > this.#lastIndex) return undefined;
    return this.#runs[this.#runAt(index)]?.term;
  }

  /** The highest index at or below `upTo` whose term is at most `term`, with its term; undefined when it lies below the boundary. */
  lastAtMost(term: Term, upTo: LogIndex): TermRun | undefined {
    let index = Math.min(upTo, this.#lastIndex);
    while (index > this.#boundary.index) {
      const run = this.#runs[this.#runAt(index)];
      if (run === undefined) break;
      if (run.term <= term) return { index, term: run.term };
      index = run.index - 1;
    }
    return index === this.#boundary.index && this.#boundary.term <= term ? this.#boundary : undefined;
  }

  /** Whether a membership change lies in `(after, upTo]`. */
  hasConfChangeIn(after: LogIndex, upTo: LogIndex): boolean {
    return this.#confIndexes.some((i) => i > after && i <= upTo);
  }

  /** The indexes of membership changes in `(after, upTo]`, ascending. */
  confIndexesIn(after: LogIndex, upTo: LogIndex): LogIndex[] {
    return this.#confIndexes.filter((i) => i > after && i <= upTo);
  }

  /** Appends contiguous entries, which replace the suffix from the first one's index. */
  append(entries: readonly EntryHead[]): void {
    const first = entries[0];
    if (first === undefined) return;
    if (first.index !== this.#lastIndex + 1) this.truncateFrom(first.index);
    for (let i = 0; i < entries.length; i++) {
      const { index, term, type } = entries[i] ?? first;
      invariant(index === this.#lastIndex + 1, 'outline: entries are contiguous');
      if (term !== this.#lastTerm || this.#runs.length === 0) {
        this.#runs.push({ index, term });
        this.#lastTerm = term;
      }
      if (type !== EntryType.Normal) this.#confIndexes.push(index);
      this.#lastIndex = index;
    }
  }

  /** Forgets entries >= `index`. */
  truncateFrom(index: LogIndex): void {
    invariant(
      index > this.#boundary.index && index <= this.#lastIndex + 1,
      'outline: truncation stays within the log',
      () => `index ${String(index)}, log [${String(this.firstIndex)}, ${String(this.#lastIndex)}]`,
    );
    while ((this.#runs.at(-1)?.index ?? 0) >= index) this.#runs.pop();
    while ((this.#confIndexes.at(-1) ?? 0) >= index) this.#confIndexes.pop();
    this.#lastIndex = index - 1;
    this.#lastTerm = this.#termAtEnd();
  }

  /** Forgets entries <= `index`; `(index, term(index))` becomes the boundary. Lower indexes are a no-op. */
  compactTo(index: LogIndex): void {
    if (index <= this.#boundary.index) return;
    const term = this.term(index);
    invariant(term !== undefined, 'outline: compaction stays within the log');
    const position = this.#runAt(index);
    const run = this.#runs[position];
    invariant(run !== undefined, 'outline: every index has a run');
    const next = this.#runs[position + 1];
    const endsHere = next === undefined ? index === this.#lastIndex : next.index === index + 1;
    this.#runs = this.#runs.slice(endsHere ? position + 1 : position);
    if (!endsHere) this.#runs[0] = { index: index + 1, term: run.term };
    this.#confIndexes = this.#confIndexes.filter((i) => i > index);
    this.#boundary = { index, term };
    this.#lastTerm = this.#termAtEnd();
  }

  /** Forgets everything; the log is empty after `(index, term)`, as after installing a snapshot. */
  reset(boundary: TermRun): void {
    this.#boundary = { index: boundary.index, term: boundary.term };
    this.#runs = [];
    this.#confIndexes = [];
    this.#lastIndex = boundary.index;
    this.#lastTerm = boundary.term;
  }

  /** A copy as plain data. */
  toData(): OutlineData {
    return {
      boundary: this.#boundary,
      runs: [...this.#runs],
      confIndexes: [...this.#confIndexes],
      lastIndex: this.#lastIndex,
    };
  }

  #termAtEnd(): Term {
    return this.#runs.at(-1)?.term ?? this.#boundary.term;
  }

  /** Position in `#runs` of the run that holds `index`, by bisection. */
  #runAt(index: LogIndex): number {
    let low = 0;
    let high = this.#runs.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((this.#runs[middle]?.index ?? Infinity) <= index) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
