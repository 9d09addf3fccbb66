/** What the engine can be told, and what it takes when it is told nothing. */
import {
  BalsaError,
  assertSafeInteger,
  defaultMaxEntryBytes,
  entryOverheadBytes,
  type Durability,
  type Env,
} from '@balsa/raft-core';

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
  /** Bytes of write-ahead log that the database keeps at most, apart from one batch. Default 12 MiB. */
  readonly walLimitBytes?: number;
  /**
   * Bytes that may wait to be compacted. Beyond it writing is slowed, the more the larger the debt is: at twice the
   * bound to 8 MiB a second; a batch waits 250 ms at most. Default eight times `walLimitBytes`.
   */
  readonly maxDebtBytes?: number;
  /** Bytes of files and memory that views may keep from being freed; beyond it the oldest view is ended. Default 1 GiB. */
  readonly maxPinnedBytes?: number;
  /** Views open at once, in all ordered stores (`OVERLOADED` beyond). Default 64. */
  readonly maxViews?: number;
  /** Milliseconds after which a view is ended. Default 15 minutes. */
  readonly maxViewMs?: number;
}

export type Settings = Required<Omit<RocksdbEngineOptions, 'worker'>>;

const megabyte = 1024 * 1024;

export function settle(options: RocksdbEngineOptions): Settings {
  const walLimitBytes = options.walLimitBytes ?? 12 * megabyte;
  const settings: Settings = {
    directory: options.directory,
    env: options.env,
    durability: options.durability ?? 'strict',
    maxEntryBytes: options.maxEntryBytes ?? defaultMaxEntryBytes,
    watermarkLag: options.watermarkLag ?? 1024,
    walLimitBytes,
    maxDebtBytes: options.maxDebtBytes ?? 8 * walLimitBytes,
    maxPinnedBytes: options.maxPinnedBytes ?? 1024 * megabyte,
    maxViews: options.maxViews ?? 64,
    maxViewMs: options.maxViewMs ?? 15 * 60 * 1000,
  };
  assertSafeInteger(settings.maxEntryBytes, 'maxEntryBytes', entryOverheadBytes);
  if (settings.maxEntryBytes > 512 * megabyte) {
    throw new BalsaError('OUT_OF_RANGE', `maxEntryBytes is at most ${String(512 * megabyte)} with RocksDB`);
  }
  assertSafeInteger(settings.watermarkLag, 'watermarkLag', 1);
  assertSafeInteger(settings.walLimitBytes, 'walLimitBytes', megabyte);
  assertSafeInteger(settings.maxDebtBytes, 'maxDebtBytes', megabyte);
  assertSafeInteger(settings.maxPinnedBytes, 'maxPinnedBytes', 4096);
  assertSafeInteger(settings.maxViews, 'maxViews', 1);
  assertSafeInteger(settings.maxViewMs, 'maxViewMs', 1);
  return settings;
}
