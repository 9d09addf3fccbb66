import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openRedisEngine } from '@balsa/storage-redis';
import { RedisServer } from '@balsa/storage-redis/testing';
import { orderedStoreConformance, storageConformance, type Target } from '@balsa/test-suite';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { env } from './support/index.ts';

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

/** A prefix each on one server: what several groups of engines share in real life too. */
const target: Target = {
  name: 'redis',
  create: () => {
    const name = `place-${String(++places)}`;
    return Promise.resolve({
      open: () =>
        openRedisEngine({
          url: server.url,
          prefix: name,
          watermarkPath: join(place, name, 'watermark'),
          env,
        }),
      destroy: () => Promise.resolve(),
    });
  },
};

storageConformance({ describe, test }, target);
orderedStoreConformance({ describe, test }, target);
