/** What a group is found to be when it is opened: its segments read from first to last, everything checked. */
import { EmptyConfState, EmptyHardState, EmptyOutline, Outline, type SnapshotId } from '@balsa/raft-core';
import { corrupt } from './errors.ts';
import {
  parseRecord,
  recordChecksum,
  recordHeadBytes,
  type GroupState,
  type KnownSnapshot,
  type LogRecord,
  type StoredHead,
} from './format.ts';
import { segmentSeed, type GroupContents, type GroupPlace } from './group-log.ts';
import type { GroupHead } from './head.ts';
import { Locations } from './locations.ts';

/** Bytes asked for at once. */
const readBytes = 512 * 1024;

/** Reads `length` bytes of a key from `offset`; fewer where it ends. */
export type ReadRange = (key: string, offset: number, length: number) => Promise<Uint8Array>;

/** Gives the bytes of one segment from front to back. */
class SegmentReader {
  readonly #read: ReadRange;
  readonly #key: string;
  #held: Uint8Array = new Uint8Array(0);
  /** Of `#held`, from the beginning of the segment. */
  #offset = 0;

  constructor(read: ReadRange, key: string) {
    this.#read = read;
    this.#key = key;
  }

  /** The next `length` bytes, or what is left of them. A view, good until the next call. */
  async peek(length: number): Promise<Uint8Array> {
    if (this.#held.length < length) {
      const from = this.#offset + this.#held.length;
      const more = await this.#read(this.#key, from, Math.max(readBytes, length - this.#held.length));
      const joined = new Uint8Array(this.#held.length + more.length);
      joined.set(this.#held);
      joined.set(more, this.#held.length);
      this.#held = joined;
    }
    return this.#held.subarray(0, length);
  }

  skip(length: number): void {
    this.#held = this.#held.subarray(length);
    this.#offset += length;
  }
}

/**
 * Reads a group back. `STORE_CORRUPT` when anything is missing, damaged, out of place, or there is more
 * than the head says: a script writes all of it or nothing, so nothing may differ.
 *
 * With `mayBeTorn`, the last write was not acknowledged as far as anybody knows. A power cut may have left a
 * hole in it, which the server loads all the same: then it is left out, and the head given is the one to be set.
 */
export async function recoverGroup(
  place: GroupPlace,
  head: GroupHead,
  read: ReadRange,
  mayBeTorn: boolean,
): Promise<GroupContents> {
  return new Recovery(place, head, read, mayBeTorn).run();
}

class Recovery {
  readonly #place: GroupPlace;
  readonly #head: GroupHead;
  readonly #read: ReadRange;
  readonly #mayBeTorn: boolean;
  #isTorn = false;
  readonly #segments = new Map<number, number>();
  readonly #snapshots = new Map<SnapshotId, KnownSnapshot>();
  #state: Omit<GroupState, 'outline' | 'snapshots' | 'group' | 'chain' | 'previousBytes'> = {
    hardState: EmptyHardState,
    confState: { index: 0, state: EmptyConfState },
  };
  #outline = new Outline(EmptyOutline);
  #locations = new Locations(1);
  #chain = 0;
  #sequence = 0;
  #bytes = 0;

  constructor(place: GroupPlace, head: GroupHead, read: ReadRange, mayBeTorn: boolean) {
    this.#place = place;
    this.#head = head;
    this.#read = read;
    this.#mayBeTorn = mayBeTorn;
  }

  async run(): Promise<GroupContents> {
    const { firstSegment, lastSegment } = this.#head;
    for (let segment = firstSegment; segment <= lastSegment; segment++) await this.#segment(segment);
    this.#checkEnd();
    const { pendingRestore } = this.#state;
    return {
      head: this.#isTorn ? this.#headWithoutTail() : this.#head,
      data: { ...this.#state, pendingRestore, outline: this.#outline.toData() },
      locations: this.#locations,
      snapshots: this.#snapshots,
      segments: this.#segments,
    };
  }

  async #segment(segment: number): Promise<void> {
    const reader = new SegmentReader(this.#read, this.#place.keys.segment(segment));
    let chain = segmentSeed(this.#place, segment);
    let offset = 0;
    for (;;) {
      const head = await reader.peek(recordHeadBytes);
      if (head.length === 0) break;
      const length =
        head.length < recordHeadBytes ? 0 : new DataView(head.buffer, head.byteOffset).getUint32(0);
      const record = await reader.peek(recordHeadBytes + length);
      const stated =
        head.length < recordHeadBytes ? -1 : new DataView(record.buffer, record.byteOffset).getUint32(4);
      if (record.length !== recordHeadBytes + length || recordChecksum(record, chain) !== stated) {
        const isLast = segment === this.#head.lastSegment && offset >= this.#head.lastOffset;
        this.#isTorn = isLast && this.#mayBeTorn;
        if (this.#isTorn) break;
        throw this.#damaged(segment, `the record at byte ${String(offset)} does not match its checksum`);
      }
      chain = stated;
      this.#record(parseRecord(record), segment, offset);
      reader.skip(record.length);
      offset += record.length;
    }
    // What began the segment was a part of the write that is left out.
    if (this.#isTorn && this.#head.lastOffset === 0) return;
    if (offset === 0) throw this.#damaged(segment, 'it is missing');
    this.#segments.set(segment, offset);
    this.#chain = chain;
    this.#bytes = offset;
  }

  #record(record: LogRecord, segment: number, offset: number): void {
    if ((record.kind === 'state') !== (offset === 0)) {
      throw this.#damaged(segment, `there is a ${record.kind} record at byte ${String(offset)}`);
    }
    if (record.sequence < this.#sequence) {
      throw this.#damaged(segment, `the record at byte ${String(offset)} is older than the one before it`);
    }
    this.#sequence = record.sequence;
    switch (record.kind) {
      case 'state':
        this.#begin(record.state, segment);
        return;
      case 'write':
        this.#write(record, segment, offset);
        return;
      case 'compact':
        this.#compact(record.boundary.index);
        return;
      case 'snapshot': {
        const { change } = record;
        if (change.status === 'gone') this.#snapshots.delete(change.id);
        else this.#snapshots.set(change.id, change);
        return;
      }
      case 'move':
        for (const head of record.heads) {
          this.#locations.move(head.index, segment, offset + head.offset, head.length);
        }
    }
  }

  /** Where the log begins, the state is news; later it must follow from what was read. */
  #begin(state: GroupState, segment: number): void {
    if (state.group !== this.#place.id) {
      throw this.#damaged(segment, `it belongs to group ${JSON.stringify(state.group)}`);
    }
    if (segment !== this.#head.firstSegment) {
      if (state.chain === this.#chain && state.previousBytes === this.#bytes) return;
      throw this.#damaged(segment, 'it does not follow from the segment before it');
    }
    const { hardState, confState, pendingRestore, outline, snapshots } = state;
    this.#state = { hardState, confState, ...(pendingRestore === undefined ? {} : { pendingRestore }) };
    this.#outline = new Outline(outline);
    this.#locations = new Locations(this.#outline.firstIndex);
    // They lie in segments that may be gone: where is not known until a later record says it.
    for (let i = this.#outline.firstIndex; i <= this.#outline.lastIndex; i++) this.#locations.push(0, 0, 0);
    for (const snapshot of snapshots) this.#snapshots.set(snapshot.id, snapshot);
  }

  #write(record: Extract<LogRecord, { kind: 'write' }>, segment: number, offset: number): void {
    const { boundary, install, heads, hardState, pendingRestore } = record;
    if (install === 'keeps-suffix') this.#compact(boundary.index);
    if (install === 'clears') {
      this.#outline.reset(boundary);
      this.#locations.reset(boundary.index + 1);
    }
    this.#addEntries(heads, segment, offset);
    this.#state = {
      hardState,
      confState: record.confState ?? this.#state.confState,
      ...(pendingRestore === undefined ? {} : { pendingRestore }),
    };
  }

  #addEntries(heads: readonly StoredHead[], segment: number, offset: number): void {
    const [first] = heads;
    if (first === undefined) return;
    this.#locations.truncateFrom(first.index);
    this.#outline.append(heads);
    for (const head of heads) this.#locations.push(segment, offset + head.offset, head.length);
  }

  #compact(index: number): void {
    this.#outline.compactTo(index);
    this.#locations.dropTo(index);
  }

  /** Its sequence stays: the watermark may know it. */
  #headWithoutTail(): GroupHead {
    const lastSegment = [...this.#segments.keys()].at(-1) ?? this.#head.firstSegment - 1;
    return {
      ...this.#head,
      lastSegment,
      bytes: this.#bytes,
      lastOffset: this.#bytes,
      chain: this.#chain,
    };
  }

  #checkEnd(): void {
    const { lastSegment, bytes, chain, sequence } = this.#head;
    if (lastSegment === 0) return;
    // Removing segments sets the head only: its sequence may be above that of the last record.
    const isOther = this.#bytes !== bytes || this.#chain !== chain || this.#sequence > sequence;
    if (isOther && !this.#isTorn) {
      throw this.#damaged(
        lastSegment,
        `it ends at byte ${String(this.#bytes)} with write ${String(this.#sequence)}, its head says ${String(bytes)} and ${String(sequence)}`,
      );
    }
    const { firstIndex, lastIndex } = this.#outline;
    for (let index = firstIndex; index <= lastIndex; index++) {
      if (this.#locations.get(index).segment !== 0) continue;
      throw corrupt(`entry ${String(index)} of ${this.#what} lies in a segment that is missing`, {
        group: this.#place.id,
        index,
      });
    }
    if (this.#state.hardState.commit > lastIndex) {
      throw corrupt(
        `${this.#what}: commit ${String(this.#state.hardState.commit)} lies beyond the last entry`,
      );
    }
  }

  get #what(): string {
    return `group ${JSON.stringify(this.#place.id)}`;
  }

  #damaged(segment: number, what: string): Error {
    return corrupt(`segment ${String(segment)} of ${this.#what} is damaged: ${what}`, {
      group: this.#place.id,
      segment,
    });
  }
}
