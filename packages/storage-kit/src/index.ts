/**
 * What storage adapters share.
 * @packageDocumentation
 */
export * from './file-system.ts';
export * from './node-file-system.ts';
export * from './crc.ts';
export * from './durable.ts';
export * from './directory-lock.ts';
export * from './watermark.ts';
export * from './lifecycle.ts';
export * from './engine-options.ts';
export * from './log-state.ts';
export * from './store-errors.ts';
export * from './commit-queue.ts';
export * from './group-commits.ts';
export * from './group-snapshots.ts';
export * from './open-snapshot-files.ts';
export * from './group-storage.ts';
export * from './adapter-engine.ts';
export * from './yield-to.ts';
export * from './turns.ts';
export {
  SnapshotDirectory,
  SnapshotFiles,
  groupHash,
  type DamagedSnapshot,
  type SnapshotDirectoryOptions,
} from './snapshot-files.ts';
export { FileSnapshotReader } from './snapshot-reader.ts';
export { assertBegunWith, copyMetadata, newSnapshotId } from './snapshot-metadata.ts';
export { SinkSnapshotWriter, type SnapshotSink } from './snapshot-writer.ts';
