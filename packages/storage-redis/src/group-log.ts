/** One group in memory: its state, where its entries lie, and how it grows. */
import {
  entryChecksum,
  type Entry,
  type SnapshotId,
  type StoredSnapshot,
  type TermRun,
} from '@balsa/raft-core';
import { LogState, Turns, crc32, type LogStateData, type WritePlan } from '@balsa/storage-kit';
import {
  encodeState,
  encodedEntryBytes,
  sealRecord,
  type Allocate,
  type GroupState,
  type KnownSnapshot,
  type SnapshotChange,
} from './format.ts';
import { emptyGroupHead, encodeGroupHead, textCrc, type ExpectedHead, type GroupHead } from './head.ts';
import type { GroupKeys } from './keys.ts';
import { Locations } from './locations.ts';
import type { LogWriter } from './log-writer.ts';
import { writeScript } from './scripts.ts';
import { SendBuffer, type Payload } from './send-buffer.ts';

export interface GroupPlace {
  readonly id: string;
  /** Of the registry. */
  readonly field: string;
  readonly keys: GroupKeys;
  /** Of the store: no record of another one passes. */
  readonly storeId: string;
}

/** What the log of a group was found to hold. */
export interface GroupContents {
  readonly head: GroupHead;
  readonly data: LogStateData | undefined;
  readonly locations: Locations;
  readonly snapshots: Map<SnapshotId, KnownSnapshot>;
  /** Bytes of each segment, by ascending number. */
  readonly segments: Map<number, number>;
}

export function freshContents(): GroupContents {
  return {
    head: emptyGroupHead,
    data: undefined,
    locations: new Locations(1),
    snapshots: new Map(),
    segments: new Map(),
  };
}

/** One record to be written. */
export interface PreparedRecord {
  /** Its bytes lie where `allocate` says, or anywhere. */
  readonly encode: (sequence: number, allocate: Allocate) => Buffer;
  /** Called when it is durable, with the place where it lies. */
  readonly done: (segment: number, offset: number) => void;
  readonly syncWatermark: boolean;
}

export interface GroupLogOptions extends GroupPlace {
  readonly writer: LogWriter;
  readonly segmentBytes: number;
  /** Enters the group into the registry, durably, unless it is there. */
  readonly ensureRegistered: () => Promise<void>;
}

/** Where the chain of a segment begins. */
export function segmentSeed(place: Pick<GroupPlace, 'storeId' | 'field'>, segment: number): number {
  return crc32(Buffer.from(`${place.storeId}:${place.field}:${String(segment)}`));
}

export class GroupLog {
  readonly id: string;
  readonly state: LogState;
  readonly locations: Locations;
  readonly snapshots: Map<SnapshotId, KnownSnapshot>;
  readonly segments: Map<number, number>;
  readonly checksum: (entry: Entry) => number;
  /** Reads under way, by the lowest segment that each needs: none from there on is removed. */
  readonly #readers = new Map<symbol, number>();
  readonly #options: GroupLogOptions;
  readonly #what: string;
  readonly #fieldCrc: number;
  readonly #sendBuffer = new SendBuffer();
  #isRegistered = false;
  #head: GroupHead;
  #headText: string;
  /** Changes take effect one at a time, in the order asked for. */
  readonly #turns = new Turns();

  constructor(options: GroupLogOptions, contents: GroupContents) {
    this.id = options.id;
    this.#options = options;
    this.#what = `group ${JSON.stringify(options.id)}`;
    this.#fieldCrc = textCrc(options.field);
    this.state = new LogState(contents.data);
    this.locations = contents.locations;
    this.snapshots = contents.snapshots;
    this.segments = contents.segments;
    this.checksum = entryChecksum(options.id, crc32);
    this.#head = contents.head;
    this.#headText = this.#textOf(contents.head);
  }

  get keys(): GroupKeys {
    return this.#options.keys;
  }

  /** What the server has to hold. */
  get expectedHead(): ExpectedHead {
    return { key: this.keys.head, text: this.#headText };
  }

  get bytes(): number {
    let sum = 0;
    for (const bytes of this.segments.values()) sum += bytes;
    return sum;
  }

  snapshot(id: SnapshotId): StoredSnapshot | undefined {
    const known = this.snapshots.get(id);
    return known?.status === 'stored' ? known.stored : undefined;
  }

  /**
   * Writes one record. `prepare` runs when its turn has come: it may throw the refusal, or give undefined when
   * there is nothing to do.
   */
  submit(prepare: () => PreparedRecord | undefined): Promise<void> {
    return this.#turns.take(async () => {
      const { writer, ensureRegistered } = this.#options;
      writer.check();
      const prepared = prepare();
      if (prepared === undefined) return;
      if (!this.#isRegistered) await ensureRegistered();
      this.#isRegistered = true;
      if (!writer.connection.usable) await writer.ready();
      await this.#append(prepared);
    });
  }

  /** Removes whole segments at the beginning of the log that hold nothing live, at most so many. */
  removeSegments(most: number): Promise<void> {
    return this.#turns.take(async () => {
      const { writer, keys } = this.#options;
      writer.check();
      const dead = this.deadSegments().slice(0, most);
      const [last] = dead.slice(-1);
      if (last === undefined) return;
      await writer.ready();
      const next = {
        ...this.#head,
        sequence: writer.nextSequence(),
        firstSegment: last + 1,
        // What was written before was acknowledged: none of it may be torn.
        lastOffset: this.#head.bytes,
      };
      const nextText = this.#textOf(next);
      await writer.commit({
        what: `removing segments of ${this.#what}`,
        script: writeScript,
        keys: [keys.head, keys.segment(next.lastSegment), ...dead.map((number) => keys.segment(number))],
        args: [this.#headText, nextText, '0', ''],
        sequence: next.sequence,
        syncWatermark: false,
      });
      for (const number of dead) this.segments.delete(number);
      this.#head = next;
      this.#headText = nextText;
    });
  }

  /** Segments that `removeSegments` could remove now. */
  deadSegments(): number[] {
    const pinned = Math.min(...this.#readers.values());
    const dead: number[] = [];
    for (const number of this.segments.keys()) {
      const isLast = number === this.#head.lastSegment;
      if (isLast || number >= pinned || this.locations.liveBytesOf(number) > 0) break;
      dead.push(number);
    }
    return dead;
  }

  /** Keeps segments from `segment` on until the function that it gives is called. */
  pin(segment: number): () => void {
    const token = Symbol();
    this.#readers.set(token, segment);
    return () => {
      this.#readers.delete(token);
    };
  }

  /** Makes a plan, now durable, the present. */
  applied(plan: WritePlan, segment: number, firstEntry: number): void {
    const { locations } = this;
    if (plan.install?.keepsSuffix === true) locations.dropTo(plan.boundary.index);
    else if (plan.install !== undefined) locations.reset(plan.boundary.index + 1);
    if (plan.truncateFrom !== undefined) locations.truncateFrom(plan.truncateFrom);
    let at = firstEntry;
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

  /** The entries lie one after another from `firstEntry` on. */
  moved(entries: readonly Entry[], segment: number, firstEntry: number): void {
    let at = firstEntry;
    for (const entry of entries) {
      const length = encodedEntryBytes(entry);
      this.locations.move(entry.index, segment, at, length);
      at += length;
    }
  }

  changedSnapshot(change: SnapshotChange): void {
    if (change.status === 'gone') this.snapshots.delete(change.id);
    else this.snapshots.set(change.id, change);
  }

  async #append(prepared: PreparedRecord): Promise<void> {
    const { writer, keys, segmentBytes } = this.#options;
    const { lastSegment, bytes, chain } = this.#head;
    const sequence = writer.nextSequence();
    const begins = lastSegment === 0 || bytes >= segmentBytes;
    const segment = begins ? lastSegment + 1 : lastSegment;
    const state = begins ? encodeState(sequence, this.#snapshotOfState()) : undefined;
    const chainBefore = state === undefined ? chain : sealRecord(state, segmentSeed(this.#options, segment));
    let payload: Payload | undefined;
    const record = prepared.encode(sequence, (length) => {
      payload = this.#sendBuffer.take(length);
      return payload.bytes;
    });
    const nextChain = sealRecord(record, chainBefore);
    const offset = state === undefined ? bytes : state.length;
    const next: GroupHead = {
      sequence,
      firstSegment: this.#head.firstSegment,
      lastSegment: segment,
      bytes: offset + record.length,
      lastOffset: begins ? 0 : bytes,
      chain: nextChain,
    };
    const nextText = this.#textOf(next);
    await writer.commit({
      what: `a write of ${this.#what}`,
      script: writeScript,
      keys: [keys.head, keys.segment(segment)],
      args: [
        this.#headText,
        nextText,
        String(next.bytes),
        state === undefined ? (payload ?? record) : Buffer.concat([state, record]),
      ],
      sequence,
      syncWatermark: prepared.syncWatermark,
    });
    this.#head = next;
    this.#headText = nextText;
    this.segments.set(segment, next.bytes);
    prepared.done(segment, offset);
  }

  #snapshotOfState(): GroupState {
    const { hardState, confState, pendingRestore, outline } = this.state;
    return {
      group: this.id,
      hardState,
      confState,
      ...(pendingRestore === undefined ? {} : { pendingRestore }),
      outline: outline.toData(),
      snapshots: [...this.snapshots.values()],
      chain: this.#head.chain,
      previousBytes: this.#head.bytes,
    };
  }

  #textOf(head: GroupHead): string {
    return this.#options.writer.epoch + encodeGroupHead(this.#fieldCrc, head);
  }
}
