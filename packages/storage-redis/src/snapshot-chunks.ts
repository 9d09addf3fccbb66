/** The chunks of snapshots: one key each, which nothing refers to until the snapshot is recorded in the log. */
import { crc32 } from '@balsa/storage-kit';
import { corrupt } from './errors.ts';
import type { GroupPlace } from './group-log.ts';
import type { LogWriter } from './log-writer.ts';
import { dropScript, pieceScript } from './scripts.ts';

const checksumBytes = 4;
/** Bytes that are sent at once: the server does nothing else while it takes and syncs them. */
const pieceBytes = checksumBytes + 64 * 1024;
/** Chunks removed at once. */
const removedAtOnce = 1;

export class SnapshotChunks {
  readonly #place: GroupPlace;
  readonly #writer: LogWriter;

  constructor(place: GroupPlace, writer: LogWriter) {
    this.#place = place;
    this.#writer = writer;
  }

  /**
   * Durable when it resolves. `untilFree` is waited for before each piece, with the bytes of it. What was written
   * in part when it rejects, `remove` removes.
   */
  async write(
    snapshot: string,
    n: number,
    chunk: Uint8Array,
    untilFree: (bytes: number) => Promise<void>,
  ): Promise<void> {
    const { keys } = this.#place;
    const key = keys.chunk(snapshot, n);
    const value = Buffer.allocUnsafe(checksumBytes + chunk.length);
    value.writeUInt32BE(this.#checksum(snapshot, n, chunk));
    value.set(chunk, checksumBytes);
    for (let at = 0; at < value.length; at += pieceBytes) {
      const piece = value.subarray(at, at + pieceBytes);
      await untilFree(piece.length);
      const args = [this.#writer.epoch, piece, String(at + piece.length)];
      await this.#writer.prepare(pieceScript, [keys.head, key], args, `writing chunk ${String(n)}`);
    }
  }

  /** `STORE_CORRUPT` naming the chunk unless it is what was written. */
  async read(snapshot: string, n: number): Promise<Uint8Array> {
    const key = this.#place.keys.chunk(snapshot, n);
    const reply = await this.#writer.read('get', [key], `read chunk ${String(n)} of snapshot ${snapshot}`);
    if (Buffer.isBuffer(reply) && reply.length >= checksumBytes) {
      const chunk = Uint8Array.from(reply.subarray(checksumBytes));
      if (this.#checksum(snapshot, n, chunk) === reply.readUInt32BE()) return chunk;
    }
    throw corrupt(`chunk ${String(n)} of snapshot ${snapshot} is missing or does not match its checksum`, {
      snapshot,
      chunk: n,
    });
  }

  /** Removes a few chunks from `n` on; gives how many there were, 0 when there are no more. */
  async remove(snapshot: string, n: number): Promise<number> {
    const { keys } = this.#place;
    const doomed = Array.from({ length: removedAtOnce }, (_, i) => keys.chunk(snapshot, n + i));
    const reply = await this.#writer.prepare(
      dropScript,
      [keys.head, ...doomed],
      [this.#writer.epoch],
      `removing chunks of snapshot ${snapshot}`,
    );
    return Number(reply);
  }

  #checksum(snapshot: string, n: number, chunk: Uint8Array): number {
    const { storeId, field } = this.#place;
    const place = [storeId, field, snapshot, n, chunk.length].join(' ');
    return crc32(chunk, crc32(Buffer.from(place)));
  }
}
