/**
 * Payloads that are ready before the clock runs. No two that are handed out are alike: a shared or zeroed
 * buffer flatters an engine that compresses what it writes.
 */
import { randomFillSync } from 'node:crypto';

/** `random` does not compress; `text` shrinks to about a quarter, as JSON of one kind does. */
export type PayloadKind = 'random' | 'text';

/** Payloads are views of pieces of this size, as those are that a socket brings: an adapter that clones what lies around them pays. */
const pieceBytes = 64 * 1024;
const pieces = 256;
/** Bytes at the head of a payload (as many as fit) that count, so that none repeats when the pool begins anew. */
const counterBytes = 8;

export class PayloadPool {
  readonly kind: PayloadKind;
  readonly #pieces: Buffer[];
  #piece = 0;
  #at = 0;
  #count = 0;

  constructor(kind: PayloadKind) {
    this.kind = kind;
    this.#pieces = Array.from({ length: pieces }, (_, n) => makePiece(kind, n, pieceBytes));
  }

  /** At most 64 KiB. Overwritten only after 16 MiB of others. */
  take(bytes: number): Uint8Array {
    if (this.#at + bytes > pieceBytes) {
      this.#at = 0;
      this.#piece = (this.#piece + 1) % pieces;
    }
    const piece = this.#pieces[this.#piece];
    if (piece === undefined || bytes > pieceBytes)
      throw new Error(`a payload has at most ${pieceBytes} bytes`);
    const payload = piece.subarray(this.#at, this.#at + bytes);
    this.#at += bytes;
    stamp(payload, ++this.#count);
    return payload;
  }
}

/** One stretch of bytes, for what is written as a whole: each one handed out begins elsewhere and is stamped. */
export class BytePool {
  readonly #bytes: Buffer;
  readonly #longest: number;
  #at = 0;
  #count = 0;

  constructor(kind: PayloadKind, longest: number) {
    this.#longest = longest;
    this.#bytes = makePiece(kind, 7, Math.max(8 * 1024 * 1024, longest * 2));
  }

  take(bytes: number): Buffer {
    if (this.#at + bytes > this.#bytes.length || bytes > this.#longest) this.#at = 0;
    const taken = this.#bytes.subarray(this.#at, this.#at + bytes);
    this.#at += bytes;
    stamp(taken, ++this.#count);
    return taken;
  }
}

function stamp(bytes: Buffer, count: number): void {
  if (bytes.length >= counterBytes) {
    bytes.writeUInt32BE(Math.floor(count / 2 ** 32), 0);
    bytes.writeUInt32BE(count >>> 0, 4);
  }
}

function makePiece(kind: PayloadKind, seed: number, bytes: number): Buffer {
  const piece = Buffer.alloc(bytes);
  if (kind === 'random') return randomFillSync(piece);
  let text = '';
  for (let n = 0; text.length < bytes; n++) {
    const id = (seed * 2_654_435_761 + n * 40_503) >>> 0;
    text += `{"id":${id},"user":"user-${id % 9973}","state":"${id % 3 === 0 ? 'open' : 'closed'}","amount":${id % 100_003}},`;
  }
  piece.write(text, 0, 'latin1');
  return piece;
}
