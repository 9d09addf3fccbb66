/** Servers that would lose what they acknowledge, and servers that did. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openRedisEngine } from '@balsa/storage-redis';
import { RedisServer, findRedisServer } from '@balsa/storage-redis/testing';
import { isOnLocalDisk } from '../src/wait-aof.ts';
import {
  codeOf,
  entries,
  env,
  hasWaitAof,
  openEngine,
  openGroup,
  rawClient,
  startServer,
  temporaryDirectory,
} from './support/index.ts';

/** Where it can be asked to sync it is another matter: see waitaof.test.ts. */
const everysec: [string, string, RegExp] = ['appendfsync', 'everysec', /appendfsync is everysec.*WAITAOF/];

describe('a server that would lose acknowledged writes', () => {
  test.each<[string, string, RegExp]>([
    ['appendonly', 'no', /appendonly is no.*CONFIG SET appendonly yes/],
    ['appendfsync', 'no', /appendfsync is no.*CONFIG SET appendfsync always/],
    ...(hasWaitAof(findRedisServer()) ? [] : [everysec]),
    ['maxmemory-policy', 'allkeys-lru', /may delete the log.*noeviction/],
    ['no-appendfsync-on-rewrite', 'yes', /nothing is synced.*CONFIG SET no-appendfsync-on-rewrite no/],
  ])('with %s %s is refused, and told how to mend it', async (setting, value, message) => {
    const place = await startServer({ config: { [setting]: value } });
    const { server, watermarkPath } = place;
    const opened = openRedisEngine({ url: server.url, watermarkPath, env });
    await expect(opened).rejects.toMatchObject({
      code: 'STORE_UNSAFE_SETTING',
      message: expect.stringMatching(message) as string,
    });
    const client = await rawClient(server);
    expect(await client.dbsize()).toBe(0);
    const relaxed = await openEngine(place, { durability: 'relaxed' });
    expect(relaxed.capabilities).toMatchObject({ durability: 'relaxed', watermarkLag: Infinity });
  });

  test('because it is a replica is refused; its master with a replica too, unless that is accepted', async () => {
    const place = await startServer();
    const replica = await RedisServer.start({
      directory: temporaryDirectory(),
      config: { replicaof: ['127.0.0.1 ' + String(place.server.port)] },
    });
    try {
      const options = { url: replica.url, watermarkPath: place.watermarkPath, env };
      await expect(openRedisEngine(options)).rejects.toThrow(/is a slave.*REPLICAOF NO ONE/);
      const client = await rawClient(place.server);
      await expect.poll(() => client.info('replication')).toMatch(/connected_slaves:1/);
      await expect(openEngine(place)).rejects.toThrow(/has 1 replicas.*allowFailover/);
      await openEngine(place, { allowFailover: true });
    } finally {
      await replica.stop();
    }
  });

  test('because a Sentinel watches it is refused, unless that is accepted', async () => {
    const place = await startServer();
    const sentinel = await rawClient(place.server);
    await sentinel.subscribe('__sentinel__:hello');
    await expect(openEngine(place)).rejects.toThrow(/Sentinel watches.*allowFailover/);
    await openEngine(place, { allowFailover: true });
  });

  test('because it is a node of a cluster is refused, unless that is accepted', async () => {
    const place = await startServer({ config: { 'cluster-enabled': 'yes' } });
    await expect(openEngine(place)).rejects.toThrow(/Redis Cluster.*allowFailover/);
    const client = await rawClient(place.server);
    await client.call('cluster', 'addslotsrange', '0', '16383');
    const state = async (): Promise<string> => String(await client.call('cluster', 'info'));
    await expect.poll(state).toMatch(/state:ok/);
    // One slot per group: every script finds its keys together.
    const engine = await openEngine(place, { allowFailover: true });
    const storage = await openGroup(engine);
    await storage.write({ entries: entries(1, 3) });
    const store = engine.orderedStore('kv');
    await store.open();
    await store.write({ changes: [[Buffer.from('a'), Buffer.from('b')]], appliedIndex: 1 });
    expect(await store.count()).toBe(1);
  });

  test('must be of version 6.2 or later, and WAITAOF is believed by its reply alone', () => {
    expect(isOnLocalDisk([1, 0])).toBe(true);
    expect(isOnLocalDisk([0, 3])).toBe(false);
    expect(isOnLocalDisk(null)).toBe(false);
  });

  test('is told of settings that lose nothing and trouble it some day', async () => {
    const bad = {
      'auto-aof-rewrite-percentage': '0',
      'aof-load-truncated': 'no',
      'aof-rewrite-incremental-fsync': 'no',
    };
    const place = await startServer({ config: bad });
    const told: string[] = [];
    const log = { enabled: () => true, log: (_level: number, text: string): void => void told.push(text) };
    await openEngine(place, { env: { ...env, log } });
    expect(told).toEqual(
      Object.keys(bad).map(
        (setting) => expect.stringMatching(`${setting} is .*CONFIG SET ${setting}`) as string,
      ),
    );
  });

  test('needs a watermark path when it is strict', async () => {
    const place = await startServer();
    const opened = openRedisEngine({ url: place.server.url, env });
    await expect(opened).rejects.toThrow(/watermarkPath is missing/);
  });
});

describe('a server that lost acknowledged writes', () => {
  test('and holds nothing any more is refused', async () => {
    const place = await startServer();
    const engine = await openEngine(place);
    await (await openGroup(engine)).write({ entries: entries(1, 1) });
    await engine.close();
    await place.server.stop();
    rmSync(join(place.server.directory, 'appendonlydir'), { recursive: true });
    await place.server.start();
    expect(await codeOf(openEngine(place))).toBe('STORE_ACKNOWLEDGED_WRITE_LOST');
  });

  test('because its file was set back is refused when a vote is missing', async () => {
    const place = await startServer();
    const engine = await openEngine(place);
    const storage = await openGroup(engine);
    await storage.write({ entries: entries(1, 1), hardState: { term: 1, vote: 1, commit: 0 } });
    const client = await rawClient(place.server);
    const old = await client.dumpBuffer(
      (await client.keys('*:head')).find((name) => name.includes(':g')) ?? '',
    );
    expect(old).not.toBeNull();
    await storage.write({ hardState: { term: 2, vote: 3, commit: 0 } });
    await engine.close();
    const name = (await client.keys('*:head')).find((one) => one.includes(':g')) ?? '';
    await client.restore(name, 0, old ?? '', 'REPLACE');
    expect(await codeOf(openEngine(place))).toBe('STORE_ACKNOWLEDGED_WRITE_LOST');
  });

  test('and is another one is refused', async () => {
    const [one, other] = [await startServer(), await startServer()];
    for (const place of [one, other]) {
      const engine = await openEngine(place);
      await (await openGroup(engine)).write({ entries: entries(1, 1) });
      await engine.close();
    }
    const options = { url: other.server.url, watermarkPath: one.watermarkPath, env };
    await expect(openRedisEngine(options)).rejects.toMatchObject({
      code: 'STORE_ACKNOWLEDGED_WRITE_LOST',
      message: expect.stringMatching(/another server/) as string,
    });
  });

  test('while it is used is noticed by the next write', async () => {
    const place = await startServer();
    const engine = await openEngine(place);
    const storage = await openGroup(engine);
    await storage.write({ entries: entries(1, 1) });
    await (await rawClient(place.server)).flushall();
    expect(await codeOf(storage.write({ entries: entries(2, 1) }))).toBe('STORE_ACKNOWLEDGED_WRITE_LOST');
    expect(await codeOf(storage.write({ entries: entries(2, 1) }))).toBe('STORE_POISONED');
  });

  test('and came back empty is noticed by the next reconnection', async () => {
    const place = await startServer();
    const engine = await openEngine(place);
    const storage = await openGroup(engine);
    await storage.write({ entries: entries(1, 1) });
    await place.server.kill();
    rmSync(join(place.server.directory, 'appendonlydir'), { recursive: true });
    await place.server.start();
    await expect
      .poll(() => codeOf(storage.entries(1, 2, 100)), { interval: 5 })
      .toMatch(/ACKNOWLEDGED_WRITE_LOST|POISONED/);
  });

  test('or whose watermark is gone is refused, because nobody could tell', async () => {
    const place = await startServer();
    const engine = await openEngine(place);
    await (await openGroup(engine)).write({ entries: entries(1, 1) });
    await engine.close();
    rmSync(place.watermarkPath);
    await expect(openEngine(place)).rejects.toThrow(/watermark .* is missing/);
  });
});

describe('a server that kept everything', () => {
  test('is taken up again after it was killed, by the same engine', async () => {
    const place = await startServer();
    const engine = await openEngine(place);
    const storage = await openGroup(engine);
    await storage.write({ entries: entries(1, 10) });
    await place.server.kill();
    await place.server.start();
    await expect.poll(() => codeOf(storage.entries(1, 2, 100)), { interval: 5 }).toBe('none');
    await storage.write({ entries: entries(11, 1) });
    expect((await storage.entries(1, 12, 1e6)).length).toBe(11);
  });

  test('but lost its scripts has them loaded again', async () => {
    const place = await startServer();
    const engine = await openEngine(place);
    const storage = await openGroup(engine);
    await (await rawClient(place.server)).script('FLUSH');
    await storage.write({ entries: entries(1, 1) });
    expect((await storage.entries(1, 2, 100)).length).toBe(1);
  });
});
