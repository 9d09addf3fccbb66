/**
 * Raft log, snapshots and an ordered key-value store on SQLite.
 * @packageDocumentation
 */
export { openSqliteEngine, type SqliteEngineOptions } from './engine.ts';
export { isSqliteStoreOpen, verifySqliteStore, type VerifyOptions } from './verify.ts';
export { assertSqliteVersion, oldestSqlite, type Synchronous } from './sqlite-version.ts';
