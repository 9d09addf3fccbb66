/** What a TCP transport may be told, and what it does when it is told nothing. */
import type { Server, Socket } from 'node:net';
import { assertSafeInteger, BalsaError, type Env, type NodeId, type PeerAddress } from '@balsa/raft-core';

/** Bounds. All have defaults that suit a cluster of a few nodes on a local network. */
export interface TcpLimits {
  /** Largest frame sent or taken, in bytes. 32 MiB: an entry of 8 MiB fits many times into what one message holds. */
  readonly maxFrameBytes: number;
  /** Messages and control frames waiting for one peer. 4096. */
  readonly maxQueuedMessages: number;
  /** Their bytes. 64 MiB; at least `maxFrameBytes`. */
  readonly maxQueuedBytes: number;
  /** Encoding stops while this many bytes wait in the socket. 1 MiB. */
  readonly socketHighWaterBytes: number;
  /** Incoming connections at once, of all kinds. 1024. */
  readonly maxIncomingConnections: number;
  /** For a TCP connection to come about, in milliseconds. 5000. */
  readonly connectTimeoutMs: number;
  /** From the connection to the end of the handshake, in milliseconds. 5000. */
  readonly handshakeTimeoutMs: number;
  /** First wait before dialling again, in milliseconds; it doubles with each failure and is spread by up to half. 50. */
  readonly reconnectMinMs: number;
  /** Longest wait. 5000. */
  readonly reconnectMaxMs: number;
  /** A connection that sent nothing for this long sends a ping, in milliseconds. 2000. */
  readonly pingIntervalMs: number;
  /** A connection that heard nothing for this long is given up, in milliseconds. 10000. */
  readonly idleTimeoutMs: number;
  /** How long a side that refuses keeps the connection open for the other to read why, in milliseconds. 1000. */
  readonly lingerMs: number;
  /** Snapshots being sent at once. 4. */
  readonly maxOutgoingSnapshots: number;
  /** Snapshots being received at once. 2. */
  readonly maxIncomingSnapshots: number;
  /** Chunks of a snapshot that may be sent and not yet taken by the sink. 4. */
  readonly snapshotWindow: number;
  /** All outgoing snapshots together, in bytes per second. 256 MiB. */
  readonly snapshotBytesPerSecond: number;
  /** A snapshot without progress for this long is given up by both sides, in milliseconds. 30000. */
  readonly snapshotStallMs: number;
  /** For the receiver to verify and store the whole, in milliseconds. 600000. */
  readonly snapshotFinishMs: number;
  /** How long `stop` waits for sinks to be told and for the port to be given back, in milliseconds. 5000. */
  readonly stopTimeoutMs: number;
}

export const defaultLimits: TcpLimits = Object.freeze({
  maxFrameBytes: 32 * 1024 * 1024,
  maxQueuedMessages: 4096,
  maxQueuedBytes: 64 * 1024 * 1024,
  socketHighWaterBytes: 1024 * 1024,
  maxIncomingConnections: 1024,
  connectTimeoutMs: 5_000,
  handshakeTimeoutMs: 5_000,
  reconnectMinMs: 50,
  reconnectMaxMs: 5_000,
  pingIntervalMs: 2_000,
  idleTimeoutMs: 10_000,
  lingerMs: 1_000,
  maxOutgoingSnapshots: 4,
  maxIncomingSnapshots: 2,
  snapshotWindow: 4,
  snapshotBytesPerSecond: 256 * 1024 * 1024,
  snapshotStallMs: 30_000,
  snapshotFinishMs: 600_000,
  stopTimeoutMs: 5_000,
});

/** Opens a connection. `onConnected` is called once it can be written to: after the TLS handshake, where there is one. */
export type SocketFactory = (
  target: { readonly host: string; readonly port: number },
  onConnected: () => void,
) => Socket;
/** Makes a server, not yet listening, that hands over connections that can be written to. */
export type ServerFactory = (onConnection: (socket: Socket) => void) => Server;

/** Proof that a peer may join in, beyond knowing the cluster id. Both ends use one. */
export interface Authenticator {
  /** Bytes for the handshake with `peer`; at most 16 KiB. */
  offer(peer: NodeId): Uint8Array;
  /** Whether what `peer` offered will do. */
  verify(peer: NodeId, offered: Uint8Array): boolean;
}

export interface TcpTransportOptions {
  readonly env: Env;
  readonly listen: {
    /** 127.0.0.1 unless told otherwise: nothing is open to a network by default. */
    readonly host?: string;
    /** 0 takes a free one; see `TcpTransport.address`. */
    readonly port: number;
  };
  /** Peers known from the start; the same as calling `setPeer` for each. */
  readonly peers?: Iterable<readonly [NodeId, PeerAddress]>;
  readonly limits?: Partial<TcpLimits>;
  readonly socketFactory?: SocketFactory;
  readonly serverFactory?: ServerFactory;
  readonly authenticator?: Authenticator;
}

/** Refuses, with `INVALID_CONFIG` or `OUT_OF_RANGE`, what `start` could do nothing with. */
export function checkOptions(options: TcpTransportOptions): void {
  const { env, listen } = (options as Partial<TcpTransportOptions> | null | undefined) ?? {};
  if (typeof env?.now !== 'function' || typeof env.setTimer !== 'function')
    throw new BalsaError(
      'INVALID_CONFIG',
      'env must be given: createNodeEnv() of @balsa/raft-node makes one',
    );
  const { host, port } = listen ?? {};
  if (port === undefined)
    throw new BalsaError('INVALID_CONFIG', 'listen must be given, with a port: 0 takes a free one');
  if (host !== undefined && typeof host !== 'string')
    throw new BalsaError('INVALID_CONFIG', 'listen.host must be a text');
  assertSafeInteger(port, 'listen.port');
  if (port > 65_535)
    throw new BalsaError('OUT_OF_RANGE', `listen.port must be at most 65535, but is ${String(port)}`);
}

/** Fills in what was not said and refuses, with `INVALID_CONFIG`, what cannot work. */
export function resolveLimits(given: Partial<TcpLimits> = {}): TcpLimits {
  const unknown = Object.keys(given).find((name) => !Object.hasOwn(defaultLimits, name));
  if (unknown !== undefined)
    throw new BalsaError(
      'INVALID_CONFIG',
      `limits has no field "${unknown}"; there are: ${Object.keys(defaultLimits).join(', ')}`,
    );
  const limits: TcpLimits = { ...defaultLimits, ...given };
  for (const [name, value] of Object.entries(limits)) assertSafeInteger(value as number, `limits.${name}`, 1);
  const refuse = (why: string): never => {
    throw new BalsaError('INVALID_CONFIG', why);
  };
  if (limits.maxFrameBytes < 64 * 1024) refuse('limits.maxFrameBytes must be at least 65536');
  if (limits.maxFrameBytes > 0x7fff_ffff) refuse('limits.maxFrameBytes must be below 2 GiB');
  if (limits.maxQueuedBytes < limits.maxFrameBytes)
    refuse('limits.maxQueuedBytes must be at least limits.maxFrameBytes, or the largest message never fits');
  if (limits.reconnectMaxMs < limits.reconnectMinMs)
    refuse('limits.reconnectMaxMs must be at least limits.reconnectMinMs');
  if (limits.idleTimeoutMs <= limits.pingIntervalMs)
    refuse('limits.idleTimeoutMs must be above limits.pingIntervalMs, or idle peers are taken for dead');
  return limits;
}

/** Reads `host:port`, with an IPv6 host in brackets. */
export function parseAddress(address: PeerAddress): { readonly host: string; readonly port: number } {
  const match = /^(?:\[([^\]]+)\]|([^:\s]+)):(\d{1,5})$/.exec(address);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || !(port >= 1 && port <= 65_535)) {
    throw new BalsaError(
      'INVALID_ARGUMENT',
      `"${address}" is not an address: write host:port, or [ipv6]:port`,
    );
  }
  return { host, port };
}

/** The inverse of `parseAddress`. */
export function formatAddress(host: string, port: number): PeerAddress {
  return host.includes(':') ? `[${host}]:${String(port)}` : `${host}:${String(port)}`;
}
