/**
 * Gets the space of deleted ranges back when nobody writes.
 *
 * A deleted range is a tombstone in a memtable. Space comes back when it was flushed and RocksDB's
 * compactions have carried it down to the entries, and both begin only when more is written; the binding
 * has no call for either. So where much garbage stands, slices of filler are written: one key again and
 * again, without a sync. It fills memtables, and a flush keeps its last value only. Where others write,
 * theirs does the same, and no filler is written.
 */
import type { LogDatabase } from './log-database.ts';
import { metaKey } from './keys.ts';

const fillerKey = metaKey('filler');
const fillerBytes = 8 * 1024;
/** Of filler at most, until a sweep deletes more; a third of the limit is one flush. */
const fillLimits = 2;
/** Of the write-ahead log's limit: what one slice writes. */
const slicesPerLimit = 12;
/** Garbage up to so many times the limit is not worth it. */
const toleratedLimits = 2;
/**
 * Slices in a row that may wait for a compaction and see nothing come of it: where others write all the time there is
 * always one.
 */
const vainSlices = 4000;

/** Above zero while RocksDB does what this waits for, or is about to. */
const workProperties = [
  'num-running-compactions',
  'compaction-pending',
  'num-running-flushes',
  'mem-table-flush-pending',
];

export class Reclaim {
  readonly #log: LogDatabase;
  readonly #limitBytes: number;
  /** Bytes of filler that may be written: never more in all than were deleted. */
  #left: number;
  /** What was written when this looked last, by anybody. */
  #seen: number;
  /** Since less was held, or left to compact, than ever since the last sweep. */
  #slices = 0;
  #least = Infinity;

  /** An opened database may hold tombstones of an earlier life. */
  constructor(log: LogDatabase, walLimitBytes: number) {
    this.#log = log;
    this.#limitBytes = walLimitBytes;
    this.#left = fillLimits * walLimitBytes;
    this.#seen = log.writtenBytes;
  }

  /** Ranges were deleted that held so many bytes. */
  swept(bytes: number): void {
    this.#left = Math.min(fillLimits * this.#limitBytes, this.#left + bytes);
    this.#slices = 0;
    this.#least = Infinity;
  }

  /** Does a bounded part of it, given what lives. False: the garbage is little, or all is done that can be. */
  slice(liveBytes: number): boolean {
    this.#lookForProgress();
    if (this.#slices >= vainSlices || !this.#isWorth(liveBytes)) return false;
    this.#slices++;
    const { rocks, writtenBytes } = this.#log;
    const idle = writtenBytes - this.#seen < this.#limitBytes / slicesPerLimit;
    this.#seen = writtenBytes;
    const busy = workProperties.some((name) => rocks.property(name) > 0);
    // More would only stand in the way of what runs.
    if (busy || !idle) return busy || this.#left > 0;
    if (this.#left <= 0) return false;
    this.#fill(this.#limitBytes / slicesPerLimit);
    this.#seen = this.#log.writtenBytes;
    return true;
  }

  /** However slow the disk is, a compaction that gets on is waited for; each step is a part of the limit, so they end. */
  #lookForProgress(): void {
    const { rocks } = this.#log;
    const held = rocks.property('live-sst-files-size') + rocks.property('estimate-pending-compaction-bytes');
    if (held > this.#least - this.#limitBytes / slicesPerLimit) return;
    this.#least = held;
    this.#slices = 0;
  }

  #isWorth(liveBytes: number): boolean {
    const held = this.#log.rocks.property('live-sst-files-size');
    return held - liveBytes > Math.max(liveBytes, toleratedLimits * this.#limitBytes);
  }

  #fill(bytes: number): void {
    const batch = this.#log.rocks.batch();
    const filler = Buffer.alloc(fillerBytes);
    for (let filled = 0; filled < bytes; filled += fillerBytes) batch.put(fillerKey, filler);
    this.#log.writeUnsynced(batch, bytes, 'a write that moves deleted ranges');
    this.#left -= bytes;
  }
}
