/** Logs of formats 1 and 2, which had a row for each entry. They are read, to be verified and brought up to date; nothing writes them. */
import {
  EmptyBytes,
  Entry,
  EntryType,
  Outline,
  type Env,
  type LogIndex,
  type OutlineData,
  type Term,
} from '@balsa/raft-core';
import { crc32, yieldTo } from '@balsa/storage-kit';
import { corrupt } from './errors.ts';
import { tableName } from './log-table.ts';
import type { Connection, GroupRow } from './schema.ts';

/** A stored entry without its payload. */
interface LegacyHead {
  readonly index: LogIndex;
  readonly term: Term;
  readonly type: EntryType;
  readonly crc: number;
  readonly chain: number;
}

const knownTypes: ReadonlySet<number> = new Set(Object.values(EntryType));
/** Rows looked at before the event loop gets its turn. */
const headsPerSlice = 2048;
const payloadsPerSlice = { rows: 1024, bytes: 4 * 1024 * 1024 } as const;

function bytesOf(value: Buffer | null): Uint8Array {
  if (value === null || value.length === 0) return EmptyBytes;
  return new Uint8Array(value.buffer, value.byteOffset, value.length);
}

/** The chain value after an entry whose own checksum is `crc`. */
function legacyChain(previous: number, crc: number): number {
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, previous);
  view.setUint32(4, crc);
  return crc32(bytes);
}

export class LegacyLog {
  readonly #db: Connection;
  readonly #row: GroupRow;
  readonly #groupId: string;
  readonly #env: Env;

  constructor(db: Connection, row: GroupRow, groupId: string, env: Env) {
    this.#db = db;
    this.#row = row;
    this.#groupId = groupId;
    this.#env = env;
  }

  /** `STORE_CORRUPT` when entries are missing, out of place, of another time, or more than were acknowledged. */
  async outline(): Promise<OutlineData> {
    const row = this.#row;
    const boundary = { index: row.boundaryIndex, term: row.boundaryTerm };
    const outline = new Outline({ boundary, runs: [], confIndexes: [], lastIndex: boundary.index });
    let last = boundary.index;
    let lastTerm = boundary.term;
    let lastChain = row.boundaryChain;
    for (;;) {
      const heads = this.#heads(last);
      for (const head of heads) {
        if (head.index !== last + 1) throw this.#wrong(last + 1, 'is missing');
        if (head.index > row.lastIndex)
          throw this.#wrong(head.index, `lies beyond the last one, ${String(row.lastIndex)}`);
        if (!Number.isSafeInteger(head.term) || head.term < lastTerm)
          throw this.#wrong(head.index, 'has a term below the one before it');
        lastChain = legacyChain(lastChain, head.crc);
        if (head.chain !== lastChain)
          throw this.#wrong(head.index, 'does not follow from the entry before it');
        last = head.index;
        lastTerm = head.term;
      }
      outline.append(heads);
      if (heads.length < headsPerSlice) break;
      await yieldTo(this.#env);
    }
    if (last !== row.lastIndex)
      throw this.#wrong(last + 1, `is missing; the last one is ${String(row.lastIndex)}`);
    if (lastChain !== row.lastChain) throw this.#wrong(last, 'is not the one that was written last');
    return outline.toData();
  }

  /** All entries, each verified, in slices that each block the event loop for a bounded time. */
  async *slices(checksum: (entry: Entry) => number): AsyncGenerator<Entry[]> {
    for (let next = this.#row.boundaryIndex + 1; next <= this.#row.lastIndex;) {
      const entries = this.#read(next, checksum);
      yield entries;
      next += entries.length;
      await yieldTo(this.#env);
    }
  }

  #heads(after: LogIndex): LegacyHead[] {
    const rows = this.#db
      .prepare(
        `SELECT idx, term, type, crc, chain FROM ${tableName(this.#row.logId)} WHERE idx > ? ORDER BY idx LIMIT ?`,
      )
      .raw()
      .all(after, headsPerSlice) as [number, number, EntryType, number, number][];
    return rows.map(([index, term, type, crc, chain]) => ({ index, term, type, crc, chain }));
  }

  #read(low: LogIndex, checksum: (entry: Entry) => number): Entry[] {
    const entries: Entry[] = [];
    let bytes = 0;
    const rows = this.#db
      .prepare(
        `SELECT idx, term, type, crc, context, data FROM ${tableName(this.#row.logId)} WHERE idx >= ? ORDER BY idx LIMIT ?`,
      )
      .raw()
      .iterate(low, payloadsPerSlice.rows) as IterableIterator<
      [number, number, EntryType, number, Buffer | null, Buffer | null]
    >;
    for (const [index, term, type, crc, context, data] of rows) {
      if (index !== low + entries.length) throw this.#wrong(low + entries.length, 'is missing');
      const entry = new Entry(term, index, type, bytesOf(data), bytesOf(context));
      const intact = Number.isSafeInteger(term) && knownTypes.has(type) && checksum(entry) === crc;
      if (!intact) throw this.#wrong(index, 'does not match its checksum');
      entries.push(entry);
      bytes += entry.data.length + entry.context.length;
      if (bytes >= payloadsPerSlice.bytes) break;
    }
    if (entries.length === 0) throw this.#wrong(low, 'is missing');
    return entries;
  }

  #wrong(index: LogIndex, what: string): Error {
    return corrupt(`group ${JSON.stringify(this.#groupId)}: entry ${String(index)} ${what}`, {
      groupId: this.#groupId,
      index,
    });
  }
}
