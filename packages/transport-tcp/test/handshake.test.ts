import { createConnection, createServer, type Socket } from 'node:net';
import { encodeMessage, Message, messageSize, MessageType } from '@balsa/raft-core';
import { describe, expect, test } from 'vitest';
import { encodeFrame, FrameKind, preamble } from '../src/frame.ts';
import { decodeHello, decodeRefusal, type Hello } from '../src/handshake.ts';
import { parseAddress } from '../src/index.ts';
import { app, connected, hello, node, pair, raw, rawGreeted, until, type Node } from './helpers.ts';

const encoded = (message: Message): Buffer => {
  const body = Buffer.alloc(messageSize(message));
  encodeMessage(message, body, 0);
  return body;
};

describe('handshake refusals', () => {
  const cases: readonly (readonly [string, Partial<Hello>, string])[] = [
    ['another cluster', { clusterId: 'other' }, 'cluster'],
    ['another node than expected', { peer: 5 }, 'node'],
    ['our own node id', { nodeId: 1 }, 'node'],
    ['no common version', { minVersion: 2, maxVersion: 4 }, 'version'],
    ['only older versions', { minVersion: 0, maxVersion: 0 }, 'version'],
  ];
  for (const [what, fields, reason] of cases) {
    test(`${what}: refused with a reason that the other side can read, counted and logged`, async () => {
      const a = await node(1);
      const peer = await rawGreeted(a.address, fields);
      const [frame] = peer.frames;
      expect(frame?.kind).toBe(FrameKind.Refusal);
      expect(decodeRefusal(frame?.body ?? Buffer.alloc(0))).toMatchObject({ reason });
      await until(() => peer.closed, 'the close');
      expect(a.transport.stats().rejectedFrames).toEqual({ HANDSHAKE_REFUSED: 1 });
      expect(a.env.lines.length).toBe(1);
    });
  }

  test('two transports of different clusters both count and both log why', async () => {
    const a = await node(1);
    const b = await node(2, { clusterId: 'another' });
    a.transport.setPeer(2, b.address);
    await until(() => a.transport.stats().rejectedFrames['HANDSHAKE_REFUSED'] !== undefined, 'a hears of it');
    expect(b.transport.stats().rejectedFrames['HANDSHAKE_REFUSED']).toBeGreaterThan(0);
    for (const { env } of [a, b])
      expect(env.lines.join('\n')).toMatch(
        /node 1 belongs to cluster 00000000000000c1, node 2 to cluster another/,
      );
    expect(a.transport.stats().connectedPeers).toEqual([]);
    expect(a.handler.events).toEqual([]);
  });

  test('a node that is not the one expected behind an address is refused', async () => {
    const a = await node(1);
    const b = await node(2);
    a.transport.setPeer(3, b.address);
    await until(() => a.transport.stats().rejectedFrames['HANDSHAKE_REFUSED'] !== undefined, 'the refusal');
    expect(a.env.lines.join('\n')).toMatch(/expects node 3 here, but this is node 2/);
  });

  test('an authenticator decides on both sides', async () => {
    const secret = (
      text: string,
    ): { offer: () => Uint8Array; verify: (peer: number, offered: Uint8Array) => boolean } => ({
      offer: () => Buffer.from(text),
      verify: (_peer, offered) => Buffer.from(offered).toString() === text,
    });
    const a = await node(1, { authenticator: secret('sesame') });
    const b = await node(2, { authenticator: secret('sesame') });
    const c = await node(3, { authenticator: secret('wrong') });
    a.transport.setPeer(2, b.address);
    b.transport.setPeer(1, a.address);
    await connected(a, b);
    c.transport.setPeer(1, a.address);
    await until(() => c.transport.stats().rejectedFrames['HANDSHAKE_REFUSED'] !== undefined, 'the refusal');
    expect(a.transport.stats().incomingPeers).toEqual([2]);
  });

  test('a refusal that repeats is logged once and counted each time', async () => {
    const a = await node(1);
    const b = await node(2, { clusterId: 'another' });
    a.transport.setPeer(2, b.address);
    await until(() => (b.transport.stats().rejectedFrames['HANDSHAKE_REFUSED'] ?? 0) >= 4, 'four refusals');
    expect(b.env.lines.length).toBe(1);
    // Why it was refused, and that node 2 is out of reach.
    expect(a.env.lines.length).toBe(2);
  });

  test('a socket factory or an authenticator that throws is a failed attempt, not a crash', async () => {
    const b = await node(2);
    let calls = 0;
    const offer = (): Uint8Array => {
      calls++;
      throw new Error('no key');
    };
    const a = await node(1, { authenticator: { offer, verify: () => true } });
    const c = await node(3, {
      socketFactory: () => {
        calls++;
        throw new Error('no certificate');
      },
    });
    for (const { transport } of [a, c]) transport.setPeer(2, b.address);
    await until(() => calls >= 6, 'further attempts');
    expect(a.env.lines[0]).toContain('no key');
    expect(c.env.lines[0]).toContain('no certificate');
  });

  test('a connection that says nothing is closed in time', async () => {
    const a = await node(1, { limits: { handshakeTimeoutMs: 30 } });
    const peer = await raw(a.address);
    await until(() => peer.closed, 'the close');
    expect(a.transport.stats().rejectedFrames).toEqual({});
  });

  test('a listener that never answers does not hold up the dialler for ever', async () => {
    const sockets: Socket[] = [];
    const mute = createServer((socket) => {
      sockets.push(socket);
      socket.on('error', () => undefined);
    });
    await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
    const { port } = mute.address() as { port: number };
    const a = await node(1, { limits: { handshakeTimeoutMs: 20 } });
    a.transport.setPeer(2, `127.0.0.1:${String(port)}`);
    await until(() => sockets.length >= 3, 'further attempts');
    await a.transport.stop();
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => mute.close(resolve));
  });

  test('more connections than allowed are told so', async () => {
    const a = await node(1, { limits: { maxIncomingConnections: 2 } });
    const first = await raw(a.address);
    await raw(a.address);
    const third = await raw(a.address);
    await until(() => third.frames.length === 1, 'the refusal');
    expect(decodeRefusal(third.frames[0]?.body ?? Buffer.alloc(0)).reason).toBe('limit');
    first.socket.destroy();
    await until(() => first.closed, 'room');
    const b = await node(2);
    b.transport.setPeer(1, a.address);
    await until(() => b.transport.stats().connectedPeers.length === 1, 'a connection in the room made');
  });

  test('the welcome says who answers, and later fields of a hello are skipped', async () => {
    const a = await node(1);
    const peer = await raw(a.address);
    const known = JSON.parse(
      hello()
        .subarray(8 + 7, -4)
        .toString(),
    ) as object;
    const body = Buffer.from(JSON.stringify({ ...known, fromTheFuture: [1, 2] }));
    peer.socket.write(Buffer.concat([preamble, encodeFrame(FrameKind.Hello, '', body)]));
    await until(() => peer.frames.length === 1, 'the welcome');
    expect(decodeHello(peer.frames[0]?.body ?? Buffer.alloc(0))).toMatchObject({
      nodeId: 1,
      peer: 9,
      purpose: 'messages',
    });
  });
});

describe('hostile bytes', () => {
  /** The node still works: a proper peer gets through. */
  async function alive(a: Node): Promise<void> {
    const b = await node(2);
    b.transport.setPeer(1, a.address);
    b.transport.send('g', [app(2, 1, 42)]);
    await until(() => a.handler.messages.some((m) => m.index === 42), 'a message after the attack');
  }

  const message = encodeFrame(FrameKind.Message, 'g', encoded(app(9, 1, 1)));
  const flipped = Buffer.from(message);
  flipped.writeUInt8(flipped.readUInt8(20) ^ 4, 20);
  const huge = Buffer.alloc(4);
  huge.writeUInt32BE(0x7fff_ffff);

  const attacks: readonly (readonly [string, Buffer, boolean, string])[] = [
    ['garbage instead of a preamble', Buffer.from('GET / HTTP/1.1\r\n\r\n'), false, 'WIRE_MALFORMED'],
    [
      'garbage behind the preamble',
      Buffer.concat([preamble, Buffer.alloc(64, 0x01)]),
      false,
      'WIRE_TOO_LARGE',
    ],
    ['a message before the hello', Buffer.concat([preamble, message]), false, 'WIRE_MALFORMED'],
    [
      'a hello that is not JSON',
      Buffer.concat([preamble, encodeFrame(FrameKind.Hello, '', Buffer.from('{'))]),
      false,
      'WIRE_MALFORMED',
    ],
    [
      'a hello with fields missing',
      Buffer.concat([preamble, encodeFrame(FrameKind.Hello, '', Buffer.from('{"minVersion":1}'))]),
      false,
      'WIRE_MALFORMED',
    ],
    [
      'a hello larger than any hello',
      Buffer.concat([preamble, encodeFrame(FrameKind.Hello, '', Buffer.alloc(100_000))]),
      false,
      'WIRE_TOO_LARGE',
    ],
    ['a frame with a flipped bit', flipped, true, 'WIRE_MALFORMED'],
    ['a frame beyond the bound', huge, true, 'WIRE_TOO_LARGE'],
    ['a frame shorter than any', Buffer.from([0, 0, 0, 1, 5]), true, 'WIRE_MALFORMED'],
    [
      'a message that is no protobuf',
      encodeFrame(FrameKind.Message, 'g', Buffer.from([0xff, 0xff, 0xff])),
      true,
      'WIRE_MALFORMED',
    ],
    [
      'a snapshot frame among messages',
      encodeFrame(FrameKind.SnapshotAck, 'g', Buffer.alloc(4)),
      true,
      'WIRE_MALFORMED',
    ],
    ['a second hello', hello().subarray(8), true, 'WIRE_MALFORMED'],
  ];
  for (const [what, bytes, greeted, code] of attacks) {
    test(`${what}: counted as ${code}, closed, and nothing else happens`, async () => {
      const a = await node(1);
      const peer = greeted ? await rawGreeted(a.address) : await raw(a.address);
      peer.socket.write(bytes);
      await until(() => peer.closed, 'the close');
      expect(a.transport.stats().rejectedFrames).toEqual({ [code]: 1 });
      expect(a.handler.messages).toEqual([]);
      await alive(a);
    });
  }

  test('good frames before a bad one in the same piece are delivered', async () => {
    const a = await node(1);
    const peer = await rawGreeted(a.address);
    peer.socket.write(Buffer.concat([message, message, flipped, message]));
    await until(() => peer.closed, 'the close');
    expect(a.handler.events).toEqual(['g 9 msg 1', 'g 9 msg 1', 'disconnect 9']);
  });

  test('a connection cut in the middle of a frame delivers nothing of it', async () => {
    const a = await node(1);
    const peer = await rawGreeted(a.address);
    peer.socket.end(message.subarray(0, message.length - 1));
    await until(() => a.handler.events.length === 1, 'the loss');
    expect(a.handler.events).toEqual(['disconnect 9']);
  });

  test('a message meant for another node is dropped and counted; the connection stays', async () => {
    const a = await node(1);
    const peer = await rawGreeted(a.address);
    const stray = encodeFrame(
      FrameKind.Message,
      'g',
      encoded(new Message(MessageType.MsgHeartbeat, { from: 9, to: 4 })),
    );
    peer.socket.write(Buffer.concat([stray, message]));
    await until(() => a.handler.messages.length === 1, 'the proper one');
    expect(a.transport.stats().rejectedFrames).toEqual({ STEP_INVALID_MESSAGE: 1 });
    expect(peer.closed).toBe(false);
  });

  test('a peer that answers a dialler with garbage is counted, and dialled again', async () => {
    const sockets: Socket[] = [];
    const liar = createServer((socket) => {
      sockets.push(socket);
      socket.on('error', () => undefined);
      socket.end('HTTP/1.1 400 Bad Request\r\n\r\n');
    });
    await new Promise<void>((resolve) => liar.listen(0, '127.0.0.1', resolve));
    const { port } = liar.address() as { port: number };
    const a = await node(1);
    a.transport.setPeer(2, `127.0.0.1:${String(port)}`);
    await until(() => sockets.length >= 3, 'further attempts');
    expect(a.transport.stats().rejectedFrames['WIRE_MALFORMED']).toBeGreaterThanOrEqual(2);
    await a.transport.stop();
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => liar.close(resolve));
  });

  test('a thousand connections that come and go leave nothing behind', async () => {
    const a = await node(1);
    const { host, port } = parseAddress(a.address);
    for (let round = 0; round < 20; round++) {
      const batch = Array.from({ length: 50 }, () => {
        const socket = createConnection({ host, port });
        return new Promise<void>((resolve) => {
          socket.on('error', () => undefined);
          socket.on('close', () => {
            resolve();
          });
          socket.on('connect', () => socket.destroy());
        });
      });
      await Promise.all(batch);
    }
    await until(() => a.env.live.size === 0, 'all deadlines cancelled');
    await alive(a);
  });

  test('two proper nodes reject nothing', async () => {
    const [a, b] = await pair();
    for (const { transport } of [a, b]) expect(transport.stats().rejectedFrames).toEqual({});
  });
});
