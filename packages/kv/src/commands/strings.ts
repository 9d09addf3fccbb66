/** GET SET INCR DECR INCRBY DECRBY APPEND STRLEN MGET MSET: their arguments. What the writes mean stands in machine/apply.ts. */
import { parseInt64, minInt64 } from '../machine/integers.ts';
import type { KvCommand, SetCondition } from '../machine/command.ts';
import { array, bulkOrNil, error, integer, type ErrorReply } from '../resp/reply.ts';
import { notAnInteger, syntaxError, wrongArity } from './errors.ts';
import { allKeys, oneKey, type CommandSpec, type ReadSpec, type WriteSpec } from './spec.ts';

const get: ReadSpec = {
  name: 'get',
  kind: 'read',
  arity: 2,
  flags: ['readonly', 'fast'],
  keys: oneKey,
  group: 'string',
  summary: 'Returns the value of a key.',
  since: '1.0.0',
  plan: ([key = empty]) => ({ kind: 'key', key, reply: bulkOrNil }),
};

const strlen: ReadSpec = {
  name: 'strlen',
  kind: 'read',
  arity: 2,
  flags: ['readonly', 'fast'],
  keys: oneKey,
  group: 'string',
  summary: 'Returns the length of a value in bytes.',
  since: '2.2.0',
  plan: ([key = empty]) => ({ kind: 'key', key, reply: (value) => integer(value?.length ?? 0) }),
};

const mget: ReadSpec = {
  name: 'mget',
  kind: 'read',
  arity: -2,
  flags: ['readonly', 'fast'],
  keys: allKeys,
  group: 'string',
  summary: 'Returns the values of several keys, all of one moment.',
  since: '1.0.0',
  plan: (keys, service) => ({
    kind: 'run',
    linearizable: true,
    run: async () => {
      const values = await service.getAll(keys);
      return values === undefined ? service.replyTooLarge() : array(values.map(bulkOrNil));
    },
  }),
};

const set: WriteSpec = {
  name: 'set',
  kind: 'write',
  arity: -3,
  flags: ['write', 'denyoom'],
  keys: oneKey,
  group: 'string',
  summary: 'Sets a key; NX, XX and IFEQ make it conditional, GET replies with the former value.',
  since: '1.0.0',
  parse: parseSet,
};

function parseSet(args: readonly Buffer[]): KvCommand | ErrorReply {
  const [key = empty, value = empty] = args;
  let condition: SetCondition = 'always';
  let get = false;
  for (let i = 2; i < args.length; i += 1) {
    const word = args[i]?.toString('latin1').toUpperCase() ?? '';
    if (word === 'GET') {
      get = true;
    } else if ((word === 'NX' && condition === 'always') || (word === 'NX' && condition === 'nx')) {
      condition = 'nx';
    } else if ((word === 'XX' && condition === 'always') || (word === 'XX' && condition === 'xx')) {
      condition = 'xx';
    } else if (word === 'IFEQ' && condition === 'always') {
      i += 1;
      const ifeq = args[i];
      if (ifeq === undefined) return syntaxError;
      condition = { ifeq };
    } else if (expiryWords.has(word)) {
      return error(`ERR SET option '${word}' is not supported: keys do not expire`);
    } else {
      return syntaxError;
    }
  }
  return { op: 'set', key, value, condition, get };
}

const expiryWords: ReadonlySet<string> = new Set(['EX', 'PX', 'EXAT', 'PXAT', 'KEEPTTL']);

const append: WriteSpec = {
  name: 'append',
  kind: 'write',
  arity: 3,
  flags: ['write', 'denyoom', 'fast'],
  keys: oneKey,
  group: 'string',
  summary: 'Appends to a value and returns its new length.',
  since: '2.0.0',
  parse: ([key = empty, value = empty]) => ({ op: 'append', key, value }),
};

const mset: WriteSpec = {
  name: 'mset',
  kind: 'write',
  arity: -3,
  flags: ['write', 'denyoom'],
  keys: { first: 1, last: -1, step: 2 },
  group: 'string',
  summary: 'Sets several keys at once, all or nothing.',
  since: '1.0.1',
  parse: (args) => {
    if (args.length % 2 !== 0) return wrongArity('mset');
    const pairs: [Uint8Array, Uint8Array][] = [];
    for (let i = 0; i < args.length; i += 2) pairs.push([args[i] ?? empty, args[i + 1] ?? empty]);
    return { op: 'mset', pairs };
  },
};

/** INCR and its kin are one command in the log: add a signed amount. */
function counter(name: string, sign: 1n | -1n, takesAmount: boolean, summary: string): WriteSpec {
  return {
    name,
    kind: 'write',
    arity: takesAmount ? 3 : 2,
    flags: ['write', 'denyoom', 'fast'],
    keys: oneKey,
    group: 'string',
    summary,
    since: '1.0.0',
    parse: ([key = empty, amount]) => {
      const value = amount === undefined ? 1n : parseInt64(amount);
      if (value === undefined) return notAnInteger;
      if (sign < 0n && value === minInt64) return error('ERR decrement would overflow');
      return { op: 'incrby', key, delta: sign * value };
    },
  };
}

const empty = Buffer.alloc(0);

export const stringCommands: readonly CommandSpec[] = [
  get,
  set,
  counter('incr', 1n, false, 'Adds one to an integer.'),
  counter('decr', -1n, false, 'Takes one from an integer.'),
  counter('incrby', 1n, true, 'Adds a number to an integer.'),
  counter('decrby', -1n, true, 'Takes a number from an integer.'),
  append,
  strlen,
  mget,
  mset,
];
