import { createServer, type AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { findFreePorts, requireFree } from '../src/ports.ts';

const host = '127.0.0.1';

test('free ports are all different, and free', async () => {
  const ports = await findFreePorts(host, 9);
  expect(new Set(ports).size).toBe(9);
  await requireFree(
    ports.map((port) => ({ host, port })),
    0,
    '',
  );
});

test('free ports are none that a connection which goes out, or a listener on any port, may get', async () => {
  for (const port of await findFreePorts(host, 50)) expect(port).toBeLessThan(32_768);
});

test('a taken port is named, with what to do', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  const { port } = server.address() as AddressInfo;
  await expect(requireFree([{ host, port }], 0, 'Choose another.')).rejects.toThrow(
    `Port 127.0.0.1:${port} is in use. Choose another.`,
  );
  await new Promise((resolve) => server.close(resolve));
});

test('a port that becomes free is waited for', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  const { port } = server.address() as AddressInfo;
  const waiting = requireFree([{ host, port }], 10_000, '');
  server.close();
  await waiting;
});
