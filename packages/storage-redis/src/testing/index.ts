/**
 * A real server, and a bad network before it, for tests of whatever runs on Redis.
 * @packageDocumentation
 */
export { ensureRedisServer, findRedisServer, findRedisServers, versionOf } from './find-server.ts';
export { FaultProxy, type Fault, type FaultKind } from './fault-proxy.ts';
export { HeldTimers } from './held-timers.ts';
export { RedisServer, type RedisServerOptions, type RedisServerTls } from './redis-server.ts';
