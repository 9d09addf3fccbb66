/**
 * Giving space back.
 *
 * Entries that are compacted away, logs that a snapshot replaced and generations of ordered stores that
 * nothing points at are deleted as ranges, in coarse steps: each range delete leaves a tombstone that
 * reads and compactions have to carry until it reaches the last level. The space comes back when
 * RocksDB's own compaction meets the tombstone, which the writes that follow bring about, or reclaim.ts
 * where none follow.
 */
import type { Env } from '@balsa/raft-core';
import { bytesOfFiles } from './directory-size.ts';
import type { GroupLog } from './group-log.ts';
import { logRange, wholeRange, type Space } from './keys.ts';
import type { LogDatabase } from './log-database.ts';
import { Reclaim } from './reclaim.ts';
import type { GroupRecord, Summary } from './records.ts';

/** Compacted entries are deleted when they are so many, or so many bytes. */
const coarseEntries = 4096;
const coarseBytes = 512 * 1024;
/** What a key and its record take beside an entry's or a pair's own size, about. */
const extraBytes = 32;

/** How long a slice that can only wait for a compaction waits. */
const waitMs = 2;

export class Maintenance {
  readonly #log: LogDatabase;
  readonly #records: () => Iterable<GroupRecord>;
  readonly #reclaim: Reclaim;
  readonly #env: Env;
  readonly #abandoned: { readonly space: Space; readonly number: number }[] = [];
  /** Bytes of each ordered store's pairs. */
  readonly #states = new Map<number, number>();

  constructor(
    log: LogDatabase,
    { env, walLimitBytes }: { readonly env: Env; readonly walLimitBytes: number },
    records: () => Iterable<GroupRecord>,
  ) {
    this.#log = log;
    this.#env = env;
    this.#records = records;
    this.#reclaim = new Reclaim(log, walLimitBytes);
  }

  /** A log or a generation that nothing refers to any more. It is deleted by the next `slice`. */
  abandon(space: Space, number: number): void {
    this.#abandoned.push({ space, number });
    if (space === 'state') this.#states.delete(number);
  }

  /** Notes how much a generation of an ordered store holds. */
  holds(generation: number, { count, bytes }: Pick<Summary, 'count' | 'bytes'>): void {
    this.#states.set(generation, bytes + count * extraBytes);
  }

  /** Deletes what is worth a range, or brings deleted ranges on their way. False: nothing is left for now. */
  async slice(group?: GroupLog): Promise<boolean> {
    this.#log.check();
    const ranges = this.#abandoned.splice(0).map(({ space, number }) => wholeRange(space, number));
    const { record } = group ?? {};
    const worth = record !== undefined && isCoarse(record);
    if (worth) ranges.push(logRange(record.log, record.clearedIndex + 1, record.boundaryIndex + 1));
    if (ranges.length === 0) {
      const left = this.#reclaim.slice(this.liveBytes());
      // Who calls until nothing is left must not keep the thread to itself.
      if (left) await new Promise<void>((resolve) => this.#env.setTimer(waitMs, resolve));
      return left;
    }
    this.#log.sweep(ranges);
    if (worth) group?.cleared();
    // How much an abandoned log or generation held is not known any more.
    const deleted = worth && ranges.length === 1 ? record.boundary.offset - record.clearedOffset : Infinity;
    this.#reclaim.swept(deleted);
    return true;
  }

  /** Bytes of all files of the database. */
  bytes(): Promise<number> {
    return bytesOfFiles(this.#log.rocks.path);
  }

  /** Bytes that entries and pairs need, about. */
  liveBytes(): number {
    let sum = 0;
    for (const record of this.#records()) sum += liveBytesOf(record);
    for (const bytes of this.#states.values()) sum += bytes;
    return sum;
  }
}

/** Bytes that a group's entries need, about. */
export function liveBytesOf({ last, boundary, lastIndex, boundaryIndex }: GroupRecord): number {
  return last.offset - boundary.offset + (lastIndex - boundaryIndex) * extraBytes;
}

function isCoarse({ boundary, boundaryIndex, clearedIndex, clearedOffset }: GroupRecord): boolean {
  return boundaryIndex - clearedIndex >= coarseEntries || boundary.offset - clearedOffset >= coarseBytes;
}
