/**
 * Giving space back.
 *
 * Entries that are compacted away, logs that a snapshot replaced and generations of ordered stores that
 * nothing points at are deleted as ranges, in coarse steps: each range delete leaves a tombstone that
 * reads and compactions have to carry until it reaches the last level. The space comes back when
 * RocksDB's own compaction meets the tombstone, which the writes that follow bring about; the binding
 * has no way to ask for it.
 */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { refused } from './errors.ts';
import type { GroupLog } from './group-log.ts';
import { logRange, wholeRange, type Space } from './keys.ts';
import type { LogDatabase } from './log-database.ts';
import type { GroupRecord } from './records.ts';

/** Compacted entries are deleted when they are so many, or so many bytes. */
const coarseEntries = 4096;
const coarseBytes = 512 * 1024;
/** Keys and records beside an entry's own size, about. */
const entryExtraBytes = 32;

export class Maintenance {
  readonly #log: LogDatabase;
  readonly #records: () => Iterable<GroupRecord>;
  readonly #abandoned: { readonly space: Space; readonly number: number }[] = [];
  /** Bytes of each ordered store's pairs. */
  readonly #states = new Map<number, number>();

  constructor(log: LogDatabase, records: () => Iterable<GroupRecord>) {
    this.#log = log;
    this.#records = records;
  }

  /** A log or a generation that nothing refers to any more. It is deleted by the next `slice`. */
  abandon(space: Space, number: number): void {
    this.#abandoned.push({ space, number });
    if (space === 'state') this.#states.delete(number);
  }

  /** Notes how much a generation of an ordered store holds. */
  holds(generation: number, bytes: number): void {
    this.#states.set(generation, bytes);
  }

  /** Deletes what is worth a range. False: nothing is left for now. */
  slice(group?: GroupLog): boolean {
    this.#log.check();
    const ranges = this.#abandoned.splice(0).map(({ space, number }) => wholeRange(space, number));
    const { record } = group ?? {};
    const worth = record !== undefined && isCoarse(record);
    if (worth) ranges.push(logRange(record.log, record.clearedIndex + 1, record.boundaryIndex + 1));
    if (ranges.length === 0) return false;
    this.#log.sweep(ranges);
    if (worth) group?.cleared();
    return false;
  }

  /** Bytes of all files of the database. */
  async bytes(): Promise<number> {
    const { path } = this.#log.rocks;
    let sum = 0;
    try {
      for (const name of await readdir(path)) {
        // Files come and go while this looks at them.
        sum += (await stat(join(path, name)).catch(() => undefined))?.size ?? 0;
      }
    } catch (error) {
      throw refused(error, `look at ${path}`);
    }
    return sum;
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
  return last.offset - boundary.offset + (lastIndex - boundaryIndex) * entryExtraBytes;
}

function isCoarse({ boundary, boundaryIndex, clearedIndex, clearedOffset }: GroupRecord): boolean {
  return boundaryIndex - clearedIndex >= coarseEntries || boundary.offset - clearedOffset >= coarseBytes;
}
