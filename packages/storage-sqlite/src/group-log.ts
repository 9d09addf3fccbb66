/** One group's rows: what a plan means in SQL, and the state that is kept between writes. */
import {
  entryChecksum,
  entrySize,
  type ConfState,
  type Entry,
  type LogIndex,
  type TermRun,
} from '@balsa/raft-core';
import { crc32, type LogState, type PlannedLog, type WritePlan } from '@balsa/storage-kit';
import { deletesPerSlice } from './log-table.ts';
import type { LogDatabase } from './log-database.ts';
import { encodeConf, encodeName, type GroupRow } from './schema.ts';

/** Numbers for new groups and new log tables. Never goes back within the life of an engine. */
export interface Numbering {
  nextGroup(): number;
  nextLog(): number;
}

export interface GroupLogOptions {
  readonly groupId: string;
  readonly log: LogDatabase;
  readonly numbering: Numbering;
  /** Called with each row that became durable. */
  readonly stored: (row: GroupRow) => void;
  /** A log table that nothing refers to any more. */
  readonly abandoned: (logId: number) => void;
}

/** What a compaction has written, undefined for a group that was never written to. */
type Cut = { readonly row: GroupRow; readonly lowestRow: LogIndex } | undefined;

/** The group's row after a write. */
interface Written {
  readonly row: GroupRow;
  /** Whether it was stored; otherwise the last run carries what is new in it. */
  readonly isStored: boolean;
}

export class GroupLog implements PlannedLog<number, Written, Cut> {
  readonly checksum: (entry: Entry) => number;
  readonly #options: GroupLogOptions;
  readonly groupId: string;
  readonly state: LogState;
  /** Undefined until the group's first write. */
  row: GroupRow | undefined;
  /** Last entry of the lowest run that is stored: at or below the boundary when there is garbage, else right above it. */
  lowestRow: LogIndex;
  #conf: { readonly state: ConfState; readonly text: string } | undefined;
  /** Changes whenever stored entries are replaced: a long read that sees it change ends with what it has. */
  rewrites = 0;
  /** Whether the last commit, which may not be durable yet, has replaced or deleted rows. */
  rewriting = false;

  constructor(options: GroupLogOptions, row: GroupRow | undefined, state: LogState, lowestRow: LogIndex) {
    this.#options = options;
    this.groupId = options.groupId;
    this.row = row;
    this.state = state;
    this.lowestRow = lowestRow;
    this.checksum = entryChecksum(options.groupId, crc32);
  }

  get isStored(): boolean {
    return this.row !== undefined;
  }

  /** Writes a plan inside a transaction. */
  write(plan: WritePlan, sequence: number): Written {
    const old = this.row;
    this.rewriting = plan.truncateFrom !== undefined;
    return old !== undefined && this.#onlyAppends(plan, old)
      ? { row: this.#append(plan, sequence, old), isStored: false }
      : { row: this.#rewrite(plan, sequence, old), isStored: true };
  }

  /** Whether nothing else changes than the entries and what is written beside them. */
  #onlyAppends(plan: WritePlan, old: GroupRow): boolean {
    return (
      plan.entries.length > 0 &&
      plan.truncateFrom === undefined &&
      plan.install === undefined &&
      plan.hardState.term === old.term &&
      plan.hardState.vote === old.vote &&
      plan.confState.index === old.confIndex &&
      this.#encodeConf(plan.confState.state) === old.conf &&
      (plan.pendingRestore ?? '') === old.pending
    );
  }

  /** One row, or few, of one table: the group's own row keeps what it said. */
  #append(plan: WritePlan, sequence: number, old: GroupRow): GroupRow {
    const { commit } = plan.hardState;
    const lastChain = this.#insert(plan, sequence, old.logId, old.lastChain);
    return { ...old, sequence, commit, lastIndex: plan.lastIndex, lastChain };
  }

  #insert(plan: WritePlan, sequence: number, logId: number, previous: number): number {
    const { log } = this.#options;
    let bytes = 0;
    for (const entry of plan.entries) bytes += entrySize(entry);
    log.wrote(bytes);
    const stamp = { sequence, commit: plan.hardState.commit };
    return log.table(logId).append(plan.entries, stamp, previous, this.checksum);
  }

  #rewrite(plan: WritePlan, sequence: number, old: GroupRow | undefined): GroupRow {
    const { log, numbering } = this.#options;
    const fresh = old === undefined || plan.install?.keepsSuffix === false;
    const logId = fresh ? numbering.nextLog() : old.logId;
    const table = log.table(logId);
    if (fresh) table.create();

    // The chain begins anew behind a snapshot, unless the log goes on through it.
    let boundaryChain = fresh ? 0 : old.boundaryChain;
    if (!fresh && plan.install !== undefined)
      boundaryChain = table.chainAt(plan.boundary.index, boundaryChain);
    let lastChain = fresh ? 0 : old.lastChain;
    if (plan.truncateFrom !== undefined)
      lastChain = table.truncate(plan.truncateFrom, plan.boundary.index, boundaryChain);
    const row: GroupRow = {
      id: old?.id ?? numbering.nextGroup(),
      name: old?.name ?? encodeName(this.#options.groupId),
      logId,
      sequence,
      term: plan.hardState.term,
      vote: plan.hardState.vote,
      commit: plan.hardState.commit,
      confIndex: plan.confState.index,
      conf: this.#encodeConf(plan.confState.state),
      boundaryIndex: plan.boundary.index,
      boundaryTerm: plan.boundary.term,
      boundaryChain,
      lastIndex: plan.lastIndex,
      lastChain: this.#insert(plan, sequence, logId, lastChain),
      pending: plan.pendingRestore ?? '',
    };
    if (old === undefined) log.groups.insert(row);
    else log.groups.update(row);
    return row;
  }

  applied(plan: WritePlan, { row, isStored }: Written): void {
    const abandoned = this.row !== undefined && this.row.logId !== row.logId ? this.row.logId : undefined;
    this.state.apply(plan);
    if (plan.truncateFrom !== undefined || abandoned !== undefined) this.rewrites++;
    if (this.row?.logId !== row.logId) this.lowestRow = plan.boundary.index + 1;
    this.#store(row, isStored);
    if (abandoned !== undefined) this.#options.abandoned(abandoned);
  }

  /** Moves the boundary inside a transaction and deletes a first slice of what lies below it. */
  compact(boundary: TermRun, sequence: number): Cut {
    const { log } = this.#options;
    if (this.row === undefined) return undefined;
    const table = log.table(this.row.logId);
    const row: GroupRow = {
      ...this.row,
      sequence,
      boundaryIndex: boundary.index,
      boundaryTerm: boundary.term,
      boundaryChain: table.chainAt(boundary.index, this.row.boundaryChain),
    };
    this.rewriting = true;
    const left = table.deleteSlice(boundary.index, deletesPerSlice.rows, deletesPerSlice.bytes);
    log.groups.update(row);
    log.wrote(log.pageBytes);
    return { row, lowestRow: left ?? boundary.index + 1 };
  }

  compacted(boundary: TermRun, result: Cut): void {
    if (result === undefined) return;
    this.state.applyCompaction(boundary);
    this.lowestRow = result.lowestRow;
    this.#store(result.row, true);
  }

  /** A conf state is an object that never changes, and is seldom another than the last time. */
  #encodeConf(state: ConfState): string {
    if (this.#conf?.state !== state) this.#conf = { state, text: encodeConf(state) };
    return this.#conf.text;
  }

  #store(row: GroupRow, isStored: boolean): void {
    this.row = row;
    this.#options.log.noteRow(row, isStored);
    this.#options.stored(row);
  }
}
