/** Commands that clients send, and their replies in the words of the checker. */
import { encodeCommand, type KvCommand, type Reply } from '@balsa/kv';
import type { Value } from '@balsa/checker';
import type { Chance } from '../world/chance.ts';

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export const textOf = (bytes: Uint8Array | undefined): string | null =>
  bytes === undefined ? null : decoder.decode(bytes);
export const bytesOf = (text: string): Uint8Array => encoder.encode(text);

/** A write, as bytes for the log and as an operation for the checker. */
export interface Write {
  readonly op: string;
  readonly input: Value;
  readonly data: Uint8Array;
  readonly outputOf: (reply: Reply) => Value;
}

function write(op: string, input: Value, command: KvCommand, outputOf: (reply: Reply) => Value): Write {
  return { op, input, data: encodeCommand(command), outputOf };
}

const nothing = (): Value => null;
const wasSet = (reply: Reply): Value => reply.kind !== 'null';
const integer = (reply: Reply): Value => (reply.kind === 'integer' ? Number(reply.value) : 'not an integer');
const bulk = (reply: Reply): Value => (reply.kind === 'bulk' ? textOf(reply.bytes) : null);

/** A random write. `expected` is what the client thinks the value is. */
export function randomWrite(chance: Chance, keyName: string, value: string, expected: string | null): Write {
  const key = bytesOf(keyName);
  const bytes = bytesOf(value);
  const set = { op: 'set', key, value: bytes, get: false } as const;
  const roll = chance.next();
  if (roll < 0.4) return write('set', value, { ...set, condition: 'always' }, nothing);
  if (roll < 0.55)
    return write(
      'append',
      `${value.slice(0, 3)}.`,
      { op: 'append', key, value: bytesOf(`${value.slice(0, 3)}.`) },
      integer,
    );
  if (roll < 0.7) return write('incr', 1, { op: 'incrby', key, delta: 1n }, integer);
  if (roll < 0.8 && expected !== null) {
    return write('cas', [expected, value], { ...set, condition: { ifeq: bytesOf(expected) } }, wasSet);
  }
  if (roll < 0.85) return write('setnx', value, { ...set, condition: 'nx' }, wasSet);
  if (roll < 0.9) return write('setxx', value, { ...set, condition: 'xx' }, wasSet);
  if (roll < 0.95) return write('del', null, { op: 'del', keys: [key] }, integer);
  return write('getset', value, { ...set, get: true, condition: 'always' }, bulk);
}
