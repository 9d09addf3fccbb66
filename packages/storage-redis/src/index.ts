/**
 * Raft log, snapshots and an ordered key-value store on Redis.
 * @packageDocumentation
 */
export { openRedisEngine } from './engine.ts';
export type { RedisAddress, RedisEngineOptions } from './options.ts';
