/**
 * The outside of an Engine: what raft-core's contracts/engine.ts asks for whatever the database is. Names are
 * checked, groups and ordered stores are one object a name until they are closed, identities are judged; the
 * rest stands behind `EngineCore`.
 */
import {
  BalsaError,
  type Engine,
  type OrderedStore,
  type Storage,
  type StorageCapabilities,
  type StoreIdentity,
} from '@balsa/raft-core';

/** An opened database. It is called with names that are checked, and not again after `close`. */
export interface EngineCore<S extends Storage = Storage, O extends OrderedStore = OrderedStore> {
  readonly capabilities: StorageCapabilities;
  /** Throws when the database is poisoned or owned by another. */
  check(): void;
  identity(): StoreIdentity | undefined;
  /** Calls `decide` when its turn in the order of writes has come, and stores what it returns, durably. */
  stamp(decide: () => StoreIdentity): Promise<void>;
  /** Ids of groups that hold data, in any order. */
  groupIds(): Iterable<string>;
  newGroup(id: string, onClose: () => void): S;
  /** Removes a group that is not open, or may not be there, durably. */
  destroyGroup(id: string): Promise<void>;
  /** Names of ordered stores that were opened once, in any order. */
  storeNames(): Iterable<string>;
  newStore(name: string, onClose: () => void): O;
  /** Called once, after all groups and stores are closed. Lets go of everything, whatever fails. */
  close(): Promise<void>;
}

export class AdapterEngine<
  S extends Storage = Storage,
  O extends OrderedStore = OrderedStore,
> implements Engine {
  readonly capabilities: StorageCapabilities;
  readonly #core: EngineCore<S, O>;
  readonly #groups = new Map<string, S>();
  readonly #stores = new Map<string, O>();
  #closing: Promise<void> | undefined;

  constructor(core: EngineCore<S, O>) {
    this.#core = core;
    this.capabilities = core.capabilities;
  }

  /** Groups and ordered stores that are not closed. */
  *parts(): Generator<S | O> {
    yield* this.#groups.values();
    yield* this.#stores.values();
  }

  async identity(): Promise<StoreIdentity | undefined> {
    this.#check();
    return this.#core.identity();
  }

  async stamp(identity: StoreIdentity): Promise<void> {
    this.#check();
    assertFits(identity, this.capabilities.maxEntryBytes);
    const { clusterId, nodeId, incarnation, maxEntryBytes } = identity;
    await this.#core.stamp(() => {
      const present = this.#core.identity();
      if (present === undefined) return { clusterId, nodeId, incarnation, maxEntryBytes };
      throw new BalsaError(
        'STORE_ALREADY_BOOTSTRAPPED',
        `this store is node ${String(present.nodeId)} of cluster ${present.clusterId} already`,
        { details: { ...present } },
      );
    });
  }

  group(id: string): Storage {
    this.#check();
    assertName(id, 'a group id');
    let storage = this.#groups.get(id);
    if (storage === undefined) {
      storage = this.#core.newGroup(id, () => this.#groups.delete(id));
      this.#groups.set(id, storage);
    }
    return storage;
  }

  async listGroups(): Promise<string[]> {
    this.#check();
    // The default order of strings is by code unit, as the contract says.
    return [...this.#core.groupIds()].sort();
  }

  async destroyGroup(id: string): Promise<void> {
    this.#check();
    assertName(id, 'a group id');
    if (this.#groups.has(id)) {
      throw new BalsaError(
        'INVALID_ARGUMENT',
        `group ${JSON.stringify(id)} is open; close it before destroying it`,
      );
    }
    await this.#core.destroyGroup(id);
  }

  async listOrderedStores(): Promise<string[]> {
    this.#check();
    return [...this.#core.storeNames()].sort();
  }

  orderedStore(name: string): OrderedStore {
    this.#check();
    assertName(name, 'the name of an ordered store');
    let store = this.#stores.get(name);
    if (store === undefined) {
      store = this.#core.newStore(name, () => this.#stores.delete(name));
      this.#stores.set(name, store);
    }
    return store;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** The lock must not outlive the engine: each is closed, whatever becomes of the one before. */
  async #close(): Promise<void> {
    const outcomes = await Promise.allSettled([...this.parts()].map((part) => part.close()));
    await this.#core.close();
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  }

  #check(): void {
    if (this.#closing !== undefined) throw new BalsaError('STORE_CLOSED', 'the engine is closed');
    this.#core.check();
  }
}

/** `STORE_ENTRY_TOO_LARGE` when the cluster's entries would not fit into a store that takes `own` bytes. */
export function assertFits(identity: StoreIdentity | undefined, own: number): void {
  if (identity === undefined || identity.maxEntryBytes <= own) return;
  const cluster = identity.maxEntryBytes;
  throw new BalsaError(
    'STORE_ENTRY_TOO_LARGE',
    `entries of this cluster have up to ${String(cluster)} bytes, this store takes ${String(own)}: open it with maxEntryBytes ${String(cluster)}`,
    { details: { cluster, store: own } },
  );
}

/** `INVALID_ARGUMENT` for a name of no or of too many units. */
function assertName(name: string, what: string): void {
  if (name.length >= 1 && name.length <= 256) return;
  throw new BalsaError(
    'INVALID_ARGUMENT',
    `${what} has 1 to 256 UTF-16 units, this one ${String(name.length)}`,
  );
}

/** Numbers that go on behind the highest that is taken, from 1. */
export function counter(taken: Iterable<number>): () => number {
  let last = 0;
  for (const number of taken) last = Math.max(last, number);
  return () => ++last;
}
