import {
  appendFileSync,
  existsSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { describe, expect, test } from 'vitest';
import { RedisServer } from '@balsa/storage-redis/testing';
import { codeOf, entries, openEngine, openGroup, startServer, temporaryDirectory } from './support/index.ts';

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

  test('does not take another server that has its port for itself', async () => {
    const { port } = (await startServer()).server;
    for (let i = 0; i < 10; i++) {
      const started = RedisServer.start({ directory: temporaryDirectory(), port });
      await expect(started).rejects.toThrow(/ended before it answered[^]*already in use/);
    }
  });

  test('says what the server said when it does not start', async () => {
    const directory = temporaryDirectory();
    const started = RedisServer.start({ directory, config: { 'no-such-directive': 'yes' } });
    await expect(started).rejects.toThrow(/ended before it answered[^]*no-such-directive/);
  });
});

describe('a file that a power cut has torn', () => {
  async function written() {
    const place = await startServer();
    const engine = await openEngine(place);
    const storage = await openGroup(engine);
    await storage.write({ entries: entries(1, 3) });
    const file = place.server.dataFiles().find((name) => name.endsWith('.incr.aof')) ?? '';
    const before = statSync(file).size;
    await storage.write({ entries: entries(4, 3, 1, 'x'.repeat(2000)) });
    await place.server.kill();
    return { place, file, before, bytes: readFileSync(file) };
  }

  /** As if the sectors from `from` to `to` had not reached the disk. */
  function withHole(bytes: Buffer, from: number): Buffer {
    const sector = Math.floor(from / 512) * 512;
    return Buffer.from(bytes).fill(0, sector, Math.min(sector + 512, bytes.length));
  }

  test('with zeros at its end is mended', async () => {
    const { place, file } = await written();
    appendFileSync(file, Buffer.alloc(700));
    await place.server.start();
    expect((await (await openEngine(place)).group('g').open()).lastIndex).toBe(6);
  });

  test('with a sector missing in its last write is cut before that write', async () => {
    const { place, file, before, bytes } = await written();
    // The length of the argument, or the end of the record and what comes behind it.
    for (const torn of [
      Buffer.from(bytes).fill(0, before, Math.ceil(before / 512) * 512),
      withHole(bytes, bytes.length - 30),
    ]) {
      writeFileSync(file, torn);
      await place.server.start();
      await place.server.kill();
      expect(statSync(file).size).toBe(before);
    }
    await place.server.start();
    expect((await (await openEngine(place)).group('g').open()).lastIndex).toBe(3);
  });

  test('with a sector missing before writes that followed one another is refused: that one was synced', async () => {
    const { place, file, before } = await written();
    await place.server.start();
    const storage = await openGroup(await openEngine(place));
    for (let i = 7; i < 10; i++) await storage.write({ entries: entries(i, 1) });
    await place.server.kill();
    const bytes = readFileSync(file);
    writeFileSync(file, Buffer.from(bytes).fill(0, before, Math.ceil(before / 512) * 512));
    await expect(place.server.start()).rejects.toThrow(/Bad file format/);
    expect(readFileSync(file).length).toBe(bytes.length);
  });

  test.each([
    ['zeros that are not a sector', (bytes: Buffer) => Buffer.from(bytes).fill(0, bytes.length - 20)],
    [
      'a changed byte',
      (bytes: Buffer) => Buffer.from(bytes).fill('x', bytes.lastIndexOf('*'), bytes.lastIndexOf('*') + 1),
    ],
    ['other bytes behind', (bytes: Buffer) => Buffer.concat([bytes, Buffer.alloc(700, 'x')])],
  ])('and has %s is refused as it is, and the user told what to do', async (_what, damage) => {
    const { place, file, bytes } = await written();
    const damaged = damage(bytes);
    writeFileSync(file, damaged);
    await expect(place.server.start()).rejects.toThrow(/Bad file format[^]*redis-check-aof --fix/);
    expect(readFileSync(file).equals(damaged)).toBe(true);
  });

  test('in the making of its first files begins anew; with data in one of them it is refused', async () => {
    const { place, file } = await written();
    const base = file.replace('.incr.aof', '.base.rdb');
    rmSync(base);
    await expect(place.server.start()).rejects.toThrow(/Unable to obtain the AOF file/);
    truncateSync(file);
    await place.server.start();
    expect(await codeOf(openEngine(place))).toBe('STORE_ACKNOWLEDGED_WRITE_LOST');
  });
});
