import { Entry, LocalAppendThread, Message, MessageType } from '@balsa/raft-core';
import { describe, expect, test } from 'vitest';
import { memoryAddress } from '../src/index.ts';
import { app, cluster } from './helpers.ts';

describe('delivery', () => {
  test('without faults it is asynchronous and in order, messages and control frames together', async () => {
    const c = await cluster([1, 2]);
    const { transport } = c.node(1);
    transport.send('g', [app(1, 2, 1), app(1, 2, 2)]);
    expect(transport.sendControl('g', 2, new Uint8Array([9]))).toBe(true);
    transport.send('g', [app(1, 2, 3)]);
    expect(c.node(2).handler.events).toEqual([]);
    await c.env.settle();
    expect(c.node(2).handler.events).toEqual([]);
    await c.env.advance(0);
    expect(c.node(2).handler.events).toEqual(['g 1 msg 1', 'g 1 msg 2', 'g 1 control 9', 'g 1 msg 3']);
  });

  test('random latency keeps the order of one direction', async () => {
    const c = await cluster([1, 2], { latencyMs: [1, 50] });
    for (let i = 0; i < 100; i++) {
      c.node(1).transport.send('g', [app(1, 2, i)]);
      await c.env.advance(1);
    }
    await c.env.advance(100);
    expect(c.node(2).handler.messages.map((m) => m.index)).toEqual(Array.from({ length: 100 }, (_, i) => i));
  });

  test('nothing is shared between the two ends, and local fields do not travel', async () => {
    const c = await cluster([1, 2]);
    const data = new Uint8Array([1, 2, 3]);
    const message = new Message(MessageType.MsgApp, {
      from: 1,
      to: 2,
      term: 3,
      entries: [new Entry(3, 1, 0, data, new Uint8Array([7]))],
      vote: 2,
      responses: [new Message(MessageType.MsgAppResp)],
      snapshot: {
        metadata: {
          index: 1,
          term: 1,
          confState: { voters: [1, 2], votersOutgoing: [], learners: [3], learnersNext: [], autoLeave: true },
        },
        data: new Uint8Array([5]),
      },
    });
    c.node(1).transport.send('g', [message]);
    data[0] = 99;
    await c.env.advance(0);
    const [got] = c.node(2).handler.messages;
    expect(got?.entries[0]?.data).toEqual(new Uint8Array([1, 2, 3]));
    expect(got?.entries[0]?.context).toEqual(new Uint8Array([7]));
    expect(got?.snapshot).toEqual(message.snapshot);
    expect(got?.snapshot?.metadata.confState).not.toBe(message.snapshot?.metadata.confState);
    expect(got?.vote).toBe(0);
    expect(got?.responses).toEqual([]);
  });

  test('the whole run repeats from its seed, and differs for another', async () => {
    const run = async (seed: number): Promise<string[]> => {
      const c = await cluster([1, 2, 3], {
        seed,
        latencyMs: [0, 20],
        loss: 0.2,
        duplicate: 0.2,
        reorder: 0.3,
      });
      for (let i = 0; i < 100; i++) {
        c.node(1).transport.send('g', [app(1, 2, i), app(1, 3, i)]);
        await c.env.advance(1);
      }
      await c.env.advance(100);
      return [...c.node(2).handler.events, ...c.node(3).handler.events];
    };
    expect(await run(5)).toEqual(await run(5));
    expect(await run(5)).not.toEqual(await run(6));
  });
});

describe('faults of chance', () => {
  test('loss, duplication and reordering happen and are counted', async () => {
    const c = await cluster([1, 2], { latencyMs: [1, 2], loss: 0.1, duplicate: 0.1, reorder: 0.1 });
    for (let i = 0; i < 1000; i++) {
      c.node(1).transport.send('g', [app(1, 2, i)]);
      await c.env.advance(1);
    }
    await c.env.advance(100);
    const { lost, duplicated, reordered } = c.net.counts();
    const indexes = c.node(2).handler.messages.map((m) => m.index);
    expect(indexes.length).toBe(1000 - lost + duplicated);
    for (const count of [lost, duplicated, reordered]) expect(count).toBeGreaterThan(50);
    expect(indexes).not.toEqual([...indexes].sort((a, b) => a - b));
  });

  test('control frames are neither lost singly nor reordered', async () => {
    const c = await cluster([1, 2], { latencyMs: [0, 9], loss: 0.5, duplicate: 0.5, reorder: 0.5 });
    for (let i = 0; i < 200; i++) c.node(1).transport.sendControl('g', 2, new Uint8Array([i]));
    await c.env.advance(100);
    expect(c.node(2).handler.events).toEqual(
      Array.from({ length: 200 }, (_, i) => `g 1 control ${String(i)}`),
    );
  });

  test('a drop filter by type loses those messages only', async () => {
    const c = await cluster([1, 2]);
    c.net.dropTypes(MessageType.MsgHeartbeat);
    c.node(1).transport.send('g', [app(1, 2, 1), new Message(MessageType.MsgHeartbeat, { from: 1, to: 2 })]);
    await c.env.advance(0);
    expect(c.node(2).handler.messages.map((m) => m.type)).toEqual([MessageType.MsgApp]);
    expect(c.net.counts().filtered).toBe(1);
    c.net.dropTypes();
    c.node(1).transport.send('g', [new Message(MessageType.MsgHeartbeat, { from: 1, to: 2 })]);
    await c.env.advance(0);
    expect(c.node(2).handler.messages.length).toBe(2);
  });
});

describe('connections', () => {
  test('a partition tells both sides once, loses what is under way, and heals', async () => {
    const c = await cluster([1, 2, 3], { latencyMs: [5, 5] });
    c.node(1).transport.send('g', [app(1, 2, 1)]);
    c.node(1).transport.sendControl('g', 2, new Uint8Array([1]));
    c.net.partition([[1], [2, 3]]);
    expect(c.node(1).transport.stats().connectedPeers).toEqual([]);
    expect(c.node(2).transport.stats().connectedPeers).toEqual([3]);
    await c.env.advance(20);
    expect(c.node(1).handler.events).toEqual(['disconnect 2', 'disconnect 3']);
    expect(c.node(2).handler.events).toEqual(['disconnect 1']);
    expect(c.node(1).transport.sendControl('g', 2, new Uint8Array([2]))).toBe(false);
    c.net.heal();
    expect(c.node(1).transport.sendControl('g', 2, new Uint8Array([3]))).toBe(true);
    await c.env.advance(20);
    expect(c.node(2).handler.events).toEqual(['disconnect 1', 'g 1 control 3']);
  });

  test('onUnreachable comes once per group and loss, never from inside send', async () => {
    const c = await cluster([1, 2]);
    c.net.isolate(2);
    await c.env.advance(0);
    const { transport, handler } = c.node(1);
    transport.send('g', [app(1, 2, 1), app(1, 2, 2)]);
    transport.send('h', [app(1, 2, 1)]);
    expect(handler.events).toEqual(['disconnect 2']);
    await c.env.advance(0);
    transport.send('g', [app(1, 2, 3)]);
    await c.env.advance(0);
    expect(handler.events).toEqual(['disconnect 2', 'unreachable g 2', 'unreachable h 2']);
    expect(transport.stats().droppedMessages).toBe(4);
    c.net.heal();
    c.net.isolate(2);
    transport.send('g', [app(1, 2, 4)]);
    await c.env.advance(0);
    expect(handler.events.slice(3)).toEqual(['disconnect 2', 'unreachable g 2']);
  });

  test('a full queue drops, and says so once per overflow', async () => {
    const c = await cluster([1, 2], { latencyMs: [5, 5], maxQueuedMessages: 3 });
    const { transport, handler } = c.node(1);
    transport.send(
      'g',
      [1, 2, 3, 4, 5].map((i) => app(1, 2, i)),
    );
    await c.env.advance(10);
    expect(c.node(2).handler.messages.map((m) => m.index)).toEqual([1, 2, 3]);
    expect(handler.events).toEqual(['unreachable g 2']);
    transport.send(
      'g',
      [1, 2, 3, 4].map((i) => app(1, 2, i)),
    );
    await c.env.advance(10);
    expect(handler.events).toEqual(['unreachable g 2', 'unreachable g 2']);
  });

  test('one way: one direction is dead, the other goes on', async () => {
    const c = await cluster([1, 2]);
    c.net.oneWay(1, 2);
    c.node(1).transport.send('g', [app(1, 2, 1)]);
    c.node(2).transport.send('g', [app(2, 1, 2)]);
    await c.env.advance(0);
    expect(c.node(1).handler.events).toEqual(['disconnect 2', 'unreachable g 2', 'g 2 msg 2']);
    expect(c.node(2).handler.events).toEqual(['disconnect 1']);
  });

  test('after a broken connection onDisconnect comes before any later frame', async () => {
    const c = await cluster([1, 2]);
    c.node(1).transport.sendControl('g', 2, new Uint8Array([1]));
    c.net.disconnect(1, 2);
    c.node(1).transport.sendControl('g', 2, new Uint8Array([2]));
    await c.env.advance(0);
    expect(c.node(2).handler.events).toEqual(['disconnect 1', 'g 1 control 2']);
  });

  test('a crashed node hears nothing more; under the same id a new one takes over', async () => {
    const c = await cluster([1, 2]);
    const old = c.node(2).handler;
    c.node(1).transport.send('g', [app(1, 2, 1)]);
    c.net.crash(2);
    await c.env.advance(0);
    expect(old.events).toEqual([]);
    expect(c.node(1).handler.events).toEqual(['disconnect 2']);
    await c.boot(2);
    c.node(1).transport.send('g', [app(1, 2, 2)]);
    await c.env.advance(0);
    expect(c.node(2).handler.events).toEqual(['g 1 msg 2']);
    expect(old.events).toEqual([]);
  });

  test('two live transports of one node are refused', async () => {
    const c = await cluster([1]);
    await expect(c.boot(1)).rejects.toMatchObject({ code: 'ADDRESS_IN_USE' });
  });

  test('a node of another cluster, or another node than expected, is refused and counted', async () => {
    const c = await cluster([1, 2]);
    await c.node(2).transport.stop();
    await c.boot(2, 'another');
    expect(c.node(1).transport.stats()).toMatchObject({
      connectedPeers: [],
      rejectedFrames: { HANDSHAKE_REFUSED: 1 },
    });
    const d = await cluster([1, 2, 3]);
    d.node(1).transport.setPeer(2, memoryAddress(3));
    expect(d.node(1).transport.stats().rejectedFrames).toEqual({ HANDSHAKE_REFUSED: 1 });
    expect(d.node(1).transport.stats().connectedPeers).toEqual([3]);
  });

  test('an address that is none is refused', async () => {
    const c = await cluster([1, 2]);
    const { transport } = c.node(1);
    for (const address of ['', 'memory:', 'memory:0', 'memory:x', '127.0.0.1:7201']) {
      expect(() => transport.checkAddress(address)).toThrow(/is not an address: write memory:ID/);
      expect(() => transport.setPeer(2, address)).toThrow(/is not an address/);
    }
    for (const address of [memoryAddress(3), '3']) transport.checkAddress(address);
    expect(transport.stats().connectedPeers).toEqual([2]);
  });

  test('messages to local threads never travel', async () => {
    const c = await cluster([1, 2]);
    c.node(1).transport.send('g', [app(1, LocalAppendThread, 1)]);
    await c.env.advance(0);
    expect(c.node(1).transport.stats()).toMatchObject({ sentMessages: 0, droppedMessages: 1 });
  });

  test('removePeer ends the connection; stop is idempotent', async () => {
    const c = await cluster([1, 2]);
    const { transport } = c.node(1);
    transport.removePeer(2);
    transport.send('g', [app(1, 2, 1)]);
    await c.env.advance(0);
    expect(c.node(2).handler.events).toEqual(['disconnect 1']);
    await Promise.all([transport.stop(), transport.stop()]);
    transport.send('g', [app(1, 2, 1)]);
    expect(transport.sendControl('g', 2, new Uint8Array([1]))).toBe(false);
  });
});
