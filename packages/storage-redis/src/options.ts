/** What a user may choose, and what it is when nothing is said. */
import {
  BalsaError,
  assertSafeInteger,
  defaultMaxEntryBytes,
  entryOverheadBytes,
  type Durability,
  type Env,
} from '@balsa/raft-core';
import { checkCommonOptions, nodeFileSystem, type FileSystem } from '@balsa/storage-kit';
import type { ConnectionOptions as TlsOptions } from 'node:tls';

/** Where the server is, and who is asking. */
export interface RedisAddress {
  /** `redis://user:password@host:port/db` or `rediss://...`; the fields below win over what it says. */
  readonly url?: string;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Default 6379. */
  readonly port?: number;
  /** Path of a Unix socket, instead of host and port. */
  readonly socket?: string;
  readonly username?: string;
  readonly password?: string;
  /** Number of the database. Default 0. */
  readonly db?: number;
  /** `true`: TLS with the system's certificate authorities; or the options of Node's `tls.connect`. */
  readonly tls?: boolean | TlsOptions;
}

export interface RedisEngineOptions extends RedisAddress {
  readonly env: Env;
  /**
   * Path of the local file that remembers how far acknowledged writes went; its directory is created when it
   * is missing. It must not lie on the disk of the server, if that can be helped. Required, but for `relaxed`.
   */
  readonly watermarkPath?: string;
  /** Default: the machine's own. Only the watermark is a file. */
  readonly fs?: FileSystem;
  /** Begins every key. 1 to 64 of letters, digits, `.`, `_`, `-` and `:`. Default `balsa`. One engine owns it at a time. */
  readonly prefix?: string;
  /** Default `strict`: every resolved write survives a power cut of the server. `relaxed` takes any server as it is. */
  readonly durability?: Durability;
  /** Take a server that has replicas or that a Sentinel watches: a failover may lose acknowledged writes. Default false. */
  readonly allowFailover?: boolean;
  /** Largest entry, in bytes as `entrySize` counts. Default 8 MiB, at most 256 MiB. */
  readonly maxEntryBytes?: number;
  /** Acknowledged writes that the synced watermark may trail by. Default 1024. */
  readonly watermarkLag?: number;
  /** Bytes of a segment of a group's log beyond which the next one is begun. Default 1 MiB, at most 64 MiB. */
  readonly segmentBytes?: number;
  /** Views open at once, per ordered store (`OVERLOADED` beyond). Default 64. */
  readonly maxViews?: number;
  /** Bytes of overwritten pairs kept for open views, per ordered store; beyond it the oldest view is ended. Default 256 MiB. */
  readonly maxViewBytes?: number;
  /** A server that leaves a command without a reply for so long is given up, in milliseconds. Default 30 000. */
  readonly replyTimeoutMs?: number;
  /** For the connection and its first checks, in milliseconds. Default 10 000. */
  readonly connectTimeoutMs?: number;
}

export interface Settings extends Required<Omit<RedisEngineOptions, keyof RedisAddress | 'watermarkPath'>> {
  readonly address: RedisAddress;
  readonly watermarkPath: string | undefined;
}

const megabyte = 1024 * 1024;

/** `INVALID_ARGUMENT` or `OUT_OF_RANGE` for a choice that cannot be. */
export function settle(options: RedisEngineOptions): Settings {
  checkCommonOptions(options);
  const { url, host, port, socket, username, password, db, tls } = options;
  const address = Object.fromEntries(
    Object.entries({ url, host, port, socket, username, password, db, tls }).filter(
      ([, value]) => value !== undefined,
    ),
  ) as RedisAddress;
  const durability = options.durability ?? 'strict';
  const settings: Settings = {
    address,
    env: options.env,
    watermarkPath: options.watermarkPath,
    fs: options.fs ?? nodeFileSystem,
    prefix: options.prefix ?? 'balsa',
    durability,
    allowFailover: options.allowFailover ?? false,
    maxEntryBytes: options.maxEntryBytes ?? defaultMaxEntryBytes,
    watermarkLag: options.watermarkLag ?? 1024,
    segmentBytes: options.segmentBytes ?? megabyte,
    maxViews: options.maxViews ?? 64,
    maxViewBytes: options.maxViewBytes ?? 256 * megabyte,
    replyTimeoutMs: options.replyTimeoutMs ?? 30_000,
    connectTimeoutMs: options.connectTimeoutMs ?? 10_000,
  };
  if (durability === 'strict' && settings.watermarkPath === undefined) {
    throw new BalsaError(
      'INVALID_ARGUMENT',
      'watermarkPath is missing: a local file is needed that notices when the server comes back without ' +
        "acknowledged writes; name one, for example /var/lib/balsa/watermark (or say durability: 'relaxed')",
    );
  }
  if (!/^[\w.:-]{1,64}$/.test(settings.prefix)) {
    throw new BalsaError(
      'INVALID_ARGUMENT',
      `prefix ${JSON.stringify(settings.prefix)} is not 1 to 64 of letters, digits, ".", "_", "-" and ":"`,
    );
  }
  checkRange(settings, 'maxEntryBytes', entryOverheadBytes, 256 * megabyte);
  checkRange(settings, 'segmentBytes', 4096, 64 * megabyte);
  for (const field of [
    'watermarkLag',
    'maxViews',
    'maxViewBytes',
    'replyTimeoutMs',
    'connectTimeoutMs',
  ] as const)
    assertSafeInteger(settings[field], field, 1);
  return settings;
}

function checkRange(
  settings: Settings,
  field: 'maxEntryBytes' | 'segmentBytes',
  lowest: number,
  highest: number,
): void {
  assertSafeInteger(settings[field], field, lowest);
  if (settings[field] <= highest) return;
  throw new BalsaError(
    'OUT_OF_RANGE',
    `${field} is at most ${String(highest)} here, not ${String(settings[field])}`,
  );
}
