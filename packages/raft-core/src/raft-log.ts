/**
 * The whole log as the core sees it: outline, unstable tail, cached recent entries, and how far it is
 * committed and applied.
 *
 * applied <= applying <= committed <= lastIndex (paper Figure 2, "volatile state").
 */
import { LogLevel, type Logger } from './contracts/env.ts';
import { EntryCache } from './entry-cache.ts';
import { entrySize } from './entry-size.ts';
import { BalsaError } from './errors.ts';
import { invariant, invariantError } from './invariants.ts';
import { noEntries } from './no-entries.ts';
import { Outline, type OutlineData, type TermRun } from './outline.ts';
import { Unstable } from './unstable.ts';
import type { Entry, LogIndex, Snapshot, Term } from './types.ts';
import type { LogPeek } from './config.ts';

/** Sum of `entrySize`. */
export function sizeOf(entries: readonly Entry[]): number {
  let total = 0;
  // By position: iterators cost, where arrays of several kinds come by.
  for (let i = 0; i < entries.length; i++) {
    const entry = entries[i];
    if (entry !== undefined) total += entrySize(entry);
  }
  return total;
}

export interface RaftLogOptions {
  readonly outline: OutlineData;
  readonly logger: Logger;
  readonly peek: LogPeek | undefined;
  /** Bytes. */
  readonly entryCacheBytes: number;
  /** Applied entries that stay in the cache. */
  readonly entryCacheApplied: number;
  /** Bytes handed out to be applied and not reported applied yet. */
  readonly maxApplyingBytes: number;
}

/** Persisted entries that are not in memory. */
export interface Missing {
  readonly low: LogIndex;
  readonly high: LogIndex;
}

export class RaftLog {
  committed: LogIndex;
  /** Handed out to be applied. */
  applying: LogIndex;
  /** Reported applied. */
  applied: LogIndex;
  readonly unstable: Unstable;
  readonly cache: EntryCache;
  readonly #outline: Outline;
  readonly #logger: Logger;
  readonly #peek: LogPeek | undefined;
  readonly #cacheApplied: number;
  /** How many committed entries beyond the durable ones may be handed out to be applied. */
  applyUnpersistedLimit = 0;
  #maxApplyingBytes: number;
  /** What was appended last, if it is still in the log, and its size. */
  #newest: readonly Entry[] = noEntries;
  #newestBytes = 0;
  #applyingBytes = 0;
  #applyingPaused = false;

  constructor(options: RaftLogOptions) {
    this.#outline = new Outline(options.outline);
    this.#logger = options.logger;
    this.#peek = options.peek;
    this.#maxApplyingBytes = Math.max(1, options.maxApplyingBytes);
    this.cache = new EntryCache(options.entryCacheBytes);
    this.#cacheApplied = options.entryCacheApplied;
    this.unstable = new Unstable(this.#outline.lastIndex + 1, options.logger);
    const base = this.#outline.boundary.index;
    this.committed = base;
    this.applying = base;
    this.applied = base;
  }

  get firstIndex(): LogIndex {
    return this.#outline.firstIndex;
  }

  get lastIndex(): LogIndex {
    return this.#outline.lastIndex;
  }

  get lastTerm(): Term {
    return this.#outline.lastTerm;
  }

  /** Defined on `[firstIndex - 1, lastIndex]`. */
  term(index: LogIndex): Term | undefined {
    return this.#outline.term(index);
  }

  matchTerm(term: Term, index: LogIndex): boolean {
    return this.#outline.term(index) === term;
  }

  /** Whether a membership change waits to be applied. */
  hasUnappliedConfChange(): boolean {
    return this.applied < this.committed && this.#outline.hasConfChangeIn(this.applied, this.committed);
  }

  /** The election restriction (paper §5.4.1): a log that ends like this is at least as up to date as ours. */
  isUpToDate(term: Term, index: LogIndex): boolean {
    const lastTerm = this.lastTerm;
    return term > lastTerm || (term === lastTerm && index >= this.lastIndex);
  }

  /** Appends entries of `bytes`, which replace the suffix from the first one's index. Returns the last index. */
  append(entries: readonly Entry[], bytes: number = sizeOf(entries)): LogIndex {
    const first = entries[0];
    if (first === undefined) return this.lastIndex;
    if (first.index <= this.committed) {
      throw invariantError(
        'raft log: committed entries are never overwritten (paper §5.4.3, State Machine Safety)',
        `append from ${String(first.index)}, committed ${String(this.committed)}`,
      );
    }
    this.unstable.append(entries);
    if (first.index <= this.lastIndex) this.cache.truncateFrom(first.index);
    this.#outline.append(entries);
    this.#newest = entries;
    this.#newestBytes = bytes;
    return this.lastIndex;
  }

  /**
   * A follower's side of AppendEntries (paper Figure 2, receiver steps 2 to 5). Returns the index up to
   * which the log now agrees with the leader's, or undefined when (prevTerm, prevIndex) is not in the log.
   */
  maybeAppend(
    prevTerm: Term,
    prevIndex: LogIndex,
    entries: readonly Entry[],
    commit: LogIndex,
  ): LogIndex | undefined {
    if (!this.matchTerm(prevTerm, prevIndex)) return undefined;
    const last = prevIndex + entries.length;
    const conflict = this.#findConflict(entries);
    // Entries that agree are left alone: a delayed append must never cut off newer ones.
    if (conflict >= 0) this.append(conflict === 0 ? entries : entries.slice(conflict));
    this.commitTo(Math.min(commit, last));
    return last;
  }

  /** Position of the first entry that the log lacks or has under another term, or -1. */
  #findConflict(entries: readonly Entry[]): number {
    // Entries behind the end of the log, as appends mostly are, cannot agree with any.
    if (entries[0]?.index === this.lastIndex + 1) return 0;
    for (let i = 0; i < entries.length; i++) {
      const entry = entries[i];
      if (entry === undefined || this.matchTerm(entry.term, entry.index)) continue;
      if (entry.index <= this.lastIndex && this.#logger.enabled(LogLevel.Info)) {
        const existing = String(this.term(entry.index) ?? 0);
        this.#logger.log(
          LogLevel.Info,
          `found conflict at index ${String(entry.index)} [existing term: ${existing}, conflicting term: ${String(entry.term)}]`,
        );
      }
      return i;
    }
    return -1;
  }

  /**
   * The highest index at or below `index` whose term is at most `term`: both sides of a refused append skip
   * whole terms by it (paper §5.3, the optimization at its end). A term of 0 means that it is not known.
   */
  findConflictByTerm(index: LogIndex, term: Term): TermRun {
    if (index > this.lastIndex) return { index, term: 0 };
    return this.#outline.lastAtMost(term, index) ?? { index: Math.max(0, this.firstIndex - 2), term: 0 };
  }

  commitTo(index: LogIndex): void {
    if (index <= this.committed) return;
    if (index > this.lastIndex) {
      throw invariantError(
        'raft log: commit stays within the log',
        `commit ${String(index)}, last index ${String(this.lastIndex)}; was the log damaged or lost?`,
      );
    }
    this.committed = index;
  }

  /** Commits `index` when its entry is of `term`: only entries of the leader's own term are counted (paper §5.4.2). */
  maybeCommit(term: Term, index: LogIndex): boolean {
    if (index <= this.committed || term === 0 || !this.matchTerm(term, index)) return false;
    this.commitTo(index);
    return true;
  }

  /** The log now is what `snapshot` covers, and nothing else. */
  restore(snapshot: Snapshot): void {
    const { index, term } = snapshot.metadata;
    if (this.#logger.enabled(LogLevel.Info)) {
      this.#logger.log(
        LogLevel.Info,
        `log [${this.describe()}] starts to restore snapshot [index: ${String(index)}, term: ${String(term)}]`,
      );
    }
    this.committed = index;
    this.#newest = noEntries;
    this.#newestBytes = 0;
    this.unstable.restore(snapshot);
    this.cache.clear();
    this.#outline.reset({ index, term });
  }

  /** See `Unstable.stableTo`. What leaves the tail stays readable in the cache. */
  stableTo(term: Term, index: LogIndex): void {
    this.cache.append(this.unstable.stableTo(term, index));
  }

  /** The store has dropped entries <= `index`. */
  compactTo(index: LogIndex): void {
    if (index <= this.#outline.boundary.index) return;
    if (index > this.applied) {
      throw new BalsaError(
        'OUT_OF_RANGE',
        `compaction to ${String(index)} must not pass the applied index ${String(this.applied)}`,
      );
    }
    this.#outline.compactTo(index);
    this.cache.compactTo(index);
  }

  // --- applying

  /**
   * The highest index that may be handed out. Entries that are not durable here yet may only go when the
   * driver persists a Ready before it applies it.
   */
  maxAppliable(allowUnstable: boolean): LogIndex {
    if (allowUnstable) return this.committed;
    return Math.min(this.committed, this.unstable.offset - 1 + this.applyUnpersistedLimit);
  }

  hasNextCommitted(allowUnstable: boolean): boolean {
    if (this.#applyingPaused || this.unstable.snapshot !== undefined) return false;
    return this.applying < this.maxAppliable(allowUnstable);
  }

  /** Bytes that may be handed out now. */
  get applyBudget(): number {
    return Math.max(1, this.#maxApplyingBytes - this.#applyingBytes);
  }

  /** See `RaftLogOptions.maxApplyingBytes`. What was handed out already counts. */
  setMaxApplyingBytes(bytes: number): void {
    this.#maxApplyingBytes = Math.max(1, bytes);
    this.#applyingPaused = this.#applyingBytes >= this.#maxApplyingBytes;
  }

  acceptApplying(entries: readonly Entry[], allowUnstable: boolean): void {
    // To look at position -1, where nothing can be, is slow.
    const last = entries.length === 0 ? undefined : entries[entries.length - 1];
    if (last === undefined) return;
    invariant(last.index <= this.committed, 'raft log: only committed entries are applied');
    this.applying = last.index;
    this.#applyingBytes += this.sizeOf(entries);
    // Cut short of what could be applied means that the next entry did not fit.
    this.#applyingPaused =
      this.#applyingBytes >= this.#maxApplyingBytes || last.index < this.maxAppliable(allowUnstable);
  }

  appliedTo(index: LogIndex, bytes: number): void {
    if (index > this.committed || index < this.applied) {
      throw invariantError(
        'raft log: applied moves forward, within what is committed',
        `applied ${String(index)}, was ${String(this.applied)}, committed ${String(this.committed)}`,
      );
    }
    this.applied = index;
    this.applying = Math.max(this.applying, index);
    this.cache.compactTo(index - this.#cacheApplied);
    this.#applyingBytes = Math.max(0, this.#applyingBytes - bytes);
    this.#applyingPaused = this.#applyingBytes >= this.#maxApplyingBytes;
  }

  // --- reading

  /**
   * Entries in `[low, high)` within `maxBytes`, at least one when there is any; undefined when they begin
   * with persisted ones that are not in memory (see `missing`). A shorter prefix may come for that reason too.
   */
  slice(low: LogIndex, high: LogIndex, maxBytes: number): readonly Entry[] | undefined {
    if (low >= high) return noEntries;
    if (this.#resident(low) === undefined) {
      const peeked = this.#peek?.entries(low, Math.min(high, this.unstable.offset), maxBytes);
      if (peeked === undefined || peeked.length === 0) return undefined;
      return this.extend(peeked, Math.min(high, this.unstable.offset), high, maxBytes);
    }
    if (this.#isNewest(low, high) && this.#newestBytes <= maxBytes) return this.#newest;
    const out: Entry[] = [];
    this.#collect(out, low, high, maxBytes, 0);
    return out;
  }

  /** What `slice(low, high)` lacked: the persisted part of the range. */
  missing(low: LogIndex, high: LogIndex): Missing {
    return { low, high: Math.min(high, this.unstable.offset) };
  }

  /** Continues `prefix`, read from elsewhere with `prefixHigh` as bound, by what is in memory, as one slice to `high` would. */
  extend(prefix: readonly Entry[], prefixHigh: LogIndex, high: LogIndex, maxBytes: number): readonly Entry[] {
    const next = (prefix.at(-1)?.index ?? 0) + 1;
    // A prefix that ends early was cut by size: what follows does not fit.
    if (next < prefixHigh || next >= high) return prefix;
    const size = sizeOf(prefix);
    if (size >= maxBytes) return prefix;
    const out = prefix.slice();
    this.#collect(out, next, high, maxBytes, size);
    return out;
  }

  /** Whether `[low, high)` is what was appended last: it is sent, persisted and applied as the same array. */
  #isNewest(low: LogIndex, high: LogIndex): boolean {
    return this.#newest.length === high - low && this.#newest[0]?.index === low;
  }

  /** As the function of this name, without summing anew what was appended last. */
  sizeOf(entries: readonly Entry[]): number {
    return entries === this.#newest ? this.#newestBytes : sizeOf(entries);
  }

  #resident(index: LogIndex): Entry | undefined {
    return index >= this.unstable.offset ? this.unstable.at(index) : this.cache.at(index);
  }

  #collect(out: Entry[], from: LogIndex, high: LogIndex, maxBytes: number, sizeBefore: number): void {
    let size = sizeBefore;
    for (let index = from; index < high; index++) {
      const entry = this.#resident(index);
      if (entry === undefined) return;
      size += entrySize(entry);
      if (out.length > 0 && size > maxBytes) return;
      out.push(entry);
    }
  }

  /** In etcd's words. */
  describe(): string {
    const { unstable } = this;
    return (
      `committed=${String(this.committed)}, applied=${String(this.applied)}, applying=${String(this.applying)}, ` +
      `unstable.offset=${String(unstable.offset)}, unstable.offsetInProgress=${String(unstable.offsetInProgress)}, ` +
      `len(unstable.Entries)=${String(unstable.length)}`
    );
  }
}
