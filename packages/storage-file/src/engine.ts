/** The engine: one directory, its owner, its identity, its groups and ordered stores. */
import {
  BalsaError,
  assertSafeInteger,
  defaultMaxEntryBytes,
  entryOverheadBytes,
  randomHex64,
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
  LogState,
  SnapshotDirectory,
  assertFits,
  counter,
  groupHash,
  makeDirectoryDurably,
  mapIo,
  nodeFileSystem,
  removeDurably,
  type EngineCore,
  type FileSystem,
} from '@balsa/storage-kit';
import { Builder } from './bytes.ts';
import { withFile } from './chain-file.ts';
import { addDestroy, addMeta, addState, ownerFile, segmentName, snapshotFolder } from './format.ts';
import { GroupLog } from './group-log.ts';
import { Locations } from './locations.ts';
import { LogWriter } from './log-writer.ts';
import { Maintenance } from './maintenance.ts';
import { FileOrderedStore, storeKey } from './ordered-store.ts';
import { Fence, noLock, socketLock, type DirectoryLock } from './owner.ts';
import { recoverLog, type RecoveredLog } from './recovery.ts';
import { Segments } from './segments.ts';
import { listGenerations } from './state-files.ts';
import { fileStorage } from './storage.ts';

export interface FileEngineOptions {
  /** Created when it is missing. One engine owns it at a time. */
  readonly directory: string;
  readonly env: Env;
  /** Default: the machine's own. */
  readonly fs?: FileSystem;
  /** Default: `socketLock` on the machine's own file system, otherwise `noLock`: a new owner fences the old one. */
  readonly lock?: DirectoryLock;
  /** Default `strict`: every resolved write survives a power cut. `relaxed` does not sync the log. */
  readonly durability?: Durability;
  /** Largest entry, in bytes as `entrySize` counts. Default 8 MiB, at most 512 MiB. */
  readonly maxEntryBytes?: number;
  /** Bytes of a segment of the log beyond which the next one is begun. Default 16 MiB, at most 1 GiB. */
  readonly segmentBytes?: number;
  /** Acknowledged writes that the synced watermark may trail by. Default 1024. */
  readonly watermarkLag?: number;
  /** Views open at once, per ordered store (`OVERLOADED` beyond). Default 64. */
  readonly maxViews?: number;
}

type Settings = Required<FileEngineOptions>;

const megabyte = 1024 * 1024;
const packageVersion = '0.1.0';

function settle(options: FileEngineOptions): Settings {
  const fs = options.fs ?? nodeFileSystem;
  const settings: Settings = {
    directory: options.directory,
    env: options.env,
    fs,
    lock: options.lock ?? (fs === nodeFileSystem ? socketLock : noLock),
    durability: options.durability ?? 'strict',
    maxEntryBytes: options.maxEntryBytes ?? defaultMaxEntryBytes,
    segmentBytes: options.segmentBytes ?? 16 * megabyte,
    watermarkLag: options.watermarkLag ?? 1024,
    maxViews: options.maxViews ?? 64,
  };
  assertSafeInteger(settings.maxEntryBytes, 'maxEntryBytes', entryOverheadBytes);
  if (settings.maxEntryBytes > 512 * megabyte) {
    throw new BalsaError('OUT_OF_RANGE', `maxEntryBytes is at most ${String(512 * megabyte)} here`);
  }
  assertSafeInteger(settings.segmentBytes, 'segmentBytes', 4096);
  if (settings.segmentBytes > 1024 * megabyte) {
    throw new BalsaError('OUT_OF_RANGE', `segmentBytes is at most ${String(1024 * megabyte)}`);
  }
  assertSafeInteger(settings.watermarkLag, 'watermarkLag', 1);
  assertSafeInteger(settings.maxViews, 'maxViews', 1);
  return settings;
}

/**
 * Opens, or creates, a store in a directory. Rejects with `STORE_LOCKED` (another engine has it),
 * `STORE_FORMAT_VERSION`, `STORE_CORRUPT`, `STORE_ACKNOWLEDGED_WRITE_LOST` or `STORE_IO`. When it
 * resolves, everything that was found is durable anew, and any owner before is fenced.
 */
export async function openFileEngine(options: FileEngineOptions): Promise<Engine> {
  checkCommonOptions(options, 'directory');
  const settings = settle(options);
  const { fs, directory, env, lock } = settings;
  await makeDirectoryDurably(fs, directory);
  const release = await lock.acquire(directory);
  let fence: Fence | undefined;
  let log: RecoveredLog | undefined;
  let segments: Segments | undefined;
  try {
    // Before anything is read: a write that its owner acknowledges after this cannot be missed below.
    fence = await Fence.take(fs, fs.join(directory, ownerFile), randomHex64(env));
    log = await recoverLog(settings);
    assertFits(identityOf(log.meta), settings.maxEntryBytes);
    await syncTail(settings, log);
    segments = await beginSegment(settings, log);
    const known = new Set([...log.groups.keys()].map(groupHash));
    const path = fs.join(directory, snapshotFolder);
    const snapshots = await SnapshotDirectory.open({ fs, path, random: () => env.random() }, (hash) =>
      known.has(hash),
    );
    const generation = await removeOldGenerations(settings, log);
    return new AdapterEngine(
      new FileEngine({ settings, release, fence, log, segments, snapshots, generation }),
    );
  } catch (error) {
    await segments?.close();
    await log?.watermark.close();
    await fence?.close();
    await release();
    throw error;
  }
}

/** What was found may never have been synced. */
async function syncTail({ fs, directory }: Settings, { sizes, leftovers }: RecoveredLog): Promise<void> {
  const last = [...sizes.keys()].at(-1);
  if (last !== undefined) {
    const path = fs.join(directory, segmentName(last));
    await withFile(fs, path, (handle) => mapIo('sync', path, () => handle.sync()));
  }
  await mapIo('sync', directory, () => fs.syncDirectory(directory));
  await removeDurably(fs, directory, leftovers);
}

/** Every owner writes into segments of its own: what a dead one still writes goes where nobody looks. */
async function beginSegment({ fs, directory }: Settings, log: RecoveredLog): Promise<Segments> {
  const { sizes, end, watermark } = log;
  const segments = new Segments({ fs, directory, identity: watermark.identity }, sizes);
  const number = ([...sizes.keys()].at(-1) ?? 0) + 1;
  await segments.begin(number, end, encodeState(log), () => undefined);
  return segments;
}

/** What every segment begins with, so that those before it can go. */
function encodeState({ meta, groups }: Pick<RecoveredLog, 'meta' | 'groups'>): Uint8Array {
  const body = new Builder(1024);
  for (const [key, value] of meta) addMeta(body, key, value);
  for (const group of groups.values()) addState(body, group.id, group.snapshot());
  return body.finish();
}

/** Contents of ordered stores that nothing points at: restores cut short, and what they would have replaced. */
async function removeOldGenerations({ fs, directory }: Settings, log: RecoveredLog): Promise<number> {
  const current = new Set<number>();
  for (const [key, value] of log.meta) if (key.startsWith(storeKey(''))) current.add(Number(value));
  const found = await listGenerations({ fs, directory, identity: log.watermark.identity });
  const leftovers = [...found]
    .filter(([generation]) => !current.has(generation))
    .flatMap(([, names]) => names);
  await removeDurably(fs, directory, leftovers);
  return Math.max(0, ...current, ...found.keys());
}

function identityOf(meta: ReadonlyMap<string, string>): StoreIdentity | undefined {
  const text = meta.get('identity');
  return text === undefined ? undefined : (JSON.parse(text) as StoreIdentity);
}

interface EngineParts {
  readonly settings: Settings;
  readonly release: () => Promise<void>;
  readonly fence: Fence;
  readonly log: RecoveredLog;
  readonly segments: Segments;
  readonly snapshots: SnapshotDirectory;
  readonly generation: number;
}

class FileEngine implements EngineCore<Storage, FileOrderedStore> {
  readonly capabilities: StorageCapabilities;
  readonly #parts: EngineParts;
  readonly #writer: LogWriter;
  readonly #maintenance: Maintenance;
  readonly #nextGeneration: () => number;

  constructor(parts: EngineParts) {
    this.#parts = parts;
    this.#nextGeneration = counter([parts.generation]);
    const { settings, log, segments, fence } = parts;
    const { env, durability, segmentBytes } = settings;
    const { watermark, groups, usage } = log;
    // Sequences go on above the watermark, also where a relaxed store lost some.
    const sequence = Math.max(log.end.sequence, watermark.sequence);
    const state = (): Uint8Array => encodeState(log);
    this.#writer = new LogWriter(
      { env, durability, segmentBytes, segments, fence, watermark, state },
      sequence,
    );
    this.#maintenance = new Maintenance({ writer: this.#writer, segments, usage, groups, segmentBytes });
    this.capabilities = Object.freeze({
      engine: 'file',
      engineVersion: packageVersion,
      persistent: true,
      durability,
      // A relaxed store that lost writes opens all the same.
      watermarkLag: durability === 'relaxed' ? Infinity : settings.watermarkLag,
      maxEntryBytes: settings.maxEntryBytes,
    });
  }

  check(): void {
    this.#writer.check();
  }

  identity(): StoreIdentity | undefined {
    return identityOf(this.#parts.log.meta);
  }

  async stamp(decide: () => StoreIdentity): Promise<void> {
    const { meta } = this.#parts.log;
    await this.#writer.submit({
      owner: this,
      prepare: () => {
        const text = JSON.stringify(decide());
        return {
          encode: (body) => {
            addMeta(body, 'identity', text);
          },
          done: () => meta.set('identity', text),
          syncWatermark: true,
        };
      },
    });
  }

  groupIds(): Iterable<string> {
    return this.#parts.log.groups.keys();
  }

  newGroup(id: string, onClose: () => void): Storage {
    const { settings, log, segments, snapshots } = this.#parts;
    const { groups, usage } = log;
    const group = groups.get(id) ?? new GroupLog(id, new LogState(), new Locations(usage, 1));
    return fileStorage({
      group,
      env: settings.env,
      maxEntryBytes: settings.maxEntryBytes,
      writer: this.#writer,
      segments,
      maintenance: this.#maintenance,
      snapshots,
      isKnown: () => groups.has(id),
      onStored: () => groups.set(id, group),
      onClose,
    });
  }

  async destroyGroup(id: string): Promise<void> {
    const { groups } = this.#parts.log;
    const group = groups.get(id);
    if (group !== undefined) {
      await this.#writer.submit({
        owner: group,
        prepare: () => ({
          encode: (body) => {
            addDestroy(body, id);
          },
          done: () => {
            groups.delete(id);
            group.locations.reset(1);
          },
          syncWatermark: true,
        }),
      });
    }
    await this.#parts.snapshots.destroyGroup(id);
  }

  *storeNames(): Iterable<string> {
    const prefix = storeKey('');
    for (const key of this.#parts.log.meta.keys()) if (key.startsWith(prefix)) yield key.slice(prefix.length);
  }

  newStore(name: string, onClose: () => void): FileOrderedStore {
    const { settings, log } = this.#parts;
    const { fs, directory, env, maxViews } = settings;
    return new FileOrderedStore({
      fs,
      directory,
      env,
      maxViews,
      name,
      identity: log.watermark.identity,
      writer: this.#writer,
      meta: log.meta,
      nextGeneration: this.#nextGeneration,
      onClose,
    });
  }

  async close(): Promise<void> {
    const { log, segments, fence, release } = this.#parts;
    await this.#writer.drained();
    try {
      await log.watermark.close();
    } catch (error) {
      // A poisoned engine has said so already; any other is told now that its watermark is behind.
      if (this.#writer.poison === undefined) throw error;
    } finally {
      await segments.close();
      await fence.close();
      await release();
    }
  }
}
