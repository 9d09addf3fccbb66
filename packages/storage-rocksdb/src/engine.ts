/** The engine: one directory, its lock, its identity, its groups and ordered stores. */
import { join } from 'node:path';
import type { Engine, Storage, StorageCapabilities, StoreIdentity } from '@balsa/raft-core';
import {
  AdapterEngine,
  SnapshotDirectory,
  assertFits,
  counter,
  groupHash,
  nodeFileSystem,
  socketLock,
  type EngineCore,
} from '@balsa/storage-kit';
import { engineVersion, type OpenRocks, type RocksBatch } from './binding.ts';
import { makeHome, names, openDatabase, refuseForeign, type OpenedDatabase } from './bootstrap.ts';
import { readMeta } from './inspection.ts';
import { groupKey, metaKey } from './keys.ts';
import { LogDatabase } from './log-database.ts';
import { Maintenance } from './maintenance.ts';
import type { Settings } from './options.ts';
import { RocksdbOrderedStore, heldBy } from './ordered-store.ts';
import { Views } from './ordered-view.ts';
import { seal } from './records.ts';
import { rocksdbStorage } from './storage.ts';

/** The engine on this thread, with the database opened as the caller says. */
export async function openInThread(settings: Settings, openRocks: OpenRocks): Promise<Engine> {
  const { directory } = settings;
  await refuseForeign(directory);
  await makeHome(directory);
  const release = await socketLock.acquire(directory);
  try {
    const opened = await openDatabase({ ...settings, openRocks });
    try {
      return await openEngine(settings, opened, release);
    } catch (error) {
      await opened.rocks.close();
      await opened.watermark.close();
      throw error;
    }
  } catch (error) {
    await release();
    throw error;
  }
}

async function openEngine(
  settings: Settings,
  opened: OpenedDatabase,
  release: () => Promise<void>,
): Promise<Engine> {
  const { directory, env } = settings;
  const known = new Set([...opened.groups.keys()].map(groupHash));
  const path = join(directory, names.snapshots);
  const snapshots = await SnapshotDirectory.open(
    { fs: nodeFileSystem, path, random: () => env.random() },
    (hash) => known.has(hash),
  );
  const engine = new RocksdbEngine(settings, opened, snapshots, release);
  assertFits(engine.identity(), settings.maxEntryBytes);
  return new AdapterEngine(engine);
}

class RocksdbEngine implements EngineCore<Storage, RocksdbOrderedStore> {
  readonly capabilities: StorageCapabilities;
  readonly #settings: Settings;
  readonly #opened: OpenedDatabase;
  readonly #log: LogDatabase;
  readonly #snapshots: SnapshotDirectory;
  readonly #maintenance: Maintenance;
  readonly #views: Views;
  readonly #release: () => Promise<void>;
  readonly #numbering: Readonly<
    Record<'nextGroup' | 'nextLog' | 'nextStore' | 'nextGeneration', () => number>
  >;

  constructor(
    settings: Settings,
    opened: OpenedDatabase,
    snapshots: SnapshotDirectory,
    release: () => Promise<void>,
  ) {
    const { env, durability, watermarkLag, maxEntryBytes, maxDebtBytes } = settings;
    const { rocks, watermark, sequence, witnesses, groups, stores } = opened;
    this.#settings = settings;
    this.#opened = opened;
    this.#snapshots = snapshots;
    this.#release = release;
    this.#views = new Views(rocks, env, settings);
    const wrote = (bytes: number): void => {
      this.#views.wrote(bytes);
    };
    this.#log = new LogDatabase(rocks, watermark, {
      env,
      durability,
      sequence,
      witnesses,
      wrote,
      maxDebtBytes,
    });
    this.#maintenance = new Maintenance(this.#log, settings, () => groups.values());
    const [groupRecords, storeRecords] = [[...groups.values()], [...stores.values()]];
    const usedLogs = new Set(groupRecords.map(({ log }) => log));
    const usedGenerations = new Set(storeRecords.map(({ generation }) => generation));
    for (const { generation } of storeRecords) this.#maintenance.holds(generation, heldBy(rocks, generation));
    // What a crash left: logs that were replaced, restores that never became the present.
    for (const log of opened.logs) if (!usedLogs.has(log)) this.#maintenance.abandon('log', log);
    for (const generation of opened.generations) {
      if (!usedGenerations.has(generation)) this.#maintenance.abandon('state', generation);
    }
    this.#numbering = {
      nextGroup: counter(groupRecords.map(({ id }) => id)),
      nextLog: counter([...opened.logs, ...usedLogs]),
      nextStore: counter(storeRecords.map(({ id }) => id)),
      nextGeneration: counter([...opened.generations, ...usedGenerations]),
    };
    this.capabilities = Object.freeze({
      engine: 'rocksdb',
      engineVersion,
      persistent: true,
      durability,
      // A relaxed store that lost writes opens all the same.
      watermarkLag: durability === 'relaxed' ? Infinity : watermarkLag,
      maxEntryBytes,
    });
  }

  check(): void {
    this.#log.check();
  }

  identity(): StoreIdentity | undefined {
    return readMeta(this.#log.rocks, 'identity') as StoreIdentity | undefined;
  }

  async stamp(decide: () => StoreIdentity): Promise<void> {
    await this.#submit(() => {
      const identity = decide();
      return (batch) => {
        const key = metaKey('identity');
        batch.put(key, seal(key, identity));
      };
    });
  }

  groupIds(): Iterable<string> {
    return this.#opened.groups.keys();
  }

  newGroup(id: string, onClose: () => void): Storage {
    const { groups } = this.#opened;
    return rocksdbStorage({
      groupId: id,
      env: this.#settings.env,
      log: this.#log,
      numbering: this.#numbering,
      maxEntryBytes: this.capabilities.maxEntryBytes,
      maintenance: this.#maintenance,
      snapshots: this.#snapshots,
      found: () => groups.get(id),
      stored: (record) => groups.set(id, record),
      abandoned: (log) => {
        this.#maintenance.abandon('log', log);
      },
      onClose,
    });
  }

  async destroyGroup(id: string): Promise<void> {
    const record = this.#opened.groups.get(id);
    if (record !== undefined) {
      await this.#submit(
        () => (batch) => {
          batch.delete(groupKey(record.id));
        },
        () => {
          this.#opened.groups.delete(id);
          this.#maintenance.abandon('log', record.log);
        },
      );
    }
    await this.#snapshots.destroyGroup(id);
  }

  storeNames(): Iterable<string> {
    return this.#opened.stores.keys();
  }

  newStore(name: string, onClose: () => void): RocksdbOrderedStore {
    const { nextStore, nextGeneration } = this.#numbering;
    return new RocksdbOrderedStore({
      name,
      env: this.#settings.env,
      log: this.#log,
      maintenance: this.#maintenance,
      views: this.#views,
      found: () => this.#opened.stores.get(name),
      stored: (record) => this.#opened.stores.set(name, record),
      nextStore,
      nextGeneration,
      onClose,
    });
  }

  async close(): Promise<void> {
    const log = this.#log;
    await log.queue.drained();
    const failures: unknown[] = [];
    for (const close of [() => log.watermark.close(), () => log.rocks.close(), this.#release]) {
      await close().catch((error: unknown) => failures.push(error));
    }
    // A poisoned engine has said so already; any other is told now that something is behind.
    if (failures.length > 0 && log.poison === undefined) throw failures[0];
  }

  /** A change of the engine's own records. `prepare` may refuse; what it returns fills the batch. */
  async #submit(
    prepare: () => (batch: RocksBatch) => void,
    done: () => void = () => undefined,
  ): Promise<void> {
    await this.#log.submit({
      owner: this,
      bytes: 0,
      prepare: () => ({ run: prepare(), done, syncWatermark: true }),
    });
  }
}
