/**
 * What the key-value commands mean, one after another, written anew: every node's replies must be these.
 *
 * The checker knows what clients saw, one key at a time. This knows what every command did wherever it was applied, also
 * those whose outcome nobody heard of; and it knows no way to read a command, only what its bytes were made from.
 */
import type { KvCommand, Reply } from '@balsa/kv';
import type { LogIndex } from '@balsa/raft-core';

const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');

/** A reply in words. */
export function told(reply: Reply): string {
  switch (reply.kind) {
    case 'simple':
      return reply.text;
    case 'error':
      return 'error';
    case 'integer':
      return `integer ${reply.value}`;
    case 'bulk':
      return `bulk ${latin1(reply.bytes)}`;
    default:
      return reply.kind;
  }
}

export class KvBook {
  /** Commands by their bytes. */
  readonly #known = new Map<string, KvCommand>();
  readonly #state = new Map<string, string>();
  readonly #replies = new Map<LogIndex, string>();

  /** Somebody is about to propose it. */
  proposed(data: Uint8Array, command: KvCommand): void {
    this.#known.set(latin1(data), command);
  }

  /** The commands come in the order of the log, each of them once. False for one that nobody proposed. */
  applied(index: LogIndex, data: Uint8Array): boolean {
    const command = this.#known.get(latin1(data));
    if (command !== undefined) this.#replies.set(index, this.#do(command));
    return command !== undefined;
  }

  /** What is wrong with a node's reply, if anything. */
  check(index: LogIndex, reply: Reply | undefined): string | undefined {
    const expected = this.#replies.get(index);
    if (expected === undefined || (reply !== undefined && told(reply) === expected)) return undefined;
    const got = reply === undefined ? 'nothing' : told(reply);
    return `answers ${got.slice(0, 60)} to the command at ${index}, not ${expected.slice(0, 60)}`;
  }

  /** Keys and values of the end. */
  get state(): ReadonlyMap<string, string> {
    return this.#state;
  }

  #do(command: KvCommand): string {
    const state = this.#state;
    switch (command.op) {
      case 'set':
        return this.#set(command);
      case 'del':
        return `integer ${command.keys.filter((key) => state.delete(latin1(key))).length}`;
      case 'mset':
        for (const [key, value] of command.pairs) state.set(latin1(key), latin1(value));
        return 'OK';
      case 'append': {
        const key = latin1(command.key);
        const value = (state.get(key) ?? '') + latin1(command.value);
        state.set(key, value);
        return `integer ${value.length}`;
      }
      case 'incrby': {
        const key = latin1(command.key);
        const before = state.get(key) ?? '0';
        if (!/^(0|-?[1-9][0-9]{0,17})$/.test(before)) return 'error';
        const sum = BigInt(before) + command.delta;
        state.set(key, String(sum));
        return `integer ${sum}`;
      }
    }
  }

  #set({ key: bytes, value, condition, get }: KvCommand & { readonly op: 'set' }): string {
    const key = latin1(bytes);
    const before = this.#state.get(key);
    const exists = before !== undefined;
    const wanted = typeof condition === 'object' ? before === latin1(condition.ifeq) : true;
    const met = wanted && (condition !== 'nx' || !exists) && (condition !== 'xx' || exists);
    if (met) this.#state.set(key, latin1(value));
    if (get) return exists ? `bulk ${before}` : 'null';
    return met ? 'OK' : 'null';
  }
}
