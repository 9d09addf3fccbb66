/** The engine: one directory, its lock, its identity, its groups and ordered stores. */
import { BalsaError, type Durability, type Engine, type Env } from '@balsa/raft-core';

export interface RocksdbEngineOptions {
  /** Created when it is missing. One engine owns it at a time (`STORE_LOCKED`). */
  readonly directory: string;
  readonly env: Env;
  /** Default `strict`: every resolved write survives a power cut. */
  readonly durability?: Durability;
  /**
   * Whether the store runs in a thread of its own, so that its writes do not hold up the event loop.
   * Default true. In-thread costs less per write, and blocks for as long as the disk takes.
   */
  readonly worker?: boolean;
  /** Largest entry, in bytes as `entrySize` counts. Default 8 MiB, at most 512 MiB. */
  readonly maxEntryBytes?: number;
  /** Acknowledged writes that the synced watermark may trail by. Default 1024. */
  readonly watermarkLag?: number;
  /** Bytes of write-ahead log that the database keeps at most, apart from one batch. Default 96 MiB. */
  readonly walLimitBytes?: number;
  /** Bytes of files and memory that views may keep from being freed; beyond it the oldest view is ended. Default 1 GiB. */
  readonly maxPinnedBytes?: number;
  /** Views open at once, per ordered store (`OVERLOADED` beyond). Default 64. */
  readonly maxViews?: number;
  /** Milliseconds after which a view is ended. Default 15 minutes. */
  readonly maxViewMs?: number;
}

/**
 * Opens, or creates, a store in a directory. Rejects with `STORE_LOCKED` (another engine has it),
 * `STORE_FORMAT_VERSION`, `STORE_CORRUPT`, `STORE_ACKNOWLEDGED_WRITE_LOST` or `STORE_IO`. When it
 * resolves, everything that was found is durable anew.
 */
export function openRocksdbEngine(options: RocksdbEngineOptions): Promise<Engine> {
  return Promise.reject(
    new BalsaError('INVALID_ARGUMENT', `there is no RocksDB store yet to open ${options.directory} with`),
  );
}
