/**
 * Raft log, snapshots and an ordered key-value store on RocksDB: the adapter for many writes.
 * @packageDocumentation
 */
export { openRocksdbEngine } from './open.ts';
export { type RocksdbEngineOptions } from './options.ts';
