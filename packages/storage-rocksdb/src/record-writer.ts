/**
 * The records that every batch writes, as `seal` would make them, without making a string first: it happens right
 * behind a sync, where the caches are cold and the way through `JSON.stringify` takes as long as all else together.
 */
import { crc32 } from '@balsa/storage-kit';
import { crcBytes } from './records.ts';

export const ascii = { comma: 0x2c, open: 0x5b, close: 0x5d } as const;

/** Digits of a safe integer, a comma, and a bracket on either side. */
const numberBytes = 19;

/** All writers write here, so that a record holds until the next is begun: for who copies each before. */
let scratch = Buffer.alloc(1024);
/** Views of the scratch bytes by where they end: making one takes longer than filling it. */
let sealedViews: Buffer[] = [];
let checkedViews: Buffer[] = [];

function reserve(bytes: number): void {
  if (scratch.length >= bytes) return;
  scratch = Buffer.alloc(2 * bytes);
  sealedViews = [];
  checkedViews = [];
}

/** Writes one record after another under the same key: JSON, checked together with its key. */
export class RecordWriter {
  readonly key: Buffer;
  readonly #keyCrc: number;
  #end = crcBytes;

  constructor(key: Buffer) {
    this.key = key;
    this.#keyCrc = crc32(key);
  }

  /** A record of so many numbers, and of `textBytes` of text. */
  begin(numbers: number, textBytes: number): void {
    reserve(crcBytes + numbers * numberBytes + textBytes);
    this.#end = crcBytes;
  }

  text(text: Uint8Array): void {
    scratch.set(text, this.#end);
    this.#end += text.length;
  }

  /** One character of ASCII. */
  character(code: number): void {
    scratch[this.#end++] = code;
  }

  /** A safe integer of 0 or more, and the character behind it. */
  number(value: number, behind: number): void {
    let at = this.#end + 1;
    for (let power = 10; power <= value; power *= 10) at++;
    scratch[at] = behind;
    this.#end = at + 1;
    let left = value;
    do {
      const tenth = Math.floor(left / 10);
      scratch[--at] = 0x30 + (left - tenth * 10);
      left = tenth;
    } while (left > 0);
  }

  /** The record that was written. */
  sealed(): Buffer {
    const end = this.#end;
    const checked = (checkedViews[end] ??= scratch.subarray(crcBytes, end));
    scratch.writeUInt32BE(crc32(checked, this.#keyCrc));
    return (sealedViews[end] ??= scratch.subarray(0, end));
  }
}
