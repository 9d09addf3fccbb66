/**
 * The memory engine: the reference model that every store is compared with, and the store of tests and demos.
 */
import {
  defaultMaxEntryBytes,
  type Engine,
  type StorageCapabilities,
  type StoreIdentity,
} from '../contracts/engine.ts';
import type { OrderedStore } from '../contracts/ordered-store.ts';
import type { Storage } from '../contracts/storage.ts';
import { entryOverheadBytes } from '../entry-size.ts';
import { BalsaError } from '../errors.ts';
import { assertSafeInteger } from '../invariants.ts';
import { holdsData, newGroupData, newOrderedData, type DiskData } from './data.ts';
import { createMemoryDisk, diskInside, type Disk, type MemoryDisk } from './disk.ts';
import { Gate, type Life, type MemorySchedule } from './gate.ts';
import { MemoryOrderedStore } from './ordered-store.ts';
import { MemoryStorage } from './storage.ts';

export interface MemoryEngineOptions {
  /** Where the data stays between engines. Default: a disk of its own, gone with the engine. */
  readonly disk?: MemoryDisk;
  /** See {@link MemorySchedule}. Default: everything takes effect one microtask after the call. */
  readonly schedule?: MemorySchedule;
  /** Largest entry, in bytes as `entrySize` counts. Default 8 MiB. */
  readonly maxEntryBytes?: number;
}

/**
 * Opens an engine that keeps everything in memory. "Durable" means here: survives `disk.crash()` and the
 * closing of the engine, as long as the disk object lives. Throws `STORE_LOCKED` while another engine is
 * open on the same disk.
 */
export function openMemoryEngine(options: MemoryEngineOptions = {}): Engine {
  return new MemoryEngine(options);
}

class MemoryEngine implements Engine {
  readonly capabilities: StorageCapabilities;
  readonly #disk: Disk;
  readonly #data: DiskData;
  readonly #life: Life;
  readonly #gate: Gate;
  readonly #crashable: boolean;
  readonly #groups = new Map<string, Storage>();
  readonly #stores = new Map<string, OrderedStore>();
  #closing: Promise<void> | undefined;

  constructor(options: MemoryEngineOptions) {
    const maxEntryBytes = options.maxEntryBytes ?? defaultMaxEntryBytes;
    assertSafeInteger(maxEntryBytes, 'maxEntryBytes', entryOverheadBytes);
    this.capabilities = Object.freeze({
      engine: 'memory',
      engineVersion: '1',
      persistent: false,
      durability: 'strict',
      watermarkLag: 0,
      maxEntryBytes,
    });
    this.#crashable = options.disk !== undefined;
    this.#disk = diskInside(options.disk ?? createMemoryDisk());
    this.#data = this.#disk.data;
    this.#life = { schedule: options.schedule, poison: undefined, crashed: false };
    this.#gate = new Gate(this.#life, 'the memory engine', '');
    this.#disk.acquire(this.#life);
  }

  identity(): Promise<StoreIdentity | undefined> {
    return this.#gate.run('identity', 'read', () => this.#data.identity);
  }

  stamp(identity: StoreIdentity): Promise<void> {
    const copy = Object.freeze({ ...identity });
    return this.#gate.run('stamp', 'write', () => {
      const present = this.#data.identity;
      if (present !== undefined) {
        throw new BalsaError(
          'STORE_ALREADY_BOOTSTRAPPED',
          `this store is node ${String(present.nodeId)} of cluster ${present.clusterId} already`,
          { details: { ...present } },
        );
      }
      this.#data.identity = copy;
    });
  }

  group(id: string): Storage {
    this.#gate.check();
    checkName(id, 'a group id');
    const open = this.#groups.get(id);
    if (open !== undefined) return open;
    let data = this.#data.groups.get(id);
    if (data === undefined) this.#data.groups.set(id, (data = newGroupData()));
    const storage = new MemoryStorage({
      groupId: id,
      data,
      life: this.#life,
      maxEntryBytes: this.capabilities.maxEntryBytes,
      onClose: () => this.#groups.delete(id),
    });
    this.#groups.set(id, storage);
    return storage;
  }

  listGroups(): Promise<string[]> {
    return this.#gate.run('listGroups', 'read', () =>
      // The default order of strings is by code unit, as the contract says.
      [...this.#data.groups].flatMap(([id, data]) => (holdsData(data) ? [id] : [])).sort(),
    );
  }

  destroyGroup(id: string): Promise<void> {
    return this.#gate.run('destroyGroup', 'write', () => {
      checkName(id, 'a group id');
      if (this.#groups.has(id)) {
        throw new BalsaError(
          'INVALID_ARGUMENT',
          `group ${JSON.stringify(id)} is open; close it before destroying it`,
        );
      }
      this.#data.groups.delete(id);
    });
  }

  listOrderedStores(): Promise<string[]> {
    return this.#gate.run('listOrderedStores', 'read', () => [...this.#data.ordered.keys()].sort());
  }

  orderedStore(name: string): OrderedStore {
    this.#gate.check();
    checkName(name, 'the name of an ordered store');
    const open = this.#stores.get(name);
    if (open !== undefined) return open;
    let data = this.#data.ordered.get(name);
    if (data === undefined) this.#data.ordered.set(name, (data = newOrderedData()));
    const store = new MemoryOrderedStore({
      name,
      data,
      life: this.#life,
      crashable: this.#crashable,
      onClose: () => this.#stores.delete(name),
    });
    this.#stores.set(name, store);
    return store;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    await this.#gate.close();
    await Promise.all([...this.#groups.values(), ...this.#stores.values()].map((part) => part.close()));
    this.#disk.release(this.#life);
  }
}

function checkName(name: string, what: string): void {
  if (name.length >= 1 && name.length <= 256) return;
  throw new BalsaError(
    'INVALID_ARGUMENT',
    `${what} has 1 to 256 UTF-16 units, this one ${String(name.length)}`,
  );
}
