/** Servers that do not sync by themselves before they answer, and are asked to: WAITAOF, of which only the reply counts. */
import { createServer, type AddressInfo, type Server } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import type { Engine } from '@balsa/raft-core';
import { findRedisServers } from '@balsa/storage-redis/testing';
import { LogWriter } from '../src/log-writer.ts';
import { Connection, type Reply } from '../src/connection.ts';
import { writeScript } from '../src/scripts.ts';
import { checkWaitAof } from '../src/wait-aof.ts';
import {
  codeOf,
  entries,
  env,
  hasWaitAof,
  key,
  openEngine,
  openGroup,
  rawClient,
  startServer,
  type Place,
} from './support/index.ts';

const program = findRedisServers().find(hasWaitAof);
const why = 'no server of version 7.2 or later is on the PATH or named by BALSA_REDIS_SERVER';
if (program === undefined) process.stdout.write(`not run: WAITAOF on a real server: ${why}\n`);

describe.skipIf(program === undefined)('a server with appendfsync everysec that has WAITAOF', () => {
  const config = { appendfsync: 'everysec' };
  const start = () => startServer({ config, ...(program === undefined ? {} : { program }) });

  /** A server that answers before it has synced must have been refused: then there is no more to try. */
  async function openIfHonest(place: Place): Promise<Engine | undefined> {
    try {
      return await openEngine(place);
    } catch (error) {
      if (!/WAITAOF of this server cannot be relied on/.test(String(error))) throw error;
      process.stdout.write(`not run: WAITAOF on ${String(program)}: ${String(error)}\n`);
      return undefined;
    }
  }

  test('is refused, or asked after every write, and keeps all of it when it is killed', async () => {
    const place = await start();
    const engine = await openIfHonest(place);
    if (engine === undefined) return;
    const storage = await openGroup(engine);
    const client = await rawClient(place.server);
    const asked = async (): Promise<number> =>
      Number(/cmdstat_waitaof:calls=(\d+)/.exec(await client.info('commandstats'))?.[1] ?? 0);
    const before = await asked();
    for (let i = 1; i <= 20; i++) await storage.write({ entries: entries(i, 1) });
    expect((await asked()) - before).toBeGreaterThanOrEqual(20);
    const store = engine.orderedStore('kv');
    await store.open();
    await store.write({ changes: [[key('a'), key('1')]], appliedIndex: 3 });
    await place.server.kill();
    await place.server.start();
    const again = await openEngine(place);
    expect((await again.group('g').open()).lastIndex).toBe(20);
    expect(await again.orderedStore('kv').open()).toEqual({ appliedIndex: 3 });
  });

  test('whose file is switched off meanwhile has written nothing to it: the outcome is unknown', async () => {
    const place = await start();
    const engine = await openIfHonest(place);
    if (engine === undefined) return;
    const storage = await openGroup(engine);
    await storage.write({ entries: entries(1, 1) });
    await (await rawClient(place.server)).config('SET', 'appendonly', 'no');
    expect(await codeOf(storage.write({ entries: entries(2, 1) }))).toBe('STORE_UNKNOWN_OUTCOME');
    expect(await codeOf(storage.write({ entries: entries(2, 1) }))).toBe('STORE_POISONED');
  });
});

describe('a server is believed', () => {
  /** What it takes WAITAOF to answer, and what it says; the clock moves by nothing else. */
  function pretend(waitMs: number, local: number) {
    let time = 0;
    const calls: string[] = [];
    const call = async (name: string): Promise<Reply> => {
      calls.push(name);
      if (name !== 'waitaof') return Buffer.from('OK');
      time += waitMs;
      return [local, 0];
    };
    return { calls, check: () => codeOf(checkWaitAof({ call }, 'probe', () => time)) };
  }

  test('that waits for a sync each time, and nothing is left behind', async () => {
    const { calls, check } = pretend(990, 1);
    expect(await check()).toBe('none');
    expect(calls.at(-1)).toBe('unlink');
  });

  test.each([
    ['answers before it can have synced', 3, 1],
    ['answers that it has not', 5000, 0],
  ])('but not one that %s', async (_what, waitMs, local) => {
    expect(await pretend(waitMs, local).check()).toBe('STORE_UNSAFE_SETTING');
  });
});

describe('the reply of WAITAOF', () => {
  const servers: Server[] = [];
  afterEach(() => {
    for (const server of servers.splice(0)) server.close();
  });

  /** Speaks just enough of the protocol: every script succeeds, and WAITAOF is answered with what it is told. */
  async function pretend(reply: string): Promise<number> {
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.on('data', (bytes) => {
        for (const request of String(bytes).split(/(?=\*\d+\r\n\$)/)) {
          if (/^\*\d+\r\n\$\d+\r\nwaitaof/i.test(request)) socket.write(reply);
          else if (request.startsWith('*')) socket.write('+OK\r\n');
        }
      });
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return (server.address() as AddressInfo).port;
  }

  async function write(reply: string): Promise<string> {
    const connection = new Connection({
      address: { host: '127.0.0.1', port: await pretend(reply) },
      env,
      replyTimeoutMs: 5000,
      connectTimeoutMs: 5000,
      name: 'waitaof',
      scripts: [writeScript],
      verify: () => Promise.resolve(),
    });
    await connection.ready();
    const writer = new LogWriter({
      env,
      connection,
      durability: 'strict',
      epoch: 1,
      sequence: 0,
      watermark: undefined,
      needsWaitAof: () => true,
      replyTimeoutMs: 5000,
    });
    const outcome = await codeOf(
      writer.commit({
        what: 'a write',
        script: writeScript,
        keys: ['head', 'segment'],
        args: ['', 'next', '1', 'x'],
        sequence: 1,
        syncWatermark: false,
      }),
    );
    connection.close();
    return outcome;
  }

  test.each([
    ['one disk, no replica', '*2\r\n:1\r\n:0\r\n', 'none'],
    ['no disk in time', '*2\r\n:0\r\n:0\r\n', 'STORE_UNKNOWN_OUTCOME'],
    ['replicas, and not its own disk', '*2\r\n:0\r\n:3\r\n', 'STORE_UNKNOWN_OUTCOME'],
    ['an error', '-ERR WAITAOF cannot be used when appendonly is disabled.\r\n', 'STORE_UNKNOWN_OUTCOME'],
    ['nothing of the kind', '+OK\r\n', 'STORE_UNKNOWN_OUTCOME'],
  ])('that says %s', async (_what, reply, outcome) => {
    expect(await write(reply)).toBe(outcome);
  });
});
