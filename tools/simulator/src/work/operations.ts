/** Commands that clients send, and their replies in the words of the checker. */
import { encodeCommand, type KvCommand, type Reply } from '@balsa/kv';
import type { Value } from '@balsa/checker';
import type { Chance } from '../world/chance.ts';
import type { Cluster } from '../world/cluster.ts';
import type { Host } from '../world/host.ts';

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
  readonly command: KvCommand;
  readonly outputOf: (reply: Reply) => Value;
}

function write(op: string, input: Value, command: KvCommand, outputOf: (reply: Reply) => Value): Write {
  return { op, input, data: encodeCommand(command), command, outputOf };
}

const nothing = (): Value => null;
const wasSet = (reply: Reply): Value => reply.kind !== 'null';
const integer = (reply: Reply): Value => (reply.kind === 'integer' ? Number(reply.value) : 'not an integer');
const bulk = (reply: Reply): Value => (reply.kind === 'bulk' ? textOf(reply.bytes) : null);

/** With GET the reply is the value before, whether that is replaced or not: it tells which. */
const wasAbsent = (reply: Reply): Value => reply.kind === 'null';
const wasThere = (reply: Reply): Value => reply.kind === 'bulk';

/** One of several ways to say the same. */
function set(chance: Chance, key: Uint8Array, value: string): Write {
  const bytes = bytesOf(value);
  if (chance.happens(0.8)) {
    return write('set', value, { op: 'set', key, value: bytes, get: false, condition: 'always' }, nothing);
  }
  // The last one counts.
  const pairs = [[key, bytesOf('x')] as const, [key, bytes] as const];
  return write('set', value, { op: 'mset', pairs: pairs.slice(chance.below(2)) }, nothing);
}

function conditional(chance: Chance, key: Uint8Array, value: string, expected: string | null): Write {
  const get = chance.happens(0.3);
  const command = { op: 'set', key, value: bytesOf(value), get } as const;
  const roll = chance.next();
  if (roll < 0.5 && expected !== null) {
    const condition = { ifeq: bytesOf(expected) };
    const output = get ? (reply: Reply): Value => bulk(reply) === expected : wasSet;
    return write('cas', [expected, value], { ...command, condition }, output);
  }
  if (roll < 0.75) return write('setnx', value, { ...command, condition: 'nx' }, get ? wasAbsent : wasSet);
  return write('setxx', value, { ...command, condition: 'xx' }, get ? wasThere : wasSet);
}

/** A random write. `expected` is what the client thinks the value is. */
export function randomWrite(chance: Chance, keyName: string, value: string, expected: string | null): Write {
  const key = bytesOf(keyName);
  const roll = chance.next();
  if (roll < 0.4) return set(chance, key, value);
  if (roll < 0.55) {
    const tail = `${value.slice(0, 3)}.`;
    return write('append', tail, { op: 'append', key, value: bytesOf(tail) }, integer);
  }
  if (roll < 0.7) {
    const delta = chance.pick([1, 1, 1, 7, -1, -30]);
    return write('incr', delta, { op: 'incrby', key, delta: BigInt(delta) }, integer);
  }
  if (roll < 0.9) return conditional(chance, key, value, expected);
  if (roll < 0.95) {
    // To remove a key twice is to remove it once.
    return write('del', null, { op: 'del', keys: chance.happens(0.2) ? [key, key] : [key] }, integer);
  }
  const command = { op: 'set', key, value: bytesOf(value), get: true, condition: 'always' } as const;
  return write('getset', value, command, bulk);
}

/** A write that no client knows of. */
export function setCommand(cluster: Cluster, host: Host): Uint8Array {
  const value = bytesOf(`${host.id}`);
  const command: KvCommand = { op: 'set', key: bytesOf('end'), value, get: false, condition: 'always' };
  const data = encodeCommand(command);
  cluster.applied.kv.proposed(data, command);
  return data;
}
