import { appendFileSync, existsSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { RedisServer } from '@balsa/storage-redis/testing';
import { entries, openEngine, openGroup, startServer, temporaryDirectory } from './support/index.ts';

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe('the server for tests', () => {
  test('keeps its data, its port and its directory over a kill and a restart', async () => {
    const directory = temporaryDirectory();
    const server = await RedisServer.start({ directory });
    const { port, pid = 0 } = server;
    expect(isAlive(pid)).toBe(true);
    await server.kill();
    expect(isAlive(pid)).toBe(false);
    expect(server.pid).toBeUndefined();
    await server.restart();
    expect(server.port).toBe(port);
    expect(server.pid).not.toBe(pid);
    expect(server.dataFiles().some((file) => file.endsWith('.manifest'))).toBe(true);
    await server.stop();
    expect(server.dataFiles().every((file) => existsSync(file))).toBe(true);
  });

  test('says what the server said when it does not start', async () => {
    const directory = temporaryDirectory();
    const started = RedisServer.start({ directory, config: { 'no-such-directive': 'yes' } });
    await expect(started).rejects.toThrow(/ended before it answered[^]*no-such-directive/);
  });
});

test('a file that a power cut left with zeros at its end is mended; other damage is not', async () => {
  const place = await startServer();
  const engine = await openEngine(place);
  await (await openGroup(engine)).write({ entries: entries(1, 3) });
  await engine.close();
  await place.server.kill();
  const file = place.server.dataFiles().find((name) => name.endsWith('.incr.aof')) ?? '';
  appendFileSync(file, Buffer.alloc(700));
  await place.server.start();
  expect((await (await openEngine(place)).group('g').open()).lastIndex).toBe(3);
  await place.server.kill();
  appendFileSync(file, 'x'.repeat(700));
  await expect(place.server.start()).rejects.toThrow(/Bad file format/);
});
