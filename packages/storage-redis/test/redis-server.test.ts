import { existsSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { RedisServer } from '@balsa/storage-redis/testing';
import { temporaryDirectory } from './support/index.ts';

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
