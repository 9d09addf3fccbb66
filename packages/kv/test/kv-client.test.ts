import { createServer, type AddressInfo, type Server } from 'node:net';
import { BalsaError, isBalsaError } from '@balsa/raft-core';
import { createNodeEnv } from '@balsa/raft-node';
import { describe, expect, test } from 'vitest';
import { KvClient, type KvClientOptions, type ListenAddress } from '../src/index.ts';
import { onEnd, startTestServer } from './support/server.ts';

function client(ports: readonly number[], options: Partial<KvClientOptions> = {}): KvClient {
  const addresses: ListenAddress[] = ports.map((port) => ({ host: '127.0.0.1', port }));
  const made = new KvClient({ addresses, env: createNodeEnv(), backoffMs: 1, ...options });
  onEnd(() => made.close());
  return made;
}

/** A server that hangs up once it has got something. */
async function hangingUp(): Promise<{ port: number; received: string[] }> {
  const received: string[] = [];
  const server: Server = createServer((socket) => {
    socket.on('data', (chunk) => {
      received.push(chunk.toString());
      socket.destroy();
    });
    socket.on('error', () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onEnd(() => new Promise<void>((resolve) => server.close(() => resolve())));
  return { port: (server.address() as AddressInfo).port, received };
}

async function failureOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => undefined,
    (problem: unknown) => problem,
  );
}

describe('KvClient', () => {
  test('does what its methods say', async () => {
    const { port } = await startTestServer();
    const kv = client([port]);
    expect(await kv.set('a', '1')).toBe(true);
    expect(await kv.set('a', '2', { condition: 'nx' })).toBe(false);
    expect(await kv.set('a', '2', { condition: { ifeq: '1' } })).toBe(true);
    expect(await kv.getText('a')).toBe('2');
    expect(await kv.get('none')).toBeUndefined();
    expect(await kv.incr('n', 9223372036854775806n)).toBe(9223372036854775806n);
    expect(await kv.incr('n')).toBe(9223372036854775807n);
    expect(await kv.append('a', 'x')).toBe(2);
    await kv.mset([['b', Uint8Array.of(0, 255)]]);
    expect((await kv.mget(['b', 'none'])).map((value) => value && [...value])).toEqual([[0, 255], undefined]);
    expect(await kv.exists('a', 'b')).toBe(2);
    expect(await kv.del('b')).toBe(1);
    expect(await kv.dbsize()).toBe(2);
    const keys: string[] = [];
    for await (const key of kv.scan({ count: 1 })) keys.push(Buffer.from(key).toString());
    expect(keys.sort()).toEqual(['a', 'n']);
  });

  test('gives an error of the server as one that says what may be done', async () => {
    const { port } = await startTestServer();
    const kv = client([port]);
    await kv.set('a', 'x');
    const problem = await failureOf(kv.incr('a'));
    expect(isBalsaError(problem, 'INVALID_ARGUMENT') && problem.message).toBe(
      'ERR value is not an integer or out of range',
    );
  });

  test('rejects a write in flight on a lost connection with UNKNOWN_OUTCOME and never sends it again', async () => {
    const bad = await hangingUp();
    const good = await startTestServer();
    const kv = client([bad.port, good.port]);
    const problem = await failureOf(kv.incr('n'));
    expect(isBalsaError(problem, 'UNKNOWN_OUTCOME')).toBe(true);
    expect(bad.received).toHaveLength(1);
    expect(good.log.proposeCalls).toBe(0);
  });

  test('goes on with the next call on another node', async () => {
    const bad = await hangingUp();
    const good = await startTestServer();
    const kv = client([bad.port, good.port]);
    await failureOf(kv.incr('n'));
    expect(await kv.incr('n')).toBe(1n);
  });

  test('reads again on another node when the connection is lost', async () => {
    const bad = await hangingUp();
    const good = await startTestServer();
    await client([good.port]).set('a', '1');
    expect(await client([bad.port, good.port]).getText('a')).toBe('1');
    expect(bad.received).toHaveLength(1);
  });

  test('passes over a node that cannot be reached, also with a write', async () => {
    const gone = await startTestServer();
    await gone.server.stop();
    const good = await startTestServer();
    expect(await client([gone.port, good.port]).set('a', '1')).toBe(true);
  });

  test('tries a refused write again, a bounded number of times', async () => {
    const { port, log } = await startTestServer();
    let refusals = 2;
    log.onPropose = () => (refusals-- > 0 ? new BalsaError('OVERLOADED', 'full') : undefined);
    expect(await client([port], { retries: 2 }).incr('n')).toBe(1n);
    refusals = Infinity;
    const before = log.proposeCalls;
    const problem = await failureOf(client([port], { retries: 2 }).incr('n'));
    expect(isBalsaError(problem, 'OVERLOADED') && problem.retryable).toBe(true);
    expect(log.proposeCalls - before).toBe(3);
  });

  test('does not try again a write that the server says is of unknown outcome', async () => {
    const { port, log } = await startTestServer();
    log.onPropose = () => new BalsaError('UNKNOWN_OUTCOME', 'who knows');
    const problem = await failureOf(client([port]).incr('n'));
    expect(isBalsaError(problem, 'UNKNOWN_OUTCOME')).toBe(true);
    expect(log.proposeCalls).toBe(1);
  });

  test('gives up a connection that does not answer in time', async () => {
    const { port, log } = await startTestServer();
    log.onPropose = () => new Promise(() => undefined);
    const problem = await failureOf(client([port], { callTimeoutMs: 20 }).incr('n'));
    expect(isBalsaError(problem, 'UNKNOWN_OUTCOME')).toBe(true);
  });

  test('says which nodes it could not reach', async () => {
    const gone = await startTestServer();
    await gone.server.stop();
    const problem = await failureOf(client([gone.port], { retries: 1 }).get('a'));
    expect(isBalsaError(problem, 'PEER_UNREACHABLE')).toBe(true);
  });

  test('bounds what waits', async () => {
    const { port } = await startTestServer();
    const kv = client([port], { maxPending: 2 });
    const results = await Promise.all([kv.get('a'), kv.get('a'), failureOf(kv.get('a'))]);
    expect(isBalsaError(results[2], 'OVERLOADED')).toBe(true);
  });

  test('is of no use once closed', async () => {
    const { port } = await startTestServer();
    const kv = client([port]);
    await kv.set('a', '1');
    await kv.close();
    expect(isBalsaError(await failureOf(kv.get('a')), 'STOPPED')).toBe(true);
  });
});
