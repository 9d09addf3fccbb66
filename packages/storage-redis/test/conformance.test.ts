import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openRedisEngine } from '@balsa/storage-redis';
import { FaultProxy, RedisServer } from '@balsa/storage-redis/testing';
import { orderedStoreConformance, storageConformance, type Target } from '@balsa/test-suite';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { writeScript } from '../src/scripts.ts';
import { env, rawClient } from './support/index.ts';

let server: RedisServer;
let place: string;
let places = 0;

beforeAll(async () => {
  place = mkdtempSync(join(tmpdir(), 'balsa-redis-'));
  server = await RedisServer.start({ directory: join(place, 'data') });
});

afterAll(async () => {
  await server.stop();
  rmSync(place, { recursive: true, force: true });
});

/** What places leave behind is live to the server, whose file is rewritten by how much of it is not. */
async function removeKeys(prefix: string): Promise<void> {
  const client = await rawClient(server);
  const keys = await client.keys(`${prefix}:*`);
  if (keys.length > 0) await client.unlink(keys);
}

/** A prefix each on one server: what several groups of engines share in real life too. */
const target: Target = {
  name: 'redis',
  abilities: ['connection'],
  create: async () => {
    const name = `place-${String(++places)}`;
    const proxy = await FaultProxy.start(server);
    const options = { prefix: name, watermarkPath: join(place, name, 'watermark'), env };
    return {
      open: () => openRedisEngine({ ...options, url: server.url }),
      connection: {
        open: () => openRedisEngine({ ...options, url: proxy.url, replyTimeoutMs: 1_000 }),
        arm: (kind) => proxy.arm({ kind, match: writeScript.sha }),
        cut: () => {
          proxy.cutClients();
        },
        heal: () => proxy.heal(),
      },
      destroy: async () => {
        await proxy.close();
        await removeKeys(name);
      },
    };
  },
};

storageConformance({ describe, test }, target);
orderedStoreConformance({ describe, test }, target);
