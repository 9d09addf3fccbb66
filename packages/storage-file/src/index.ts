/**
 * Raft log, snapshots and an ordered key-value store on plain files.
 * @packageDocumentation
 */
export { openFileEngine, type FileEngineOptions } from './engine.ts';
export { noLock, socketLock, type DirectoryLock } from './owner.ts';
