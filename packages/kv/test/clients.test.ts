/** Programs and libraries of others, as they are. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { Redis } from 'ioredis';
import { describe, expect, test } from 'vitest';
import { findProgram, skipReason } from './support/redis.ts';
import { onEnd, startTestServer } from './support/server.ts';

const run = promisify(execFile);

async function ioredis(options: object = {}): Promise<Redis> {
  const { port } = await startTestServer();
  const redis = new Redis({ port, host: '127.0.0.1', ...options });
  onEnd(() => {
    redis.disconnect();
  });
  return redis;
}

describe.each([{}, { protocol: 3 }])('ioredis with %j', (options) => {
  test('gets, sets and counts', async () => {
    const redis = await ioredis(options);
    expect(await redis.set('a', '1')).toBe('OK');
    expect(await redis.get('a')).toBe('1');
    expect(await redis.get('none')).toBeNull();
    expect(await redis.incr('a')).toBe(2);
    expect(await redis.set('a', 'x', 'NX')).toBeNull();
    expect(await redis.mset({ b: '1', c: '2' })).toBe('OK');
    expect(await redis.mget('b', 'none', 'c')).toEqual(['1', null, '2']);
    expect(await redis.exists('a', 'b', 'none')).toBe(2);
    expect(await redis.dbsize()).toBe(3);
    await expect(redis.call('NOSUCH')).rejects.toThrow(/unknown command/);
    expect(await redis.del('a', 'b', 'c')).toBe(3);
  });

  test('pipelines a thousand commands', async () => {
    const redis = await ioredis(options);
    const pipeline = redis.pipeline();
    for (let i = 0; i < 500; i += 1) pipeline.incr('n').get('n');
    const replies = (await pipeline.exec()) ?? [];
    expect(replies.map(([problem]) => problem).filter((problem) => problem !== null)).toEqual([]);
    expect(replies.map(([, reply]) => String(reply))).toEqual(
      Array.from({ length: 1000 }, (_, i) => String(Math.floor(i / 2) + 1)),
    );
  });

  test('carries binary values', async () => {
    const redis = await ioredis(options);
    const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, i) => i % 256));
    await redis.set('bin', bytes);
    expect(await redis.getBuffer('bin')).toEqual(bytes);
  });

  test('scans', async () => {
    const redis = await ioredis(options);
    await redis.mset(Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`k${String(i)}`, 'x'])));
    const found: string[] = [];
    for await (const page of redis.scanStream({ match: 'k?', count: 7 })) found.push(...(page as string[]));
    expect(found.sort()).toEqual(Array.from({ length: 10 }, (_, i) => `k${String(i)}`));
  });
});

const cli = findProgram('redis-cli');
if (cli === undefined) skipReason('redis-cli');
const benchmark = findProgram('redis-benchmark');
if (benchmark === undefined) skipReason('redis-benchmark');

describe.skipIf(cli === undefined)('redis-cli', () => {
  test.each([[], ['-3']])('sets, gets, scans and asks for INFO with options %j', async (...flags) => {
    const { port } = await startTestServer();
    const ask = async (...args: string[]): Promise<string> =>
      (await run(cli ?? '', ['-p', String(port), ...flags.flat(), ...args])).stdout;
    expect(await ask('SET', 'a', 'b')).toBe('OK\n');
    expect(await ask('GET', 'a')).toBe('b\n');
    expect(await ask('--scan')).toBe('a\n');
    expect(await ask('INFO', 'replication')).toContain('role:master');
    expect(await ask('INFO')).toMatch(/# Raft[^]*raft_term:3[^]*# Keyspace[^]*db0:keys=1/);
    expect(await ask('COMMAND', 'COUNT')).toMatch(/^\d+\n$/);
    expect(await ask('COMMAND', 'DOCS', 'GET')).toContain('Returns the value of a key.');
    expect(await ask('BALSA.DIGEST')).toMatch(/[0-9a-f]{64}/);
    expect(JSON.parse(await ask('BALSA.STATUS'))).toMatchObject({ role: 'leader', kv: { clients: 1 } });
  });
});

describe.skipIf(benchmark === undefined)('redis-benchmark', () => {
  test('runs to its end without an error', async () => {
    const { port } = await startTestServer();
    const args = [
      '-p',
      String(port),
      '-n',
      '2000',
      '-c',
      '20',
      '-P',
      '8',
      '-r',
      '100',
      '--csv',
      '-t',
      'ping,set,get,incr,mset',
    ];
    const { stdout, stderr } = await run(benchmark ?? '', args);
    expect(`${stdout}${stderr}`).not.toMatch(/error|warning/i);
    expect(stdout).toMatch(/"SET"[^]*"GET"[^]*"INCR"[^]*"MSET/);
  });
});
