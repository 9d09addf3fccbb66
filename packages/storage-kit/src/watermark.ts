/**
 * A small file beside a database that remembers how far its acknowledged writes went.
 *
 * SQLite, RocksDB and Redis all reopen without an error after one flipped bit in the middle of their
 * write-ahead log, and silently miss everything behind it. The database carries a write sequence that
 * grows with every durable write; this file, which the database knows nothing of, holds a lower bound
 * of it. A database that opens below the bound has lost acknowledged writes.
 *
 * Format: two slots, 4096 bytes apart, each magic, version, identity, sequence and CRC-32. The slot
 * that was synced last is never written to, so a torn write costs only what was not synced anyway.
 */
import { crc32 } from './crc.ts';
import { BalsaError, assertSafeInteger, readSafeInteger, writeSafeInteger } from '@balsa/raft-core';
import { mapIo, writeFileDurably } from './durable.ts';
import type { FileHandle, FileSystem } from './file-system.ts';

const magic = 0x42_57_4d_31; // "BWM1"
const slotStride = 4096;
const slotBytes = 32;
const fileBytes = slotStride + slotBytes;

interface Slot {
  readonly identity: string;
  readonly sequence: number;
}

/** Slots of one watermark, one after another in the same bytes: each is written before the next is encoded. */
class SlotEncoder {
  readonly #bytes = new Uint8Array(slotBytes);
  readonly #checked = this.#bytes.subarray(0, 28);
  readonly #view = new DataView(this.#bytes.buffer);

  constructor(identity: string) {
    this.#view.setUint32(0, magic);
    this.#view.setUint32(4, Number.parseInt(identity.slice(0, 8), 16));
    this.#view.setUint32(8, Number.parseInt(identity.slice(8), 16));
  }

  encode(sequence: number): Uint8Array {
    writeSafeInteger(this.#view, 12, sequence);
    this.#view.setUint32(28, crc32(this.#checked));
    return this.#bytes;
  }
}

function decodeSlot(bytes: Uint8Array): Slot | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, slotBytes);
  if (view.getUint32(0) !== magic || view.getUint32(28) !== crc32(bytes.subarray(0, 28))) return undefined;
  const hex = (offset: number): string => view.getUint32(offset).toString(16).padStart(8, '0');
  const sequence = readSafeInteger(view, 12);
  if (!Number.isSafeInteger(sequence)) return undefined;
  return { identity: hex(4) + hex(8), sequence };
}

export interface WatermarkOptions {
  readonly fs: FileSystem;
  readonly directory: string;
  /** Name of the file. */
  readonly name: string;
  /** Writes that the durable watermark may trail by: a sync is made when it would trail by more. */
  readonly lag: number;
}

/** One watermark file, opened by the owner of the database. Not shared. */
export class Watermark {
  /** Sixteen hexadecimal digits: the database holds the same, so that a watermark of another database is noticed. */
  readonly identity: string;
  readonly #path: string;
  readonly #handle: FileHandle;
  readonly #lag: number;
  readonly #encoder: SlotEncoder;
  /** What the file was told to hold, durable or not. */
  #sequence: number;
  #durable: number;
  /** The slot that may be written: not the one that holds `#durable`. */
  #slot: number;
  #wanted: number;
  #writing: Promise<void> | undefined;
  #failure: unknown;

  private constructor(options: WatermarkOptions, handle: FileHandle, found: Slot, slot: number) {
    this.identity = found.identity;
    this.#path = options.fs.join(options.directory, options.name);
    this.#handle = handle;
    this.#lag = options.lag;
    this.#encoder = new SlotEncoder(found.identity);
    this.#sequence = found.sequence;
    this.#durable = found.sequence;
    this.#wanted = found.sequence;
    this.#slot = slot;
  }

  /** Creates the file with sequence 0, durably. Done before the database that it watches is created. */
  static async create(options: WatermarkOptions, identity: string): Promise<Watermark> {
    const bytes = new Uint8Array(fileBytes);
    bytes.set(new SlotEncoder(identity).encode(0), 0);
    await writeFileDurably(options.fs, options.directory, options.name, bytes);
    const opened = await Watermark.open(options);
    if (opened === undefined)
      throw new BalsaError('STORE_IO', `${options.name} vanished while it was created`);
    return opened;
  }

  /** The watermark as found, or undefined when there is no file. `STORE_CORRUPT` when neither slot is valid. */
  static async open(options: WatermarkOptions): Promise<Watermark | undefined> {
    assertSafeInteger(options.lag, 'watermark lag', 1);
    const path = options.fs.join(options.directory, options.name);
    if ((await mapIo('look at', path, () => options.fs.size(path))) === undefined) return undefined;
    const handle = await mapIo('open', path, () => options.fs.open(path, 'update'));
    try {
      const slots: (Slot | undefined)[] = [];
      for (let i = 0; i < 2; i++) {
        const bytes = new Uint8Array(slotBytes);
        const length = await mapIo('read', path, () => handle.read(bytes, i * slotStride));
        slots.push(length === slotBytes ? decodeSlot(bytes) : undefined);
      }
      const best = (slots[1]?.sequence ?? -1) > (slots[0]?.sequence ?? -1) ? 1 : 0;
      const found = slots[best];
      if (found === undefined) {
        throw new BalsaError('STORE_CORRUPT', `both slots of the watermark ${path} are damaged`, {
          details: { path },
        });
      }
      // What is found may never have been synced; it is about to become the slot that is relied on.
      await mapIo('sync', path, () => handle.dataSync());
      return new Watermark(options, handle, found, 1 - best);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** The highest sequence that the file is known to hold or was told to hold. */
  get sequence(): number {
    return Math.max(this.#sequence, this.#wanted);
  }

  /** What survives a power cut. */
  get durableSequence(): number {
    return this.#durable;
  }

  /** Whether `advance(sequence, false)` would have to sync to keep the bound. */
  mustSync(sequence: number): boolean {
    return sequence - this.#durable >= this.#lag;
  }

  /**
   * Notes that everything up to `sequence` is durable in the database. Returns at once for an ordinary
   * write: the file is written without a sync, here and now where the file system can, otherwise behind, and
   * what comes during a sync is written by the next call. Resolves after a sync when `mustBeDurable` or when
   * the file would trail by `lag` writes.
   * Rejects with `STORE_UNKNOWN_OUTCOME` when the file cannot be written, now or behind an earlier call:
   * the write is in the database, but nobody would notice its loss.
   */
  advance(sequence: number, mustBeDurable: boolean): Promise<void> | undefined {
    if (sequence > this.#wanted) this.#wanted = sequence;
    if (this.#failure !== undefined) return this.#drain();
    if (mustBeDurable || this.mustSync(sequence)) return this.sync();
    if (this.#writing !== undefined) return undefined;
    if (this.#handle.writeNow !== undefined) return this.#writeNow();
    this.#writing = this.#writeBehind();
    return undefined;
  }

  /** Makes the newest sequence durable. */
  async sync(): Promise<void> {
    const target = this.#wanted;
    for (;;) {
      await this.#drain();
      if (this.#durable >= target) return;
      // Another caller may have begun in between; then its write is waited for first.
      this.#writing ??= this.#guard(async () => {
        await this.#write();
        await this.#handle.dataSync();
        this.#durable = this.#sequence;
        this.#slot = 1 - this.#slot;
      });
    }
  }

  /** Makes the newest sequence durable, unless writing failed before, and closes the file. */
  async close(): Promise<void> {
    try {
      await this.sync();
    } finally {
      await this.#handle.close();
    }
  }

  /** Waits for what is being written; throws what went wrong. */
  async #drain(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
    if (this.#failure !== undefined) {
      throw new BalsaError('STORE_UNKNOWN_OUTCOME', `cannot write the watermark ${this.#path}`, {
        cause: this.#failure,
        details: { path: this.#path },
      });
    }
  }

  #writeNow(): Promise<void> | undefined {
    const sequence = this.#wanted;
    try {
      this.#handle.writeNow?.(this.#encoder.encode(sequence), this.#slot * slotStride);
    } catch (error) {
      this.#failure = error;
      return this.#drain();
    }
    this.#sequence = sequence;
    return undefined;
  }

  #writeBehind(): Promise<void> {
    return this.#guard(async () => {
      while (this.#sequence < this.#wanted) await this.#write();
    });
  }

  async #write(): Promise<void> {
    const sequence = this.#wanted;
    await this.#handle.write([this.#encoder.encode(sequence)], this.#slot * slotStride);
    this.#sequence = sequence;
  }

  /** Never rejects: a failure is kept and reported by the next call, whoever makes it. */
  async #guard(run: () => Promise<void>): Promise<void> {
    try {
      await run();
    } catch (error) {
      this.#failure ??= error;
    } finally {
      this.#writing = undefined;
    }
  }
}
