/** What the tests share: directories that go away, servers that are stopped, engines that are closed. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Entry, EntryType, type Engine, type Storage } from '@balsa/raft-core';
import { openRedisEngine, type RedisEngineOptions } from '@balsa/storage-redis';
import { FaultProxy, RedisServer, versionOf, type RedisServerOptions } from '@balsa/storage-redis/testing';
import { Redis } from 'ioredis';
import { afterEach } from 'vitest';
import { realEnv } from '../../src/testing/real-env.ts';

export { realEnv as env } from '../../src/testing/real-env.ts';

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Whether that server can be asked to sync: then `appendfsync everysec` is durable too. */
export function hasWaitAof(program: string | undefined): boolean {
  const [major, minor] = (program === undefined ? undefined : versionOf(program)) ?? [0, 0];
  return major > 7 || (major === 7 && minor >= 2);
}

export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'balsa-redis-'));
  cleanups.push(() => {
    rmSync(directory, { recursive: true, force: true });
  });
  return directory;
}

export interface Place {
  readonly server: RedisServer;
  readonly watermarkPath: string;
  /** Below it lie the server's data and the watermark, and tests may put more there. */
  readonly directory: string;
}

/** A server of the test's own. */
export async function startServer(options: Partial<RedisServerOptions> = {}): Promise<Place> {
  const directory = temporaryDirectory();
  const server = await RedisServer.start({ directory: join(directory, 'server'), ...options });
  cleanups.push(() => server.stop());
  return { server, directory, watermarkPath: join(directory, 'watermark') };
}

export async function startProxy(server: RedisServer): Promise<FaultProxy> {
  const proxy = await FaultProxy.start(server);
  cleanups.push(() => proxy.close());
  return proxy;
}

/** Opens an engine that is closed when the test ends, if it is not before. */
export async function openEngine(
  { server, watermarkPath }: Place,
  options: Partial<RedisEngineOptions> = {},
): Promise<Engine> {
  const engine = await openRedisEngine({ url: server.url, watermarkPath, env: realEnv, ...options });
  cleanups.push(() => engine.close().catch(() => undefined));
  return engine;
}

export async function openGroup(engine: Engine, id = 'g'): Promise<Storage> {
  const storage = engine.group(id);
  await storage.open();
  return storage;
}

/** A client beside the engine, for looking and for doing harm. */
export async function rawClient(server: RedisServer): Promise<Redis> {
  const client = new Redis(server.url, { lazyConnect: true });
  cleanups.push(() => {
    client.disconnect();
  });
  await client.connect();
  return client;
}

export function entry(index: number, term: number, data = `data-${String(index)}`): Entry {
  return new Entry(term, index, EntryType.Normal, new TextEncoder().encode(data));
}

export function entries(first: number, count: number, term = 1, data?: string): Entry[] {
  return Array.from({ length: count }, (_, i) => entry(first + i, term, data));
}

export const key = (text: string): Uint8Array => new TextEncoder().encode(text);

export async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'none';
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error);
  }
}
