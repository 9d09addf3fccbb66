/** What the write commands mean. Written once, here; every engine under it gives the same replies and bytes. */
import { bulkOrNil, error, integer, nil, ok, type Reply } from '../resp/reply.ts';
import type { KvCommand } from './command.ts';
import { compactInteger, maxInt64, minInt64, parseInt64 } from './integers.ts';
import { maxValueBytes } from './limits.ts';
import type { Overlay } from './overlay.ts';

const digits = new TextEncoder();

/** The keys whose present value the command looks at. */
export function keysRead(command: KvCommand): readonly Uint8Array[] {
  switch (command.op) {
    case 'set':
      return command.get || command.condition !== 'always' ? [command.key] : [];
    case 'del':
      return command.keys;
    case 'incrby':
    case 'append':
      return [command.key];
    case 'mset':
      return [];
  }
}

/** Carries one command out on `state`. An error reply means that nothing changed. */
export function applyCommand(command: KvCommand, state: Overlay): Reply {
  switch (command.op) {
    case 'set':
      return applySet(command, state);
    case 'del': {
      let removed = 0;
      for (const key of command.keys) {
        if (state.get(key) === undefined) continue;
        state.delete(key);
        removed += 1;
      }
      return integer(removed);
    }
    case 'incrby':
      return applyIncrBy(command.key, command.delta, state);
    case 'append':
      return applyAppend(command.key, command.value, state);
    case 'mset':
      for (const [key, value] of command.pairs) state.set(key, value);
      return ok;
  }
}

function applySet(command: KvCommand & { readonly op: 'set' }, state: Overlay): Reply {
  const { condition, key, value } = command;
  const before = condition === 'always' && !command.get ? undefined : state.get(key);
  const holds =
    condition === 'always' ||
    (condition === 'nx' && before === undefined) ||
    (condition === 'xx' && before !== undefined) ||
    (typeof condition === 'object' && before !== undefined && Buffer.compare(before, condition.ifeq) === 0);
  if (holds) state.set(key, value);
  if (command.get) return bulkOrNil(before);
  return holds ? ok : nil;
}

function applyIncrBy(key: Uint8Array, delta: bigint, state: Overlay): Reply {
  const before = state.get(key);
  const value = before === undefined ? 0n : parseInt64(before);
  if (value === undefined) return error('ERR value is not an integer or out of range');
  const sum = value + delta;
  if (sum < minInt64 || sum > maxInt64) return error('ERR increment or decrement would overflow');
  state.set(key, digits.encode(String(sum)));
  return integer(compactInteger(sum));
}

function applyAppend(key: Uint8Array, tail: Uint8Array, state: Overlay): Reply {
  const before = state.get(key);
  const length = (before?.length ?? 0) + tail.length;
  if (length > maxValueBytes)
    return error(`ERR string exceeds maximum allowed size (${String(maxValueBytes)} bytes)`);
  const value = new Uint8Array(length);
  if (before !== undefined) value.set(before);
  value.set(tail, length - tail.length);
  state.set(key, value);
  return integer(length);
}
