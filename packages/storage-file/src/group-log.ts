/** One group in memory: its state, and where its entries lie. */
import {
  EmptyConfState,
  EmptyHardState,
  EmptyOutline,
  Outline,
  entryChecksum,
  type Entry,
  type TermRun,
} from '@balsa/raft-core';
import { LogState, crc32, type WritePlan } from '@balsa/storage-kit';
import { corrupt } from './errors.ts';
import { encodedEntryBytes, type GroupState, type LogRecord, type StoredHead } from './format.ts';
import { Locations, type Usage } from './locations.ts';

export class GroupLog {
  readonly id: string;
  readonly state: LogState;
  readonly locations: Locations;
  readonly checksum: (entry: Entry) => number;

  constructor(id: string, state: LogState, locations: Locations) {
    this.id = id;
    this.state = state;
    this.locations = locations;
    this.checksum = entryChecksum(id, crc32);
  }

  /** Makes a plan, now durable at `offset` of `segment`, the present. */
  applied(plan: WritePlan, segment: number, offset: number): void {
    const { locations } = this;
    if (plan.install?.keepsSuffix === true) locations.dropTo(plan.boundary.index);
    else if (plan.install !== undefined) locations.reset(plan.boundary.index + 1);
    if (plan.truncateFrom !== undefined) locations.truncateFrom(plan.truncateFrom);
    let at = offset;
    for (const entry of plan.entries) {
      const length = encodedEntryBytes(entry);
      locations.push(segment, at, length);
      at += length;
    }
    this.state.apply(plan);
  }

  compacted(boundary: TermRun): void {
    this.state.applyCompaction(boundary);
    this.locations.dropTo(boundary.index);
  }

  /** As a new segment begins with it. */
  snapshot(): GroupState {
    const { hardState, confState, pendingRestore, outline } = this.state;
    return { hardState, confState, pendingRestore, outline: outline.toData() };
  }
}

type RecordOf<K extends LogRecord['kind']> = Extract<LogRecord, { readonly kind: K }>;

/** A group while the log is read back. */
export class GroupImage {
  readonly id: string;
  readonly #locations: Locations;
  readonly #outline: Outline;
  #state: Omit<GroupState, 'outline'>;

  /** Entries of `state` lie in segments that may be gone: where is not known until a later record says it. */
  constructor(id: string, usage: Usage, state: GroupState) {
    this.id = id;
    this.#outline = new Outline(state.outline);
    this.#locations = new Locations(usage, this.#outline.firstIndex);
    for (let i = this.#outline.firstIndex; i <= this.#outline.lastIndex; i++) this.#locations.push(0, 0, 0);
    this.#state = state;
  }

  static empty(id: string, usage: Usage): GroupImage {
    const confState = { index: 0, state: EmptyConfState };
    const state = { hardState: EmptyHardState, confState, pendingRestore: undefined, outline: EmptyOutline };
    return new GroupImage(id, usage, state);
  }

  write(record: RecordOf<'write'>, segment: number, bodyOffset: number): void {
    const { boundary, install, heads, hardState, pendingRestore } = record;
    if (install === 'keeps-suffix') this.compact(boundary);
    if (install === 'clears') {
      this.#outline.reset(boundary);
      this.#locations.reset(boundary.index + 1);
    }
    const first = heads[0];
    if (first !== undefined) this.#locations.truncateFrom(first.index);
    this.#outline.append(heads);
    for (const head of heads) this.#locations.push(segment, bodyOffset + head.offset, head.length);
    this.#state = { hardState, pendingRestore, confState: record.confState ?? this.#state.confState };
  }

  compact(boundary: TermRun): void {
    this.#outline.compactTo(boundary.index);
    this.#locations.dropTo(boundary.index);
  }

  move(heads: readonly StoredHead[], segment: number, bodyOffset: number): void {
    for (const head of heads) {
      this.#locations.move(head.index, segment, bodyOffset + head.offset, head.length);
    }
  }

  destroy(): void {
    this.#locations.reset(1);
  }

  /** `STORE_CORRUPT` when an entry that should be there is in no segment. */
  finish(): GroupLog {
    const { firstIndex, lastIndex } = this.#outline;
    for (let index = firstIndex; index <= lastIndex; index++) {
      if (this.#locations.get(index).segment !== 0) continue;
      throw corrupt(
        `entry ${String(index)} of group ${JSON.stringify(this.id)} lies in a segment that is missing`,
        { index, group: this.id },
      );
    }
    const state = new LogState({ ...this.#state, outline: this.#outline.toData() });
    return new GroupLog(this.id, state, this.#locations);
  }
}
