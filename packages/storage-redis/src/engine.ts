/** The engine: one prefix of a Redis server, its owner, its identity, its groups and ordered stores. */
import { BalsaError, type Engine } from '@balsa/raft-core';
import { settle, type RedisEngineOptions } from './options.ts';

/**
 * Opens, or creates, a store under a prefix of a Redis server. Rejects with `STORE_UNSAFE_SETTING` (the server
 * would lose acknowledged writes), `STORE_FORMAT_VERSION`, `STORE_CORRUPT`, `STORE_ACKNOWLEDGED_WRITE_LOST` or
 * `STORE_IO`. When it resolves, everything that was found is durable anew, and any owner before is fenced.
 */
export async function openRedisEngine(options: RedisEngineOptions): Promise<Engine> {
  settle(options);
  throw new BalsaError('STORE_IO', 'not there yet');
}
