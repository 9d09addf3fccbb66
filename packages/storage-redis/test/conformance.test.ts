import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openRedisEngine } from '@balsa/storage-redis';
import { FaultProxy, HeldTimers, RedisServer } from '@balsa/storage-redis/testing';
import { orderedStoreConformance, storageConformance, type Target } from '@balsa/test-suite';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { writeScript } from '../src/scripts.ts';
import { env, rawClient } from './support/index.ts';

/** Of a reply; told from other timers by its length. */
const replyTimeoutMs = 12_345;

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
    const timers = new HeldTimers(env, replyTimeoutMs);
    const options = { prefix: name, watermarkPath: join(place, name, 'watermark') };
    const faulty = { ...options, url: proxy.url, replyTimeoutMs, env: timers.env };
    return {
      open: () => openRedisEngine({ ...options, url: server.url, env }),
      connection: {
        open: () => openRedisEngine(faulty),
        arm: async (kind) => {
          await proxy.arm({ kind, match: writeScript.sha });
          // Nothing else ends the wait, and nothing else is waited for by the clock.
          if (kind === 'swallow-reply') timers.hurry();
        },
        cut: () => {
          proxy.cutClients();
        },
        heal: () => {
          timers.hold();
          return proxy.heal();
        },
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
