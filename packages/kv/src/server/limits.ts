import { assertSafeInteger, BalsaError } from '@balsa/raft-core';
import { maxCommandBytes, maxValueBytes } from '../machine/limits.ts';

/** Bounds of one server on connections, memory and time. At each the server pushes back, as the line says. */
export interface KvLimits {
  /** RESP connections; a further one is told so and closed. Default 10 000. */
  readonly maxClients: number;
  /** HTTP connections; a further one is closed. Default 256. */
  readonly maxHttpConnections: number;
  /** Arguments of one command (an error reply). Default 65 536. */
  readonly maxArgs: number;
  /** Bytes of one argument (an error reply). Default and most: 4 MiB, the largest value. */
  readonly maxBulkBytes: number;
  /** Bytes of all arguments of a command (an error reply). Default and most: 7 MiB. */
  readonly maxCommandBytes: number;
  /** Bytes of an inline command (a protocol error). Default 64 KiB, as in Redis. */
  readonly maxInlineBytes: number;
  /** Commands of one connection that wait for their result; further ones are not read. Default 1024. */
  readonly maxInFlight: number;
  /** Bytes of those commands; further ones are not read. Default 16 MiB. */
  readonly maxInFlightBytes: number;
  /** Reads of one connection among them: each may bring a value of 4 MiB. Default 64. */
  readonly maxReadsInFlight: number;
  /** Writes of all connections in the log at once; further ones wait, unread. Default 2048; keep it below the node's own. */
  readonly maxWritesInFlight: number;
  /** Bytes of replies that a connection does not take off; it is not served further until it does. Default 1 MiB. */
  readonly maxOutputBytes: number;
  /** Bytes of values in the reply to one MGET (an error reply). Default 64 MiB. */
  readonly maxReplyBytes: number;
  /** Milliseconds that a write may wait for its result, then its outcome is unknown. Default 10 000. */
  readonly writeTimeoutMs: number;
  /** Milliseconds that a read may wait for its read point. Default 5000. */
  readonly readTimeoutMs: number;
  /** Milliseconds that `stop` waits for commands under way before it cuts connections. Default 5000. */
  readonly drainMs: number;
}

export const defaultKvLimits: KvLimits = Object.freeze({
  maxClients: 10_000,
  maxHttpConnections: 256,
  maxArgs: 65_536,
  maxBulkBytes: maxValueBytes,
  maxCommandBytes,
  maxInlineBytes: 64 * 1024,
  maxInFlight: 1024,
  maxInFlightBytes: 16 * 1024 * 1024,
  maxReadsInFlight: 64,
  maxWritesInFlight: 2048,
  maxOutputBytes: 1024 * 1024,
  maxReplyBytes: 64 * 1024 * 1024,
  writeTimeoutMs: 10_000,
  readTimeoutMs: 5000,
  drainMs: 5000,
});

/** Fills in defaults; refuses, with `OUT_OF_RANGE` or `INVALID_CONFIG` naming the field, what cannot work. */
export function resolveLimits(given: Partial<KvLimits> = {}): KvLimits {
  const limits = { ...defaultKvLimits, ...given };
  for (const [name, value] of Object.entries(limits)) assertSafeInteger(value, `limits.${name}`, 1);
  checkAtMost('maxBulkBytes', limits.maxBulkBytes, maxValueBytes);
  checkAtMost('maxCommandBytes', limits.maxCommandBytes, maxCommandBytes);
  return limits;
}

function checkAtMost(name: string, value: number, most: number): void {
  if (value <= most) return;
  throw new BalsaError(
    'INVALID_CONFIG',
    `limits.${name} must be at most ${String(most)} bytes, what every node of a cluster takes, but is ${String(value)}`,
  );
}
