import { describe, expect, test } from 'vitest';
import { encodeFrame, FrameKind } from '../src/frame.ts';
import { app, connected, node, pair, rawGreeted, until } from './helpers.ts';

const disconnects = (events: readonly string[]): number =>
  events.filter((e) => e.startsWith('disconnect')).length;

describe('loss and return of connections', () => {
  test('a peer that restarts on its port is found again; each lost connection is told once', async () => {
    const [a, b] = await pair();
    const port = Number(b.address.split(':')[1]);
    await b.transport.stop();
    // One connection to it and one from it.
    await until(() => disconnects(a.handler.events) === 2, 'both losses');
    a.transport.send('g', [app(1, 2, 1), app(1, 2, 2)]);
    await until(() => a.handler.events.length === 3, 'the report');
    expect(a.handler.events).toEqual(['disconnect 2', 'disconnect 2', 'unreachable g 2']);
    expect(a.transport.sendControl('g', 2, Uint8Array.of(1))).toBe(false);
    const again = await node(2, { listen: { port } });
    again.transport.setPeer(1, a.address);
    await connected(a, again);
    a.transport.send('g', [app(1, 2, 3)]);
    await until(() => again.handler.messages.length === 1, 'a message after the return');
    expect(again.handler.messages[0]?.index).toBe(3);
    expect(disconnects(a.handler.events)).toBe(2);
    expect(b.handler.events).toEqual([]);
  });

  test('a peer that is not there yet is dialled until it is, and the log says so once', async () => {
    const probe = await node(9);
    const port = Number(probe.address.split(':')[1]);
    await probe.transport.stop();
    const a = await node(1);
    a.transport.setPeer(2, `127.0.0.1:${String(port)}`);
    await until(() => a.env.lines.length > 0, 'a first failure');
    const b = await node(2, { listen: { port } });
    b.transport.setPeer(1, a.address);
    await connected(a, b);
    expect(a.env.lines.length).toBe(1);
    expect(a.handler.events).toEqual([]);
  });

  test('messages queued for a peer that turns out not to be there are dropped and reported once', async () => {
    const probe = await node(9);
    await probe.transport.stop();
    const a = await node(1);
    a.transport.setPeer(2, probe.address);
    a.transport.send('g', [app(1, 2, 1), app(1, 2, 2)]);
    a.transport.send('h', [app(1, 2, 3)]);
    await until(() => a.handler.events.length === 2, 'the reports');
    expect(a.handler.events).toEqual(['unreachable g 2', 'unreachable h 2']);
    expect(a.transport.stats().droppedMessages).toBe(3);
  });

  test('a peer that comes to us is dialled at once, whatever the back-off', async () => {
    const probe = await node(9);
    const port = Number(probe.address.split(':')[1]);
    await probe.transport.stop();
    const a = await node(1, { limits: { reconnectMinMs: 600_000, reconnectMaxMs: 600_000 } });
    a.transport.setPeer(2, `127.0.0.1:${String(port)}`);
    await until(() => a.env.lines.length > 0, 'a first failure');
    const b = await node(2, { listen: { port } });
    b.transport.setPeer(1, a.address);
    await connected(a, b);
  });

  test('a newer connection of the same peer replaces the older, whose loss is told before its frames', async () => {
    const a = await node(1);
    const old = await rawGreeted(a.address);
    old.socket.write(encodeFrame(FrameKind.Control, 'g', Buffer.from([1])));
    await until(() => a.handler.events.length === 1, 'the first frame');
    const fresh = await rawGreeted(a.address);
    fresh.socket.write(encodeFrame(FrameKind.Control, 'g', Buffer.from([2])));
    await until(() => a.handler.events.length === 3, 'the second frame');
    await until(() => old.closed, 'the close of the old one');
    expect(a.handler.events).toEqual(['g 9 control 1', 'disconnect 9', 'g 9 control 2']);
  });

  test('a new incarnation that dials us shows that our connection to the old one is dead', async () => {
    const [a, b] = await pair();
    // Node 2 in a new life, while TCP still believes in the connection to the old one.
    await rawGreeted(a.address, { nodeId: 2, incarnation: 'another life' });
    // The old process dials again at once, so there may be more losses than these two.
    await until(() => disconnects(a.handler.events) >= 2, 'both old connections given up');
    await until(() => disconnects(b.handler.events) >= 1, 'the old process sees it too');
  });

  test('a peer that falls silent is given up after the idle timeout', async () => {
    const a = await node(1, { limits: { pingIntervalMs: 10, idleTimeoutMs: 60 } });
    const mute = await rawGreeted(a.address);
    await until(() => a.handler.events.length === 1, 'the loss');
    expect(a.handler.events).toEqual(['disconnect 9']);
    expect(mute.frames.some((frame) => frame.kind === FrameKind.Ping)).toBe(true);
  });

  test('pings keep an idle pair together', async () => {
    const limits = { pingIntervalMs: 20, idleTimeoutMs: 500 };
    const [a, b] = await pair({ limits }, { limits });
    const { receivedBytes } = a.transport.stats();
    await until(() => a.transport.stats().receivedBytes > receivedBytes + 40 * 11, 'forty pings');
    expect([...a.handler.events, ...b.handler.events]).toEqual([]);
  });

  test('an address that is none is refused before anything is done with it', async () => {
    const [a] = await pair();
    for (const address of ['', 'nowhere', 'host:', ':7201', 'host:0', 'host:65536', '::1:7201', 'a b:7201']) {
      const refused = expect.objectContaining({ code: 'INVALID_ARGUMENT', outcome: 'refused' }) as unknown;
      expect(() => a.transport.checkAddress(address)).toThrow(refused);
      expect(() => a.transport.setPeer(2, address)).toThrow(refused);
    }
    for (const address of ['localhost:7201', '10.0.0.1:1', '[::1]:65535']) a.transport.checkAddress(address);
    expect(a.transport.stats().connectedPeers).toEqual([2]);
  });

  test('setPeer with another address moves the connection there', async () => {
    const [a, b] = await pair();
    const moved = await node(2);
    a.transport.setPeer(2, moved.address);
    a.transport.send('g', [app(1, 2, 1)]);
    await until(() => moved.handler.messages.length === 1, 'the message at the new place');
    expect(b.handler.messages).toEqual([]);
    expect(a.handler.events[0]).toBe('disconnect 2');
  });

  test('setPeer with the same address changes nothing', async () => {
    const [a, b] = await pair();
    a.transport.setPeer(2, b.address);
    expect(a.transport.stats().connectedPeers).toEqual([2]);
  });

  test('removePeer closes both directions, never from inside the call', async () => {
    const [a, b] = await pair();
    a.transport.send('g', [app(1, 2, 1)]);
    a.transport.removePeer(2);
    expect(a.handler.events).toEqual([]);
    expect(a.transport.stats()).toMatchObject({ connectedPeers: [], incomingPeers: [], droppedMessages: 1 });
    await until(() => disconnects(a.handler.events) === 2, 'both losses');
    await until(() => disconnects(b.handler.events) >= 2, 'both losses on the other side');
    a.transport.removePeer(2);
    await a.transport.stop();
  });
});
