/** Reading and writing of the runtime's own small formats: big-endian, lengths in front, every read checked. */
import { BalsaError, readSafeInteger, writeSafeInteger } from '@balsa/raft-core';

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

export function utf8(text: string): Uint8Array {
  return encoder.encode(text);
}

/** Whether each element is one byte, also when it was made in another realm, as by test runners. */
export function isBytes(value: unknown): value is Uint8Array {
  return ArrayBuffer.isView(value) && 'BYTES_PER_ELEMENT' in value && value.BYTES_PER_ELEMENT === 1;
}

/** What to say of a value that is not bytes. Copied into bytes, text and numbers would become zeros and remainders. */
export function notBytes(value: unknown, what: string): string {
  const got = value?.constructor.name ?? String(value);
  return `${what} has to be a Uint8Array, but is ${got}: encode it first`;
}

/** Grows as needed. */
export class ByteWriter {
  #bytes: Uint8Array;
  #view: DataView;
  #at = 0;

  constructor(capacity = 256) {
    this.#bytes = new Uint8Array(capacity);
    this.#view = new DataView(this.#bytes.buffer);
  }

  u8(value: number): this {
    this.#room(1);
    this.#bytes[this.#at++] = value;
    return this;
  }

  u32(value: number): this {
    this.#room(4);
    this.#view.setUint32(this.#at, value);
    this.#at += 4;
    return this;
  }

  /** A safe integer in eight bytes. */
  u64(value: number): this {
    this.#room(8);
    writeSafeInteger(this.#view, this.#at, value);
    this.#at += 8;
    return this;
  }

  raw(bytes: Uint8Array): this {
    this.#room(bytes.length);
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
    return this;
  }

  bytes(bytes: Uint8Array): this {
    return this.u32(bytes.length).raw(bytes);
  }

  text(text: string): this {
    return this.bytes(utf8(text));
  }

  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#at);
  }

  #room(more: number): void {
    if (this.#at + more <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#at + more));
    grown.set(this.#bytes);
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }
}

/** Throws `WIRE_MALFORMED`, naming what was read, on anything that does not fit. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #what: string;
  #at = 0;

  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#what = what;
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4));
  }

  u64(): number {
    const value = readSafeInteger(this.#view, this.#take(8));
    if (!Number.isSafeInteger(value)) throw this.malformed('a number is not a safe integer');
    return value;
  }

  raw(length: number): Uint8Array {
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  bytes(): Uint8Array {
    return this.raw(this.u32());
  }

  text(): string {
    try {
      return decoder.decode(this.bytes());
    } catch (error) {
      throw new BalsaError('WIRE_MALFORMED', `${this.#what}: a text is not UTF-8 or too short`, {
        cause: error,
      });
    }
  }

  /** How many items follow; each takes at least `least` bytes, so that a lying count allocates nothing. */
  count(least: number): number {
    const n = this.u32();
    if (n * least > this.#bytes.length - this.#at) throw this.malformed(`${String(n)} items do not fit`);
    return n;
  }

  get more(): boolean {
    return this.#at < this.#bytes.length;
  }

  end(): void {
    if (this.#at !== this.#bytes.length) throw this.malformed('bytes are left over');
  }

  malformed(why: string): BalsaError {
    return new BalsaError('WIRE_MALFORMED', `${this.#what}: ${why}`);
  }

  #take(length: number): number {
    const at = this.#at;
    if (at + length > this.#bytes.length)
      throw this.malformed(
        `needs ${String(length)} bytes at ${String(at)}, has ${String(this.#bytes.length - at)}`,
      );
    this.#at = at + length;
    return at;
  }
}

/** Sixteen hexadecimal digits as eight bytes. */
export function hexBytes(hex: string): Uint8Array {
  return Uint8Array.from({ length: 8 }, (_, i) => Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16));
}
