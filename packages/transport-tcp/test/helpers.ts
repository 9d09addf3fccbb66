import { connect, type Socket } from 'node:net';
import {
  Entry,
  EntryType,
  Message,
  MessageType,
  type NodeId,
  type PeerAddress,
  type SnapshotSink,
  type SnapshotSource,
  type TransportHandler,
} from '@balsa/raft-core';
import { afterEach } from 'vitest';
import { encodeFrame, FrameKind, FrameParser, preamble, type Frame } from '../src/frame.ts';
import { encodeHello, makeHello, type Hello } from '../src/handshake.ts';
import {
  createTcpTransport,
  parseAddress,
  type TcpTransport,
  type TcpTransportOptions,
} from '../src/index.ts';
import { nodeEnv, type TestEnv } from './node-env.ts';

export interface Recorder extends TransportHandler {
  readonly events: string[];
  readonly messages: Message[];
  readonly calls: number[];
  sink: ((message: Message, source: Omit<SnapshotSource, 'chunk'>) => Promise<SnapshotSink>) | undefined;
}

export function recorder(): Recorder {
  const events: string[] = [];
  const messages: Message[] = [];
  const calls: number[] = [];
  return {
    events,
    messages,
    calls,
    sink: undefined,
    onMessages(group, batch) {
      for (const m of batch) events.push(`${group} ${String(m.from)} msg ${String(m.index)}`);
      messages.push(...batch);
      calls.push(batch.length);
    },
    onControl(group, from, frame) {
      events.push(`${group} ${String(from)} control ${String(frame[0])}`);
    },
    onDisconnect(peer) {
      events.push(`disconnect ${String(peer)}`);
    },
    onUnreachable(group, peer) {
      events.push(`unreachable ${group} ${String(peer)}`);
    },
    onSnapshot(_group, _from, message, source) {
      if (this.sink === undefined) return Promise.reject(new Error('no snapshots here'));
      return this.sink(message, source);
    },
  };
}

export interface Node {
  readonly id: NodeId;
  readonly transport: TcpTransport;
  readonly handler: Recorder;
  readonly env: TestEnv;
  readonly address: PeerAddress;
}

export const clusterId = '00000000000000c1';
const started: TcpTransport[] = [];
const sockets: Socket[] = [];
let incarnations = 0;

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await Promise.all(started.splice(0).map((transport) => transport.stop()));
});

export async function node(
  id: NodeId,
  options: Partial<Omit<TcpTransportOptions, 'env'>> & { readonly clusterId?: string } = {},
): Promise<Node> {
  const env = nodeEnv();
  const { clusterId: cluster = clusterId, limits, ...rest } = options;
  const transport = createTcpTransport({
    env,
    listen: { port: 0 },
    limits: { reconnectMinMs: 5, reconnectMaxMs: 40, lingerMs: 200, ...limits },
    ...rest,
  });
  started.push(transport);
  const handler = recorder();
  await transport.start(
    { clusterId: cluster, nodeId: id, incarnation: `incarnation-${String(++incarnations)}` },
    handler,
  );
  return { id, transport, handler, env, address: transport.address() };
}

/** Two nodes that know each other and are connected both ways. */
export async function pair(
  first: Parameters<typeof node>[1] = {},
  second: Parameters<typeof node>[1] = {},
): Promise<readonly [Node, Node]> {
  const a = await node(1, first);
  const b = await node(2, second);
  a.transport.setPeer(2, b.address);
  b.transport.setPeer(1, a.address);
  await connected(a, b);
  return [a, b];
}

export async function connected(a: Node, b: Node): Promise<void> {
  await until(
    () =>
      [a, b].every(({ transport }) => {
        const { connectedPeers, incomingPeers } = transport.stats();
        return connectedPeers.length === 1 && incomingPeers.length === 1;
      }),
    'both connections',
  );
}

/** Waits for a condition; fails loudly when it does not come to hold. */
export async function until(condition: () => boolean, what: string, maxMs = 15_000): Promise<void> {
  const deadline = performance.now() + maxMs;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`${what}: did not happen within ${String(maxMs)} ms`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

export function app(
  from: NodeId,
  to: NodeId,
  index: number,
  data: Uint8Array = new Uint8Array([1, 2, 3]),
): Message {
  return new Message(MessageType.MsgApp, {
    from,
    to,
    term: 1,
    index,
    entries: [new Entry(1, index + 1, EntryType.Normal, data)],
  });
}

/** A hand-made peer that can say anything. */
export interface RawPeer {
  readonly socket: Socket;
  readonly frames: Frame[];
  closed: boolean;
}

export async function raw(address: PeerAddress): Promise<RawPeer> {
  const { host, port } = parseAddress(address);
  const socket = connect({ host, port });
  sockets.push(socket);
  const peer: RawPeer = { socket, frames: [], closed: false };
  const parser = new FrameParser({ maxFrameBytes: 1 << 26, onFrame: (frame) => peer.frames.push(frame) });
  socket.on('data', (chunk: Buffer) => {
    parser.push(chunk);
  });
  socket.on('close', () => (peer.closed = true));
  socket.on('error', () => undefined);
  await new Promise<void>((resolve) => socket.once('connect', resolve));
  return peer;
}

export function hello(fields: Partial<Hello> = {}): Buffer {
  const identity = { clusterId, nodeId: 9, incarnation: 'raw' };
  const whole = makeHello({
    identity,
    peer: 1,
    purpose: 'messages',
    maxFrameBytes: 1 << 25,
    auth: new Uint8Array(0),
  });
  return Buffer.concat([preamble, encodeFrame(FrameKind.Hello, '', encodeHello({ ...whole, ...fields }))]);
}

/** A hand-made peer that has passed the handshake as node 9. */
export async function rawGreeted(address: PeerAddress, fields: Partial<Hello> = {}): Promise<RawPeer> {
  const peer = await raw(address);
  peer.socket.write(hello(fields));
  await until(() => peer.frames.length === 1, 'an answer to the hello');
  return peer;
}
