/** Writing and reading the fields of a record, big-endian. */
import { readSafeInteger, writeSafeInteger } from '@balsa/raft-core';
import { corrupt } from './errors.ts';

/** Bytes that grow at the end. */
export class Builder {
  #bytes: Uint8Array;
  #view: DataView;
  #length = 0;

  constructor(capacity: number) {
    this.#bytes = new Uint8Array(capacity);
    this.#view = new DataView(this.#bytes.buffer);
  }

  get length(): number {
    return this.#length;
  }

  u8(value: number): void {
    const at = this.#claim(1);
    this.#view.setUint8(at, value);
  }

  u32(value: number): void {
    const at = this.#claim(4);
    this.#view.setUint32(at, value);
  }

  /** A safe integer, in eight bytes. */
  int(value: number): void {
    const at = this.#claim(8);
    writeSafeInteger(this.#view, at, value);
  }

  raw(bytes: Uint8Array): void {
    const at = this.#claim(bytes.length);
    this.#bytes.set(bytes, at);
  }

  /** Two bytes per UTF-16 unit, so that any two different strings differ. */
  text(value: string): void {
    this.u32(value.length);
    const at = this.#claim(value.length * 2);
    for (let i = 0; i < value.length; i++) this.#view.setUint16(at + 2 * i, value.charCodeAt(i));
  }

  /** What was built; shared with the builder, which is not used after it. */
  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Position of `count` fresh bytes. Called before `#view` and `#bytes` are looked at: it may replace them. */
  #claim(count: number): number {
    const at = this.#length;
    if (at + count > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(at + count, this.#bytes.length * 2));
      grown.set(this.#bytes);
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    this.#length = at + count;
    return at;
  }
}

/** Reads fields one after another; `STORE_CORRUPT` where the bytes end too early. */
export class Parser {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #what: string;
  #at = 0;

  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#what = what;
  }

  get at(): number {
    return this.#at;
  }

  get done(): boolean {
    return this.#at === this.#bytes.length;
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4));
  }

  int(): number {
    const value = readSafeInteger(this.#view, this.#take(8));
    if (!Number.isSafeInteger(value)) throw corrupt(`${this.#what} holds a number beyond the safe integers`);
    return value;
  }

  /** A view of the bytes given, not a copy. */
  raw(count: number): Uint8Array {
    const at = this.#take(count);
    return this.#bytes.subarray(at, at + count);
  }

  text(): string {
    const units = this.u32();
    const at = this.#take(units * 2);
    let value = '';
    for (let i = 0; i < units; i++) value += String.fromCharCode(this.#view.getUint16(at + 2 * i));
    return value;
  }

  #take(count: number): number {
    const at = this.#at;
    if (at + count > this.#bytes.length) throw corrupt(`${this.#what} ends too early`);
    this.#at = at + count;
    return at;
  }
}
