/** What the parts of one running transport have in common. */
import type { Socket } from 'node:net';
import {
  LogLevel,
  type Env,
  type NodeId,
  type TransportHandler,
  type TransportIdentity,
} from '@balsa/raft-core';
import type { Counters } from './counters.ts';
import type { Authenticator, SocketFactory, TcpLimits } from './options.ts';

export interface Shared {
  readonly env: Env;
  readonly limits: TcpLimits;
  readonly counters: Counters;
  readonly identity: TransportIdentity;
  readonly handler: TransportHandler;
  readonly socketFactory: SocketFactory;
  readonly authenticator: Authenticator | undefined;
  /** Every socket that is not closed yet, lingering ones too, so that `stop` leaves none behind. */
  readonly sockets: Set<Socket>;
  /** The last refusal logged for each counterpart: an attempt repeated every few seconds must not fill the log. */
  readonly refusalsLogged: Map<string, string>;
  readonly stopped: () => boolean;
  /** A handshake with `peer` showed which process it is now; connections to an earlier one are dead. */
  readonly onIncarnation: (peer: NodeId, incarnation: string) => void;
}

/**
 * Calls the handler, unless the transport is stopped. By contract it does not throw; when it does
 * all the same, that must not take down a connection's parser half way, so it is logged as the bug it is.
 */
export function notify(shared: Shared, call: (handler: TransportHandler) => void): void {
  if (shared.stopped()) return;
  try {
    call(shared.handler);
  } catch (error) {
    shared.env.log.log(LogLevel.Error, 'the transport handler threw, which it must not', { error });
  }
}

export function warn(shared: Shared, text: string, fields?: Readonly<Record<string, unknown>>): void {
  shared.env.log.log(LogLevel.Warn, text, fields);
}

/** Counterparts whose last refusal is remembered, at most. */
const maxRefusalsLogged = 1024;

/** Warns, unless the same was said of this counterpart the last time. */
export function warnOfRefusal(shared: Shared, counterpart: string, text: string, reason: string): void {
  const { refusalsLogged } = shared;
  if (refusalsLogged.get(counterpart) === text) return;
  if (refusalsLogged.size >= maxRefusalsLogged) refusalsLogged.clear();
  refusalsLogged.set(counterpart, text);
  warn(shared, text, { reason });
}

export function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
