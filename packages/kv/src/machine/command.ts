/**
 * Commands as they stand in the log. This is a format on disk: versions are only ever added.
 *
 * Version 1: version byte, operation byte, operation's own bytes; `string` is an unsigned LEB128 length
 * and the bytes.
 *   SET     flags byte, key, value, comparand if IFEQ
 *   DEL     count (LEB128), keys
 *   INCRBY  8 bytes big-endian signed, key
 *   APPEND  key, value
 *   MSET    count of pairs (LEB128), key, value, ...
 */
import { BalsaError } from '@balsa/raft-core';

export type KvCommand =
  | {
      readonly op: 'set';
      readonly key: Uint8Array;
      readonly value: Uint8Array;
      readonly condition: SetCondition;
      /** Reply with the former value. */
      readonly get: boolean;
    }
  | { readonly op: 'del'; readonly keys: readonly Uint8Array[] }
  | { readonly op: 'incrby'; readonly key: Uint8Array; readonly delta: bigint }
  | { readonly op: 'append'; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly op: 'mset'; readonly pairs: readonly (readonly [Uint8Array, Uint8Array])[] };

export type SetCondition = 'always' | 'nx' | 'xx' | { readonly ifeq: Uint8Array };

export const commandVersion = 1;

const Op = { Set: 1, Del: 2, IncrBy: 3, Append: 4, MSet: 5 } as const;
const SetFlag = { Nx: 1, Xx: 2, Get: 4, IfEq: 8 } as const;

/** In memory from Node's pool, for the moment: a log copies it into its envelope. */
export function encodeCommand(command: KvCommand): Uint8Array {
  switch (command.op) {
    case 'set':
      return encodeSet(command);
    case 'del':
      return join([
        Uint8Array.of(commandVersion, Op.Del),
        varint(command.keys.length),
        ...command.keys.flatMap(str),
      ]);
    case 'incrby': {
      const head = Buffer.alloc(10);
      head[0] = commandVersion;
      head[1] = Op.IncrBy;
      head.writeBigInt64BE(command.delta, 2);
      return join([head, ...str(command.key)]);
    }
    case 'append':
      return join([Uint8Array.of(commandVersion, Op.Append), ...str(command.key), ...str(command.value)]);
    case 'mset': {
      const pairs = command.pairs.flatMap(([key, value]) => [...str(key), ...str(value)]);
      return join([Uint8Array.of(commandVersion, Op.MSet), varint(command.pairs.length), ...pairs]);
    }
  }
}

function encodeSet({ key, value, condition, get }: KvCommand & { readonly op: 'set' }): Uint8Array {
  let flags = get ? SetFlag.Get : 0;
  if (condition === 'nx') flags |= SetFlag.Nx;
  else if (condition === 'xx') flags |= SetFlag.Xx;
  else if (condition !== 'always') flags |= SetFlag.IfEq;
  const ifeq = typeof condition === 'object' ? condition.ifeq : undefined;
  const length = 3 + stringBytes(key) + stringBytes(value) + (ifeq === undefined ? 0 : stringBytes(ifeq));
  const bytes = Buffer.allocUnsafe(length);
  bytes[0] = commandVersion;
  bytes[1] = Op.Set;
  bytes[2] = flags;
  const at = putString(bytes, putString(bytes, 3, key), value);
  if (ifeq !== undefined) putString(bytes, at, ifeq);
  return bytes;
}

/**
 * The command in `data`, its strings views of it. `UNKNOWN_COMMAND_VERSION` for a version or an operation
 * that this code does not know, and for bytes that are no command: to skip one would make nodes differ.
 */
export function decodeCommand(data: Uint8Array): KvCommand {
  const reader = new Reader(data);
  const version = reader.byte();
  if (version !== commandVersion)
    throw unknown(`has version ${String(version)}; this node knows ${String(commandVersion)}`);
  const op = reader.byte();
  const command = decodeOp(op, reader);
  if (!reader.done) throw unknown(`of operation ${String(op)} has bytes behind its end`);
  return command;
}

function decodeOp(op: number, reader: Reader): KvCommand {
  switch (op) {
    case Op.Set:
      return decodeSet(reader);
    case Op.Del:
      return { op: 'del', keys: reader.list(() => reader.string()) };
    case Op.IncrBy: {
      const delta = reader.int64();
      return { op: 'incrby', key: reader.string(), delta };
    }
    case Op.Append: {
      const key = reader.string();
      return { op: 'append', key, value: reader.string() };
    }
    case Op.MSet:
      return { op: 'mset', pairs: reader.list(() => [reader.string(), reader.string()] as const) };
    default:
      throw unknown(`has operation ${String(op)}`);
  }
}

function decodeSet(reader: Reader): KvCommand {
  const flags = reader.byte();
  const key = reader.string();
  const value = reader.string();
  const get = (flags & SetFlag.Get) !== 0;
  switch (flags & ~SetFlag.Get) {
    case 0:
      return { op: 'set', key, value, get, condition: 'always' };
    case SetFlag.Nx:
      return { op: 'set', key, value, get, condition: 'nx' };
    case SetFlag.Xx:
      return { op: 'set', key, value, get, condition: 'xx' };
    case SetFlag.IfEq:
      return { op: 'set', key, value, get, condition: { ifeq: reader.string() } };
    default:
      throw unknown(`SET has flags ${String(flags)}`);
  }
}

class Reader {
  readonly #data: Uint8Array;
  #at = 0;

  constructor(data: Uint8Array) {
    this.#data = data;
  }

  get done(): boolean {
    return this.#at === this.#data.length;
  }

  byte(): number {
    const byte = this.#data[this.#at];
    if (byte === undefined) throw unknown('ends early');
    this.#at += 1;
    return byte;
  }

  varint(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw unknown('has a length of more than 35 bits');
  }

  string(): Uint8Array {
    const length = this.varint();
    const end = this.#at + length;
    if (end > this.#data.length) throw unknown('ends early');
    const { buffer, byteOffset } = this.#data;
    const bytes = new Uint8Array(buffer, byteOffset + this.#at, length);
    this.#at = end;
    return bytes;
  }

  int64(): bigint {
    let value = 0n;
    for (let i = 0; i < 8; i += 1) value = (value << 8n) | BigInt(this.byte());
    return BigInt.asIntN(64, value);
  }

  list<T>(item: () => T): T[] {
    const count = this.varint();
    // Every item takes at least one byte, so a count beyond the data is found here, before it costs memory.
    if (count > this.#data.length - this.#at) throw unknown('ends early');
    const items: T[] = [];
    for (let i = 0; i < count; i += 1) items.push(item());
    return items;
  }
}

function unknown(detail: string): BalsaError {
  return new BalsaError(
    'UNKNOWN_COMMAND_VERSION',
    `a key-value command ${detail}; upgrade this node or restore its log`,
  );
}

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  bytes.push(rest);
  return Uint8Array.from(bytes);
}

function stringBytes({ length }: Uint8Array): number {
  let bytes = 1 + length;
  for (let rest = length; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes++;
  return bytes;
}

/** Returns the offset behind it. */
function putString(target: Uint8Array, offset: number, bytes: Uint8Array): number {
  let at = offset;
  let rest = bytes.length;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) target[at++] = (rest % 0x80) | 0x80;
  target[at++] = rest;
  target.set(bytes, at);
  return at + bytes.length;
}

function str(bytes: Uint8Array): [Uint8Array, Uint8Array] {
  return [varint(bytes.length), bytes];
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const joined = Buffer.allocUnsafe(length);
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}
