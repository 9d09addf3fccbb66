/** The bare clients by the engine that they stand beside. */
import type { BareClient } from './bare.ts';
import { bareRedis } from './redis.ts';
import { bareRocksdb } from './rocksdb.ts';
import { bareSqlite } from './sqlite.ts';

const clients: Readonly<Record<string, BareClient>> = {
  sqlite: { label: 'bare better-sqlite3', open: bareSqlite },
  redis: { label: 'bare RPUSH', open: bareRedis },
  rocksdb: { label: 'bare rocksdb batch', open: bareRocksdb },
};

/** By the name of an engine; undefined for one without a client of its own. */
export function bareClientOf(engine: string): BareClient | undefined {
  return Object.hasOwn(clients, engine) ? clients[engine] : undefined;
}
