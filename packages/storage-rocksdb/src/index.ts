/**
 * Raft log, snapshots and an ordered key-value store on RocksDB: the adapter for many writes.
 * @packageDocumentation
 */
export { openRocksdbEngine, type RocksdbEngineOptions } from './engine.ts';
