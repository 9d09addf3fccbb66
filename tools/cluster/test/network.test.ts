import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Network } from '../src/network.ts';

const host = '127.0.0.1';
let network: Network;
let server: Server;
let dialers: Socket[];

beforeEach(async () => {
  network = new Network();
  dialers = [];
  // Node 2 answers everything with itself.
  server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
});

afterEach(async () => {
  for (const dialer of dialers) dialer.destroy();
  await network.close();
  await new Promise((resolve) => server.close(resolve));
});

/** Node `from` dials node 2; what comes back is gathered. */
async function dial(from: number, port: number): Promise<{ socket: Socket; text: () => string }> {
  const socket = connect({ host, port });
  dialers.push(socket);
  let text = '';
  socket.on('error', () => undefined);
  socket.setEncoding('utf8').on('data', (part: Buffer | string) => (text += String(part)));
  await once(socket, 'connect');
  socket.write(`\x00hello {"nodeId":${from},"peer":2}`);
  return { socket, text: () => text };
}

/** However it ends. */
function closed(socket: Socket): Promise<unknown> {
  return new Promise((resolve) => socket.once('close', resolve));
}

async function attached(): Promise<number> {
  return (await network.attach(2, { host, port: (server.address() as AddressInfo).port })).port;
}

test('what a node sends arrives, its first frame included', async () => {
  const { socket, text } = await dial(1, await attached());
  socket.write(' more');
  await expect.poll(text).toBe('\x00hello {"nodeId":1,"peer":2} more');
});

test('a cut of one direction ends the connections of the pair, old and new, and no others', async () => {
  const port = await attached();
  const one = await dial(1, port);
  const three = await dial(3, port);
  await expect.poll(one.text).not.toBe('');
  await expect.poll(three.text).not.toBe('');
  network.set(2, 1, { kind: 'cut' });
  await closed(one.socket);
  const again = await dial(1, port);
  await closed(again.socket);
  expect(again.text()).toBe('');
  three.socket.write('!');
  await expect.poll(three.text).toMatch(/!$/);
  network.heal();
  const healed = await dial(1, port);
  await expect.poll(healed.text).not.toBe('');
});

test('what is dropped never comes, also not after the healing, which resets the connection', async () => {
  const { socket, text } = await dial(1, await attached());
  await expect.poll(text).not.toBe('');
  const before = text();
  // Node 2 hears node 1, and is not heard.
  network.set(2, 1, { kind: 'drop' });
  socket.write('lost');
  socket.write('lost too');
  const other = await dial(
    3,
    (await network.attach(4, server.address() as AddressInfo & { host: string })).port,
  );
  await expect.poll(other.text).not.toBe('');
  expect(socket.destroyed).toBe(false);
  network.heal();
  await closed(socket);
  expect(text()).toBe(before);
});

test('what is delayed comes late and in order', async () => {
  const { socket, text } = await dial(1, await attached());
  await expect.poll(text).not.toBe('');
  network.set(1, 2, { kind: 'delay', ms: 60 });
  const began = performance.now();
  socket.write('a');
  socket.write('b');
  await expect.poll(text).toMatch(/ab$/);
  expect(performance.now() - began).toBeGreaterThan(55);
});
