/** Replies as the values that the client's methods promise, and error replies as errors. */
import { BalsaError, type ErrorCode } from '@balsa/raft-core';
import type { Reply } from '../resp/reply.ts';
import { codeOfReply } from '../server/error-reply.ts';

/** Words of servers that name no code, and what they amount to. */
const codeOfWord: ReadonlyMap<string, ErrorCode> = new Map<string, ErrorCode>([
  ['TRYAGAIN', 'TIMEOUT'],
  ['BUSY', 'OVERLOADED'],
  ['LOADING', 'TIMEOUT'],
  ['UNKNOWN', 'UNKNOWN_OUTCOME'],
]);

export function errorOf(text: string): BalsaError {
  const word = text.split(' ', 1)[0] ?? '';
  const code = codeOfReply(text) ?? codeOfWord.get(word) ?? 'INVALID_ARGUMENT';
  return new BalsaError(code, text.replace(/ \[[A-Z_]+\]$/, ''), { details: { reply: text } });
}

export function bytesOrUndefined(reply: Reply): Uint8Array | undefined {
  if (reply.kind === 'null') return undefined;
  if (reply.kind === 'bulk') return reply.bytes;
  throw unexpected(reply, 'a string');
}

export function integerOf(reply: Reply): bigint {
  if (reply.kind === 'integer') return BigInt(reply.value);
  throw unexpected(reply, 'an integer');
}

export function scanPage(reply: Reply): { readonly cursor: string; readonly keys: readonly Uint8Array[] } {
  const [cursor, keys] = reply.kind === 'array' ? reply.items : [];
  if (cursor?.kind !== 'bulk' || keys?.kind !== 'array') throw unexpected(reply, 'a cursor and keys');
  return {
    cursor: Buffer.from(cursor.bytes).toString('latin1'),
    keys: keys.items.flatMap((key) => bytesOrUndefined(key) ?? []),
  };
}

function unexpected(reply: Reply, wanted: string): BalsaError {
  return new BalsaError('WIRE_MALFORMED', `the server answered ${reply.kind} where ${wanted} belongs`);
}
