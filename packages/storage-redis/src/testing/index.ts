/**
 * A real server for tests of whatever runs on Redis.
 * @packageDocumentation
 */
export { ensureRedisServer, findRedisServer } from './find-server.ts';
export { RedisServer, type RedisServerOptions, type RedisServerTls } from './redis-server.ts';
