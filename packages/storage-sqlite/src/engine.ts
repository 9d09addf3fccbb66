/** The engine: one directory, its lock, its identity, its groups and ordered stores. */
import {
  BalsaError,
  assertSafeInteger,
  defaultMaxEntryBytes,
  entryOverheadBytes,
  type Durability,
  type Engine,
  type Env,
  type Storage,
  type StorageCapabilities,
  type StoreIdentity,
} from '@balsa/raft-core';
import {
  checkCommonOptions,
  AdapterEngine,
  SnapshotDirectory,
  assertFits,
  counter,
  groupHash,
  makeDirectoryDurably,
  mapIo,
  nodeFileSystem,
  removeDurably,
  type EngineCore,
} from '@balsa/storage-kit';
import { builtModule, openWorkerEngine } from '@balsa/storage-kit/worker';
import { openLog, type OpenedLog } from './bootstrap.ts';
import { identifyLog } from './inspection.ts';
import { logTables } from './log-table.ts';
import { Maintenance } from './maintenance.ts';
import { SqliteOrderedStore } from './ordered-store.ts';
import { OwnerLock } from './owner.ts';
import { ownerFile, snapshotFolder } from './schema.ts';
import type { Synchronous } from './sqlite-version.ts';
import { sqliteStorage } from './storage.ts';
import { Turns } from './turns.ts';
import { generationOf, storeKey, storeName } from './state-file.ts';

export interface SqliteEngineOptions {
  /** Created when it is missing. One engine owns it at a time (`STORE_LOCKED`). */
  readonly directory: string;
  readonly env: Env;
  /** Default `strict`: every resolved write survives a power cut. */
  readonly durability?: Durability;
  /**
   * How often log.db syncs: with `FULL`, as with `EXTRA`, each commit. Default `FULL`; with `durability: 'relaxed'`,
   * `NORMAL`. `NORMAL` and `OFF` are refused with `STORE_UNSAFE_SETTING` in strict mode.
   */
  readonly synchronous?: Synchronous;
  /** Largest entry, in bytes as `entrySize` counts. Default 8 MiB, at most 512 MiB. */
  readonly maxEntryBytes?: number;
  /** Acknowledged writes that the synced watermark may trail by. Default 1024. */
  readonly watermarkLag?: number;
  /**
   * How long a sync may hold the calling thread up, in milliseconds on average of the last ones; longer ones are made in
   * libuv's thread pool. 0: all of them. Default 1.
   */
  readonly blockMs?: number;
  /** Bytes of write-ahead log, of each database, above which it is checkpointed, in a turn of its own. Default 4 MiB. */
  readonly walLimitBytes?: number;
  /** Bytes of write-ahead log above which `maintain` checkpoints. Default 1 MiB. */
  readonly checkpointBytes?: number;
  /** Bytes of write-ahead log that views may keep from reuse; beyond it the oldest view is ended. Default 1 GiB. */
  readonly maxPinnedBytes?: number;
  /** Views open at once, per ordered store (`OVERLOADED` beyond). Default 64. */
  readonly maxViews?: number;
  /**
   * Runs SQLite in a worker thread, so that the caller's event loop never waits for the disk. Default false.
   * The rules are the same; a thread that dies poisons the engine. See the README for what either mode costs.
   */
  readonly worker?: boolean;
}

type Settings = Required<Omit<SqliteEngineOptions, 'worker'>>;

const megabyte = 1024 * 1024;

function settle(options: SqliteEngineOptions): Settings {
  const durability = options.durability ?? 'strict';
  const settings: Settings = {
    directory: options.directory,
    env: options.env,
    durability,
    synchronous: options.synchronous ?? (durability === 'relaxed' ? 'NORMAL' : 'FULL'),
    maxEntryBytes: options.maxEntryBytes ?? defaultMaxEntryBytes,
    watermarkLag: options.watermarkLag ?? 1024,
    blockMs: options.blockMs ?? 1,
    walLimitBytes: options.walLimitBytes ?? 4 * megabyte,
    checkpointBytes: options.checkpointBytes ?? megabyte,
    maxPinnedBytes: options.maxPinnedBytes ?? 1024 * megabyte,
    maxViews: options.maxViews ?? 64,
  };
  if (!['OFF', 'NORMAL', 'FULL', 'EXTRA'].includes(settings.synchronous)) {
    throw new BalsaError(
      'INVALID_ARGUMENT',
      `synchronous must be OFF, NORMAL, FULL or EXTRA, but is ${String(options.synchronous)}`,
    );
  }
  assertSafeInteger(settings.maxEntryBytes, 'maxEntryBytes', entryOverheadBytes);
  if (settings.maxEntryBytes > 512 * megabyte) {
    throw new BalsaError('OUT_OF_RANGE', `maxEntryBytes is at most ${String(512 * megabyte)} with SQLite`);
  }
  assertSafeInteger(settings.watermarkLag, 'watermarkLag', 1);
  for (const field of ['walLimitBytes', 'checkpointBytes', 'maxPinnedBytes'] as const)
    assertSafeInteger(settings[field], field, 4096);
  assertSafeInteger(settings.maxViews, 'maxViews', 1);
  assertSafeInteger(settings.blockMs, 'blockMs', 0);
  return settings;
}

/**
 * Opens, or creates, a store in a directory. Rejects with `STORE_LOCKED` (another engine has it),
 * `STORE_UNSAFE_SETTING`, `STORE_FORMAT_VERSION`, `STORE_CORRUPT`, `STORE_ACKNOWLEDGED_WRITE_LOST` or
 * `STORE_IO`. When it resolves, everything that was found is durable anew.
 */
export async function openSqliteEngine(options: SqliteEngineOptions): Promise<Engine> {
  checkCommonOptions(options, 'directory');
  const { worker = false, ...own } = options;
  const settings = settle(own);
  if (worker) return openInWorker(own);
  const fs = nodeFileSystem;
  const { directory, env } = settings;
  await makeDirectoryDurably(fs, directory);
  const ownerPath = fs.join(directory, ownerFile);
  // A directory that nobody ever owned may hold a database of something else: then not even the lock is added.
  if ((await mapIo('look at', ownerPath, () => fs.size(ownerPath))) === undefined)
    await identifyLog(fs, directory);
  const owner = OwnerLock.acquire(ownerPath);
  try {
    const opened = await openLog({ fs, ...settings }, (found) => {
      assertFits(found?.identity, settings.maxEntryBytes);
    });
    try {
      const known = new Set([...opened.rows.keys()].map(groupHash));
      const path = fs.join(directory, snapshotFolder);
      const snapshots = await SnapshotDirectory.open({ fs, path, random: () => env.random() }, (hash) =>
        known.has(hash),
      );
      const lastGeneration = await removeOldGenerations(opened, directory);
      return new AdapterEngine(new SqliteEngine(settings, owner, opened, snapshots, lastGeneration));
    } catch (error) {
      await opened.log.close();
      await opened.log.watermark.close();
      throw error;
    }
  } catch (error) {
    owner.release();
    throw error;
  }
}

function openInWorker({ env, ...options }: SqliteEngineOptions): Promise<Engine> {
  const module = builtModule('./index.js', import.meta.url);
  return openWorkerEngine({ module, open: openSqliteEngine.name, options, env });
}

/** Contents of ordered stores that nothing points at: restores cut short, and what they would have replaced. */
async function removeOldGenerations({ log }: OpenedLog, directory: string): Promise<number> {
  const current = new Set(log.meta.keys('store:').map((key) => Number(log.meta.need(key))));
  const leftovers: string[] = [];
  let last = Math.max(0, ...current);
  for (const name of await mapIo('list', directory, () => nodeFileSystem.list(directory))) {
    const generation = generationOf(name);
    if (generation === undefined) continue;
    last = Math.max(last, generation);
    if (!current.has(generation)) leftovers.push(name);
  }
  await removeDurably(nodeFileSystem, directory, leftovers);
  return last;
}

class SqliteEngine implements EngineCore<Storage, SqliteOrderedStore> {
  readonly capabilities: StorageCapabilities;
  readonly #settings: Settings;
  readonly #owner: OwnerLock;
  readonly #opened: OpenedLog;
  readonly #snapshots: SnapshotDirectory;
  readonly #maintenance: Maintenance;
  readonly #turns: Turns;
  readonly #numbering: { readonly nextGroup: () => number; readonly nextLog: () => number };
  readonly #nextGeneration: () => number;

  constructor(
    settings: Settings,
    owner: OwnerLock,
    opened: OpenedLog,
    snapshots: SnapshotDirectory,
    generation: number,
  ) {
    this.#settings = settings;
    this.#owner = owner;
    this.#opened = opened;
    this.#snapshots = snapshots;
    this.#turns = new Turns(settings.env);
    this.capabilities = Object.freeze({
      engine: 'sqlite',
      engineVersion: opened.sqliteVersion,
      persistent: true,
      durability: settings.durability,
      // A relaxed store that lost writes opens all the same.
      watermarkLag: settings.durability === 'relaxed' ? Infinity : settings.watermarkLag,
      maxEntryBytes: settings.maxEntryBytes,
    });
    const rows = [...opened.rows.values()];
    const used = new Set(rows.map((row) => row.logId));
    const tables = logTables(opened.log.db);
    this.#numbering = { nextGroup: counter(rows.map((row) => row.id)), nextLog: counter(tables) };
    this.#nextGeneration = counter([generation]);
    const abandoned = tables.filter((logId) => !used.has(logId));
    this.#maintenance = new Maintenance(opened.log, abandoned, settings.checkpointBytes);
  }

  check(): void {
    this.#opened.log.check();
  }

  identity(): StoreIdentity | undefined {
    const text = this.#opened.log.meta.get('identity');
    return text === undefined ? undefined : (JSON.parse(text) as StoreIdentity);
  }

  async stamp(decide: () => StoreIdentity): Promise<void> {
    await this.#submit(() => {
      const text = JSON.stringify(decide());
      return () => {
        this.#opened.log.meta.set('identity', text);
      };
    });
  }

  groupIds(): Iterable<string> {
    return this.#opened.rows.keys();
  }

  newGroup(id: string, onClose: () => void): Storage {
    const { log, rows, recovered } = this.#opened;
    return sqliteStorage({
      groupId: id,
      env: this.#settings.env,
      log,
      numbering: this.#numbering,
      maxEntryBytes: this.capabilities.maxEntryBytes,
      maintenance: this.#maintenance,
      turns: this.#turns,
      snapshots: this.#snapshots,
      found: () => rows.get(id),
      recovered: () => {
        const found = recovered.get(id);
        recovered.delete(id);
        return found;
      },
      stored: (row) => rows.set(id, row),
      abandoned: (logId) => {
        this.#maintenance.abandon(logId);
      },
      onClose,
    });
  }

  async destroyGroup(id: string): Promise<void> {
    const { log, rows } = this.#opened;
    const row = rows.get(id);
    if (row !== undefined) {
      await this.#submit(
        () => () => {
          log.groups.delete(row.id);
        },
        () => {
          rows.delete(id);
          log.forgetRow(row.id);
          this.#maintenance.abandon(row.logId);
        },
      );
    }
    this.#opened.recovered.delete(id);
    await this.#snapshots.destroyGroup(id);
  }

  *storeNames(): Iterable<string> {
    for (const key of this.#opened.log.meta.keys(storeKey(''))) yield storeName(key);
  }

  newStore(name: string, onClose: () => void): SqliteOrderedStore {
    const { directory, env, durability, ...bounds } = this.#settings;
    const { walLimitBytes, checkpointBytes, maxPinnedBytes, maxViews } = bounds;
    return new SqliteOrderedStore({
      name,
      fs: nodeFileSystem,
      directory,
      env,
      durability,
      turns: this.#turns,
      log: this.#opened.log,
      walLimitBytes,
      checkpointBytes,
      maxPinnedBytes,
      maxViews,
      nextGeneration: this.#nextGeneration,
      onClose,
    });
  }

  async close(): Promise<void> {
    const { log } = this.#opened;
    await log.drained();
    try {
      await log.watermark.close();
    } catch (error) {
      // A poisoned engine has said so already; any other is told now that its watermark is behind.
      if (log.poison === undefined) throw error;
    } finally {
      await log.close();
      this.#owner.release();
    }
  }

  /** A change of the engine's own records. `prepare` may refuse; what it returns runs in the transaction. */
  async #submit(prepare: () => () => void, done: () => void = () => undefined): Promise<void> {
    const { log } = this.#opened;
    await log.submit({
      owner: this,
      bytes: 0,
      prepare: () => {
        const run = prepare();
        return {
          run: (sequence) => {
            run();
            log.meta.set('sequence', String(sequence));
          },
          done,
          syncWatermark: true,
        };
      },
    });
  }
}
