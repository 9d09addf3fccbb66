import { connect, type Socket } from 'node:net';
import { LocalAppendThread, Message, MessageType } from '@balsa/raft-core';
import { expect, test } from 'vitest';
import { createTcpTransport } from '../src/index.ts';
import { app, connected, node, pair, raw, until } from './helpers.ts';
import { nodeEnv } from './node-env.ts';

test('messages and control frames arrive whole and in the order sent', async () => {
  const [a, b] = await pair();
  const data = Buffer.alloc(300_000, 7);
  a.transport.send('g', [app(1, 2, 1), app(1, 2, 2, data)]);
  expect(a.transport.sendControl('g', 2, Uint8Array.of(9))).toBe(true);
  a.transport.send('\ud800h', [app(1, 2, 3)]);
  await until(() => b.handler.events.length === 4, 'four arrivals');
  expect(b.handler.events).toEqual(['g 1 msg 1', 'g 1 msg 2', 'g 1 control 9', '\ud800h 1 msg 3']);
  expect(Buffer.compare(b.handler.messages[1]?.entries[0]?.data ?? Buffer.alloc(0), data)).toBe(0);
  expect(a.transport.stats()).toMatchObject({ sentMessages: 3, droppedMessages: 0, connectedPeers: [2] });
  expect(b.transport.stats()).toMatchObject({ receivedMessages: 3, rejectedFrames: {} });
});

test('ten thousand messages in many turns keep their order in both directions', async () => {
  const [a, b] = await pair();
  const indexes = Array.from({ length: 10_000 }, (_, i) => i);
  for (let i = 0; i < indexes.length; i += 100) {
    a.transport.send(
      'g',
      indexes.slice(i, i + 100).map((n) => app(1, 2, n)),
    );
    b.transport.send(
      'g',
      indexes.slice(i, i + 100).map((n) => app(2, 1, n)),
    );
    await new Promise((resolve) => setImmediate(resolve));
  }
  await until(() => a.handler.messages.length + b.handler.messages.length === 20_000, 'all messages');
  expect(b.handler.messages.map((m) => m.index)).toEqual(indexes);
  expect(a.handler.messages.map((m) => m.index)).toEqual(indexes);
});

test('what is sent in one turn leaves in one write, and is handed on in one call', async () => {
  const [a, b] = await pair();
  const before = a.transport.stats().socketWrites;
  for (let i = 0; i < 500; i++) a.transport.send('g', [app(1, 2, i)]);
  await until(() => b.handler.messages.length === 500, 'all messages');
  expect(a.transport.stats().socketWrites - before).toBe(1);
  expect(b.handler.calls.length).toBeLessThan(10);
});

test('messages sent while the first connection comes about are kept', async () => {
  const a = await node(1);
  const b = await node(2);
  a.transport.setPeer(2, b.address);
  a.transport.send('g', [app(1, 2, 1), app(1, 2, 2)]);
  expect(a.transport.sendControl('g', 2, Uint8Array.of(1))).toBe(false);
  await until(() => b.handler.messages.length === 2, 'both messages');
});

test('a full queue drops the newest, counts them and says so once', async () => {
  const [a, b] = await pair({ limits: { maxQueuedMessages: 10 } });
  a.transport.send(
    'g',
    Array.from({ length: 25 }, (_, i) => app(1, 2, i)),
  );
  expect(a.transport.sendControl('g', 2, Uint8Array.of(1))).toBe(false);
  await until(() => b.handler.messages.length === 10, 'those that had room');
  expect(b.handler.messages.map((m) => m.index)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  expect(a.handler.events).toEqual(['unreachable g 2']);
  expect(a.transport.stats().droppedMessages).toBe(15);
  a.transport.send(
    'g',
    Array.from({ length: 11 }, (_, i) => app(1, 2, i)),
  );
  await until(() => a.handler.events.length === 2, 'the second overflow');
  expect(a.handler.events).toEqual(['unreachable g 2', 'unreachable g 2']);
});

test('a peer that does not read makes the queue fill up to its bounds, not the memory', async () => {
  let out: Socket | undefined;
  const [a, b] = await pair({
    limits: { maxQueuedBytes: 8 << 20, maxFrameBytes: 8 << 20 },
    socketFactory: ({ host, port }, onConnected) => (out = connect({ host, port }, onConnected)),
  });
  // Uncorked by hand below: the kernel takes nothing more, as with a peer whose receive window is shut.
  const socket = out;
  if (socket === undefined) throw new Error('no socket');
  socket.cork();
  const data = Buffer.alloc(1 << 20);
  for (let i = 0; i < 40; i++) {
    a.transport.send('g', [app(1, 2, i, data)]);
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(socket.writableLength).toBeLessThan(4 << 20);
  expect(a.handler.events).toEqual(['unreachable g 2']);
  const { droppedMessages } = a.transport.stats();
  expect(droppedMessages).toBeGreaterThan(25);
  socket.uncork();
  await until(() => b.handler.messages.length === 40 - droppedMessages, 'all that had room');
});

test('a message beyond the frame limit is dropped and counted; the connection lives on', async () => {
  const [a, b] = await pair({ limits: { maxFrameBytes: 64 * 1024 } });
  a.transport.send('g', [app(1, 2, 1, Buffer.alloc(100_000)), app(1, 2, 2)]);
  await until(() => b.handler.messages.length === 1, 'the small one');
  expect(a.transport.stats()).toMatchObject({ droppedMessages: 1, rejectedFrames: { WIRE_TOO_LARGE: 1 } });
  await until(() => a.handler.events.length === 1, 'the report');
  expect(a.handler.events).toEqual(['unreachable g 2']);
});

test('messages for local threads, unknown peers and with impossible numbers never leave and never throw', async () => {
  const [a, b] = await pair();
  a.transport.send('g', [
    app(1, LocalAppendThread, 1),
    app(1, 77, 1),
    app(1, 77, 2),
    new Message(MessageType.MsgHeartbeat, { from: 1, to: 2, commit: -1 }),
    app(1, 2, 5),
  ]);
  await until(() => b.handler.messages.length === 1, 'the good one');
  await until(() => a.handler.events.length === 2, 'the reports');
  expect(a.handler.events).toEqual([`unreachable g ${String(LocalAppendThread)}`, 'unreachable g 77']);
  expect(a.transport.stats().droppedMessages).toBe(4);
});

test('a handler that throws is logged, and the connection lives on', async () => {
  const [a, b] = await pair();
  b.handler.onControl = () => {
    throw new Error('a bug above');
  };
  a.transport.sendControl('g', 2, Uint8Array.of(1));
  a.transport.send('g', [app(1, 2, 1)]);
  await until(() => b.handler.messages.length === 1, 'the message');
  expect(b.env.lines).toEqual(['the transport handler threw, which it must not']);
});

test('a port that is taken is ADDRESS_IN_USE, naming the port', async () => {
  const a = await node(1);
  const port = Number(a.address.split(':')[1]);
  const other = createTcpTransport({ env: nodeEnv(), listen: { port } });
  await expect(other.start({ clusterId: 'c', nodeId: 2, incarnation: 'x' }, a.handler)).rejects.toMatchObject(
    {
      code: 'ADDRESS_IN_USE',
      message: expect.stringContaining(String(port)) as string,
    },
  );
  await other.stop();
});

test('it listens on the loopback interface unless told otherwise', async () => {
  const a = await node(1);
  expect(a.address.startsWith('127.0.0.1:')).toBe(true);
});

test('options and addresses that cannot work are refused when given', async () => {
  const env = nodeEnv();
  const make = (limits: object): unknown => createTcpTransport({ env, listen: { port: 0 }, limits });
  expect(() => make({ maxQueuedBytes: 70_000, maxFrameBytes: 80_000 })).toThrow(/maxQueuedBytes/);
  expect(() => make({ idleTimeoutMs: 10 })).toThrow(/idleTimeoutMs/);
  expect(() => make({ maxFrameBytes: Number.NaN })).toThrow(/maxFrameBytes/);
  const a = await node(1);
  for (const bad of ['', 'nowhere', 'host:', 'host:0', 'host:99999', '::1:80']) {
    expect(() => {
      a.transport.setPeer(2, bad);
    }).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  }
});

test('stop with everything in flight settles, twice, and leaves no timer and no open port', async () => {
  const [a, b] = await pair();
  const c = await node(3);
  c.transport.setPeer(1, a.address);
  a.transport.setPeer(3, '127.0.0.1:1');
  a.handler.sink = () => new Promise(() => undefined);
  await raw(a.address);
  const snap = new Message(MessageType.MsgSnap, { from: 2, to: 1 });
  const metadata = {
    index: 1,
    term: 1,
    confState: { voters: [1], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false },
  };
  const source = {
    metadata,
    chunkCount: 1,
    bytes: 1,
    checksum: 0,
    chunk: () => Promise.resolve(Uint8Array.of(1)),
  };
  const transfer = b.transport.sendSnapshot('g', snap, source);
  const outcome = transfer.done.catch((e: unknown) => e);
  a.transport.send(
    'g',
    Array.from({ length: 100 }, (_, i) => app(1, 2, i, Buffer.alloc(10_000))),
  );
  await Promise.all([b.transport.stop(), b.transport.stop()]);
  expect(await outcome).toMatchObject({ code: 'SNAPSHOT_TRANSFER_FAILED' });
  await Promise.all([a.transport.stop(), c.transport.stop()]);
  await a.transport.stop();
  for (const { env } of [a, b, c]) expect([...env.live].length).toBe(0);
  const again = createTcpTransport({ env: nodeEnv(), listen: { port: Number(a.address.split(':')[1]) } });
  await again.start({ clusterId: 'c', nodeId: 1, incarnation: 'x' }, a.handler);
  await again.stop();
  a.transport.send('g', [app(1, 2, 1)]);
  expect(a.transport.sendControl('g', 2, Uint8Array.of(1))).toBe(false);
  await expect(
    a.transport.start({ clusterId: 'c', nodeId: 1, incarnation: 'x' }, a.handler),
  ).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
});

test('stop before start, and during it, is harmless', async () => {
  const never = createTcpTransport({ env: nodeEnv(), listen: { port: 0 } });
  await never.stop();
  const env = nodeEnv();
  const early = createTcpTransport({ env, listen: { port: 0 } });
  const starting = early
    .start({ clusterId: 'c', nodeId: 1, incarnation: 'x' }, (await node(5)).handler)
    .catch((e: unknown) => e);
  await early.stop();
  expect(await starting).toMatchObject({ code: 'STOPPED' });
  expect(env.live.size).toBe(0);
});

test('peers may be given from the start', async () => {
  const b = await node(2);
  const a = await node(1, { peers: [[2, b.address]] });
  b.transport.setPeer(1, a.address);
  await connected(a, b);
});
