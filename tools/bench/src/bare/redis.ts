/** One RPUSH of all entries on a server of its own, with `appendonly yes` and `appendfsync always`. */
import { findEngine } from '@balsa/engines';
import type { Lane } from '../measure/slice.ts';
import { createBenchEnv } from '../real-env.ts';
import type { BareOptions } from './bare.ts';

export async function bareRedis({ directory, pool, payloadBytes, entries }: BareOptions): Promise<Lane> {
  // The same server as the adapter is given; its engine is never opened.
  const source = await findEngine('redis');
  const place = await source.prepare({ directory, env: createBenchEnv() });
  try {
    const { Redis } = await import('ioredis');
    if (place.server === undefined) throw new Error('the redis engine started no server');
    const redis = new Redis(place.server.url, { lazyConnect: true, retryStrategy: () => null });
    redis.on('error', () => undefined);
    await redis.connect();
    return {
      streams: 1,
      unitsPerOperation: entries,
      get servers(): number[] {
        const pid = place.server?.pid();
        return pid === undefined ? [] : [pid];
      },
      async operate(): Promise<void> {
        const values = Array.from({ length: entries }, () => Buffer.from(pool.take(payloadBytes)));
        await redis.rpush('log', ...values);
      },
      async close(): Promise<void> {
        redis.disconnect();
        await place.close();
      },
    };
  } catch (error) {
    await place.close();
    throw error;
  }
}
