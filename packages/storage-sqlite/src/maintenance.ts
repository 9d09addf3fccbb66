/** Giving space back, in slices that each block the event loop for a bounded time. */
import { BalsaError } from '@balsa/raft-core';
import type { GroupLog } from './group-log.ts';
import type { LogDatabase } from './log-database.ts';
import { deletesPerSlice } from './log-table.ts';

/** Pages given back to the file system in one transaction. */
const vacuumPages = 256;
/** Free pages kept for the next entries: giving them back and asking again would cost more than they do. */
const reservedPages = 256;

export interface Space {
  /** Bytes of log.db and its write-ahead log. */
  readonly bytes: number;
  readonly garbageBytes: number;
}

/** Housekeeping of log.db, shared by all groups. */
export class Maintenance {
  readonly #log: LogDatabase;
  readonly #checkpointBytes: number;
  /** Log tables that no group refers to. */
  readonly #abandoned: Set<number>;
  /** Pages were freed at the end of the file, which shrinks only at the next checkpoint. */
  #shrinking = false;

  constructor(log: LogDatabase, abandoned: Iterable<number>, checkpointBytes: number) {
    this.#log = log;
    this.#abandoned = new Set(abandoned);
    this.#checkpointBytes = checkpointBytes;
  }

  abandon(logId: number): void {
    this.#abandoned.add(logId);
  }

  /** Does one slice. True when more is left. */
  slice(group: GroupLog): boolean {
    this.#log.check();
    return this.#deleteCompacted(group) || this.#deleteAbandoned() || this.#vacuum();
  }

  /** What comes behind the last slice. */
  async checkpoint(): Promise<void> {
    const shrinks = this.#shrinking;
    if (!shrinks && this.#log.wal().pendingBytes < this.#checkpointBytes) return;
    this.#shrinking = false;
    await this.#log.checkpoint(shrinks);
  }

  space(group: GroupLog): Space {
    const { db, pageBytes } = this.#log;
    const pages = Number(db.pragma('page_count', { simple: true }));
    const free = Number(db.pragma('freelist_count', { simple: true }));
    const { boundary, lastIndex } = group.state.outline;
    const dead = Math.max(0, boundary.index + 1 - group.lowestRow);
    const rows = dead + lastIndex - boundary.index;
    // Rows that are still to be deleted count as their share of the pages in use.
    const share = rows === 0 ? 0 : dead / rows;
    return {
      bytes: pages * pageBytes + this.#log.wal().bytes,
      garbageBytes: Math.round((free + (pages - free) * share) * pageBytes),
    };
  }

  #deleteCompacted(group: GroupLog): boolean {
    const boundary = group.state.outline.boundary.index;
    const { row } = group;
    if (row === undefined || group.lowestRow > boundary) return false;
    const left = this.#log.transaction(() =>
      this.#log.table(row.logId).deleteSlice(boundary, deletesPerSlice.rows, deletesPerSlice.bytes),
    );
    group.lowestRow = left ?? boundary + 1;
    return true;
  }

  #deleteAbandoned(): boolean {
    const [logId] = this.#abandoned;
    if (logId === undefined) return false;
    const left = this.#log.transaction(() => {
      const table = this.#log.table(logId);
      const rest = table.deleteSlice(Number.MAX_SAFE_INTEGER, deletesPerSlice.rows, deletesPerSlice.bytes);
      if (rest === undefined) table.drop();
      return rest !== undefined;
    });
    if (!left) {
      this.#abandoned.delete(logId);
      this.#log.forgetTable(logId);
    }
    return true;
  }

  #vacuum(): boolean {
    const { db } = this.#log;
    const before = Number(db.pragma('freelist_count', { simple: true }));
    if (before <= reservedPages) return false;
    this.#log.housekeep('giving pages of log.db back', () => {
      db.pragma(`incremental_vacuum(${String(Math.min(vacuumPages, before - reservedPages))})`);
    });
    const after = Number(db.pragma('freelist_count', { simple: true }));
    if (after >= before) {
      throw new BalsaError(
        'STORE_IO',
        'incremental vacuum of log.db freed nothing: was it created with auto_vacuum?',
      );
    }
    this.#shrinking = true;
    return true;
  }
}
