/** Reading protobuf from bytes that nobody vouches for. */
import { BalsaError } from '../errors.ts';
import { LocalApplyThread } from '../message.ts';
import { EmptyBytes, type NodeId } from '../types.ts';
import { WireType } from './varint.ts';

const TwoTo28 = 0x1000_0000;
const TwoTo32 = 0x1_0000_0000;

/** The error of all decoders: what was wrong and where. */
export function malformed(what: string, at: number): never {
  throw new BalsaError('WIRE_MALFORMED', `${what} at byte ${String(at)}`, { details: { offset: at } });
}

/**
 * A cursor over a message. All its failures are `WIRE_MALFORMED`. It allocates nothing on the strength of
 * an announced length: a length is checked against the bytes that are there before it is used.
 */
export class Reader {
  #bytes: Uint8Array;
  /** The buffer under `#bytes`, once a payload was read: to ask for it costs as much as to make a view of it. */
  #buffer: ArrayBufferLike | undefined;
  #byteOffset = 0;
  #at: number;
  #end: number;
  /** The parts of the last varint, from which a signed one is put together: 28, 28 and 8 bits. */
  #low = 0;
  #middle = 0;
  #high = 0;
  /** Whether the varint being read goes on. */
  #open = false;

  /** Over `[start, end)` of `bytes`. */
  constructor(bytes: Uint8Array, start = 0, end: number = bytes.length) {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = Math.min(end, bytes.length);
  }

  /** Begins anew, over `[start, end)` of `bytes`. */
  reset(bytes: Uint8Array, start: number, end: number): void {
    this.#bytes = bytes;
    this.#buffer = undefined;
    this.#at = start;
    this.#end = Math.min(end, bytes.length);
  }

  /** Whether the present message has more fields. */
  get more(): boolean {
    return this.#at < this.#end;
  }

  /** The tag of the next field. */
  tag(): number {
    const start = this.#at;
    // Field numbers below 16, which are nearly all, make tags of one byte.
    const byte = start < this.#end ? (this.#bytes[start] ?? 0) : 0;
    if (byte >= 8 && byte < 0x80) {
      this.#at = start + 1;
      return byte;
    }
    const tag = this.uint();
    if (tag < 8 || tag >= TwoTo32) malformed('field number out of range', start);
    return tag;
  }

  /** An unsigned number. Above the safe integers it is refused: nothing here can hold it exactly. */
  uint(): number {
    const at = this.#at;
    // Most numbers take one to three bytes: terms and ids one, lengths two, indexes three.
    if (at + 2 < this.#end) {
      const bytes = this.#bytes;
      const a = bytes[at] ?? 0;
      if (a < 0x80) {
        this.#at = at + 1;
        return a;
      }
      const b = bytes[at + 1] ?? 0;
      if (b < 0x80) {
        this.#at = at + 2;
        return (a & 0x7f) | (b << 7);
      }
      const c = bytes[at + 2] ?? 0;
      if (c < 0x80) {
        this.#at = at + 3;
        return (a & 0x7f) | ((b & 0x7f) << 7) | (c << 14);
      }
    }
    this.#varint();
    const value = this.#middle * TwoTo28 + this.#low;
    if (this.#high > 0 || value > Number.MAX_SAFE_INTEGER) malformed('number above the safe integers', at);
    return value;
  }

  /**
   * The number of the field `tag`, when that one is next and short; else -1, and nothing is read. Fields mostly come
   * in the order of their numbers: whoever looks for each at its place reads without a choice for each tag.
   */
  shortField(tag: number): number {
    const at = this.#at;
    const bytes = this.#bytes;
    if (at + 3 >= this.#end || bytes[at] !== tag) return -1;
    const a = bytes[at + 1] ?? 0;
    if (a < 0x80) {
      this.#at = at + 2;
      return a;
    }
    const b = bytes[at + 2] ?? 0;
    if (b < 0x80) {
      this.#at = at + 3;
      return (a & 0x7f) | (b << 7);
    }
    const c = bytes[at + 3] ?? 0;
    if (c >= 0x80) return -1;
    this.#at = at + 4;
    return (a & 0x7f) | ((b & 0x7f) << 7) | (c << 14);
  }

  /** A signed number (int64). */
  int(): number {
    const start = this.#at;
    this.#varint();
    const low = (this.#low | (this.#middle << 28)) >>> 0;
    const high = (this.#middle >>> 4) | (this.#high << 24);
    const value = high * TwoTo32 + low;
    if (!Number.isSafeInteger(value)) malformed('number outside the safe integers', start);
    return value;
  }

  bool(): boolean {
    this.#varint();
    return (this.#low | this.#middle | this.#high) !== 0;
  }

  /** An enum value in `[0, max]`. */
  enumeration(max: number, name: string): number {
    const start = this.#at;
    const value = this.uint();
    if (value > max) malformed(`unknown ${name} ${String(value)}`, start);
    return value;
  }

  /** A node id. Those of the local threads are refused: a peer that used them could fake a durable write. */
  nodeId(): NodeId {
    const start = this.#at;
    const id = this.uint();
    if (id >= LocalApplyThread) malformed('node id reserved for a local thread', start);
    return id;
  }

  /** A payload, as a view of the bytes given: it shares their memory and keeps all of it alive. */
  bytes(): Uint8Array {
    const length = this.passBytes();
    return length === 0 ? EmptyBytes : this.view(this.#at - length, length);
  }

  /** Goes behind a payload; returns its length. */
  passBytes(): number {
    const length = this.#length();
    this.#at += length;
    return length;
  }

  /** A part of the bytes given, sharing their memory. */
  view(start: number, length: number): Uint8Array {
    return new Uint8Array(this.#buffer ?? this.#findBuffer(), this.#byteOffset + start, length);
  }

  /** The bytes given. */
  get source(): Uint8Array {
    return this.#bytes;
  }

  /** Where in `source` the next byte to read is. */
  get position(): number {
    return this.#at;
  }

  #findBuffer(): ArrayBufferLike {
    this.#buffer = this.#bytes.buffer;
    this.#byteOffset = this.#bytes.byteOffset;
    return this.#buffer;
  }

  /** Narrows the cursor to an embedded message; give what it returns to `leave`. */
  enter(): number {
    const length = this.#length();
    const outer = this.#end;
    this.#end = this.#at + length;
    return outer;
  }

  leave(outer: number): void {
    this.#end = outer;
  }

  /** Passes over a field that is not known here, as a newer peer may send it. Groups, long gone from protobuf, are refused. */
  skip(tag: number): void {
    const start = this.#at;
    const type = tag & 7;
    if (type === WireType.Varint) this.#varint();
    else if (type === WireType.Bytes) this.#advance(this.#length());
    else if (type === WireType.Fixed64) this.#advance(8);
    else if (type === WireType.Fixed32) this.#advance(4);
    else malformed(`wire type ${String(type)}`, start);
  }

  #advance(length: number): void {
    if (length > this.#end - this.#at) malformed('truncated field', this.#at);
    this.#at += length;
  }

  #length(): number {
    const start = this.#at;
    const length = this.uint();
    if (length > this.#end - this.#at) malformed(`length ${String(length)} beyond the end`, start);
    return length;
  }

  /** Reads a varint of at most ten bytes into its three parts. */
  #varint(): void {
    const start = this.#at;
    this.#low = this.#part(start, 4);
    this.#middle = this.#open ? this.#part(start, 4) : 0;
    this.#high = this.#open ? this.#part(start, 2) : 0;
    if (this.#open || this.#high > 0xff) malformed('varint longer than 64 bits', start);
  }

  /** Up to `limit` groups of seven bits; leaves in `#open` whether more follow. */
  #part(start: number, limit: number): number {
    let value = 0;
    for (let i = 0; i < limit; i++) {
      if (this.#at >= this.#end) malformed('truncated number', start);
      const byte = this.#bytes[this.#at++] ?? 0;
      value |= (byte & 0x7f) << (7 * i);
      if (byte < 0x80) {
        this.#open = false;
        return value;
      }
    }
    this.#open = true;
    return value;
  }
}
