/**
 * The few things that a store does with files, as an interface, so that a simulator can stand in for
 * the disk: delay, tear, drop what was not synced, fail a sync, fill up.
 *
 * Every method rejects with the error of the operating system (`code` such as ENOENT or ENOSPC); the
 * callers map it to a registered code.
 */

/** An open file. Positions are explicit, so calls may overlap. */
export interface FileHandle {
  /** Reads up to `buffer.length` bytes; returns how many there were, less only at the end of the file. */
  read(buffer: Uint8Array, position: number): Promise<number>;
  /** Writes all the buffers, one after another, or rejects. In the page cache when it resolves. */
  write(buffers: readonly Uint8Array[], position: number): Promise<void>;
  /**
   * As `write`, done when it returns: for a few bytes that nobody waits for to be durable, where a trip through
   * other threads costs ten times the write. It throws what `write` rejects with. A file system that
   * cannot, or that wants to decide when a write happens, has none.
   */
  writeNow?(buffer: Uint8Array, position: number): void;
  truncate(size: number): Promise<void>;
  /** fsync: data and all metadata. */
  sync(): Promise<void>;
  /** fdatasync: data, and the metadata needed to read it. */
  dataSync(): Promise<void>;
  /**
   * As `dataSync`, done when it returns: for a sync that is known to be short, where a trip through other threads
   * costs as much. It throws what `dataSync` rejects with. A file system that cannot, or that wants to decide when
   * a sync happens, has none.
   */
  dataSyncNow?(): void;
  size(): Promise<number>;
  /** Idempotent. */
  close(): Promise<void>;
}

/**
 * - `read`: it must exist.
 * - `create`: it must not exist; for reading and writing.
 * - `update`: it must exist; for reading and writing.
 */
export type OpenMode = 'read' | 'create' | 'update';

export interface FileSystem {
  open(path: string, mode: OpenMode): Promise<FileHandle>;
  /** Replaces `to` atomically. Durable only after `syncDirectory`. */
  rename(from: string, to: string): Promise<void>;
  /** Durable only after `syncDirectory`. A file that is not there is no error. */
  remove(path: string): Promise<void>;
  /** With parents; one that exists is no error. */
  makeDirectory(path: string): Promise<void>;
  /** Names in a directory, in no order. */
  list(path: string): Promise<string[]>;
  /** Size in bytes, or undefined when there is no such file. */
  size(path: string): Promise<number | undefined>;
  /** Makes creations, renames and removals in it durable. */
  syncDirectory(path: string): Promise<void>;
  join(...parts: readonly string[]): string;
}
