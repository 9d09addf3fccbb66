/** One group's keys: what a plan means in changes, and the record that is kept between writes. */
import { entryChecksum, type Entry, type LogIndex, type TermRun } from '@balsa/raft-core';
import { crc32, type LogState, type PlannedLog, type WritePlan } from '@balsa/storage-kit';
import type { RocksBatch } from './binding.ts';
import { EntryEncoder, decodeEntry } from './entries.ts';
import { corrupt } from './errors.ts';
import { GroupWriter } from './group-writer.ts';
import { logKey, logKeys } from './keys.ts';
import type { LogDatabase } from './log-database.ts';
import { startOfLog, type GroupRecord, type Mark } from './records.ts';

/** Numbers for new groups and new logs. Never goes back within the life of an engine. */
export interface Numbering {
  nextGroup(): number;
  nextLog(): number;
}

export interface GroupLogOptions {
  readonly groupId: string;
  readonly log: LogDatabase;
  readonly numbering: Numbering;
  /** Called with each record that became durable. */
  readonly stored: (record: GroupRecord) => void;
  /** A log that nothing refers to any more. */
  readonly abandoned: (log: number) => void;
}

/** Where a log stands before the entries of a plan are put. */
interface Base {
  readonly fresh: boolean;
  readonly log: number;
  readonly boundary: Mark;
  readonly last: Mark;
}

export class GroupLog implements PlannedLog<RocksBatch, GroupRecord, GroupRecord | undefined> {
  readonly checksum: (entry: Entry) => number;
  readonly groupId: string;
  readonly state: LogState;
  readonly #options: GroupLogOptions;
  /** Undefined until the group's first write. */
  record: GroupRecord | undefined;
  /** Changes whenever stored entries are replaced: a long read that sees it change ends with what it has. */
  rewrites = 0;
  #writer: GroupWriter | undefined;
  /** Makes keys of the log with that number. */
  #keys: ((index: LogIndex) => Buffer) | undefined;
  #keysOf: number | undefined;

  constructor(options: GroupLogOptions, record: GroupRecord | undefined, state: LogState) {
    this.#options = options;
    this.groupId = options.groupId;
    this.record = record;
    this.state = state;
    this.checksum = entryChecksum(options.groupId, crc32);
  }

  get isStored(): boolean {
    return this.record !== undefined;
  }

  /** Puts a plan into a batch. */
  write(plan: WritePlan, batch: RocksBatch): GroupRecord {
    const old = this.record;
    const base = this.#base(plan);
    const key = this.#keysIn(base.log);
    const encoder = new EntryEncoder(base.last);
    for (const entry of plan.entries) {
      batch.put(key(entry.index), encoder.encode(entry, this.checksum(entry)));
    }
    // What the new suffix does not overwrite would come back as ghosts when the log grows again.
    if (plan.truncateFrom !== undefined && !base.fresh) {
      const { lastIndex } = this.state.outline;
      for (let i = plan.lastIndex + 1; i <= lastIndex; i++) batch.delete(key(i));
    }
    const record: GroupRecord = {
      id: old?.id ?? this.#options.numbering.nextGroup(),
      name: this.groupId,
      log: base.log,
      term: plan.hardState.term,
      vote: plan.hardState.vote,
      commit: plan.hardState.commit,
      confIndex: plan.confState.index,
      conf: plan.confState.state,
      boundaryIndex: plan.boundary.index,
      boundaryTerm: plan.boundary.term,
      boundary: base.boundary,
      lastIndex: plan.lastIndex,
      last: encoder.mark,
      clearedIndex: base.fresh ? plan.boundary.index : (old?.clearedIndex ?? 0),
      clearedOffset: base.fresh ? base.boundary.offset : (old?.clearedOffset ?? 0),
      pending: plan.pendingRestore ?? null,
    };
    this.#put(batch, record);
    return record;
  }

  applied(plan: WritePlan, record: GroupRecord): void {
    const abandoned =
      this.record !== undefined && this.record.log !== record.log ? this.record.log : undefined;
    this.state.apply(plan);
    if (plan.truncateFrom !== undefined || abandoned !== undefined) this.rewrites++;
    this.store(record);
    if (abandoned !== undefined) this.#options.abandoned(abandoned);
  }

  /** Moves the boundary. The entries below it are deleted later, many at once. */
  compact(boundary: TermRun, batch: RocksBatch): GroupRecord | undefined {
    if (this.record === undefined) return undefined;
    const record: GroupRecord = {
      ...this.record,
      boundaryIndex: boundary.index,
      boundaryTerm: boundary.term,
      boundary: this.#markAt(boundary.index),
    };
    this.#put(batch, record);
    return record;
  }

  compacted(boundary: TermRun, record: GroupRecord | undefined): void {
    this.state.applyCompaction(boundary);
    if (record !== undefined) this.store(record);
  }

  /** Notes that entries up to the boundary are deleted. Durable with the group's next write. */
  cleared(): void {
    if (this.record === undefined) return;
    const { boundaryIndex, boundary } = this.record;
    this.store({ ...this.record, clearedIndex: boundaryIndex, clearedOffset: boundary.offset });
  }

  store(record: GroupRecord): void {
    this.record = record;
    this.#options.stored(record);
  }

  #put(batch: RocksBatch, record: GroupRecord): void {
    // A group whose first write was refused gets another number with the next.
    if (this.#writer?.id !== record.id) this.#writer = new GroupWriter(record.id);
    batch.put(this.#writer.key, this.#writer.seal(record));
  }

  #keysIn(log: number): (index: LogIndex) => Buffer {
    if (this.#keys === undefined || this.#keysOf !== log) {
      this.#keys = logKeys(log);
      this.#keysOf = log;
    }
    return this.#keys;
  }

  #base(plan: WritePlan): Base {
    const old = this.record;
    if (old === undefined || plan.install?.keepsSuffix === false) {
      const log = this.#options.numbering.nextLog();
      return { fresh: true, log, boundary: startOfLog, last: startOfLog };
    }
    const boundary = plan.install === undefined ? old.boundary : this.#markAt(plan.boundary.index);
    let { last } = old;
    if (plan.truncateFrom !== undefined) {
      const before = plan.truncateFrom - 1;
      last = before === plan.boundary.index ? boundary : this.#markAt(before);
    }
    return { fresh: false, log: old.log, boundary, last };
  }

  #markAt(index: LogIndex): Mark {
    const { record } = this;
    if (record === undefined || index === 0) return startOfLog;
    if (index === record.lastIndex) return record.last;
    if (index === record.boundaryIndex) return record.boundary;
    const [value] = this.#options.log.rocks.get([logKey(record.log, index)]);
    if (value === undefined) throw corrupt(`entry ${String(index)} is missing`, { index });
    return decodeEntry(index, value, this.checksum).mark;
  }
}
