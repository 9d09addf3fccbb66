/** Engine: owns one database, its lock, its identity and its groups. */
import type { OrderedStore } from './ordered-store.ts';
import type { Storage } from './storage.ts';
import type { NodeId } from '../types.ts';

/** Stamped into a store at bootstrap and checked at every open. */
export interface StoreIdentity {
  /** Sixteen hexadecimal digits, the same on all members. */
  readonly clusterId: string;
  readonly nodeId: NodeId;
  /** Sixteen hexadecimal digits, of this store's life: a wiped and re-created store has another. */
  readonly incarnation: string;
  /** Constant of the cluster: the largest `entrySize` of one entry, in bytes. */
  readonly maxEntryBytes: number;
}

export type Durability = 'strict' | 'relaxed';

/** What a store promises. Every field is checked both ways by the conformance suite. */
export interface StorageCapabilities {
  /** Name of the adapter: sqlite, redis, rocksdb, file, memory. */
  readonly engine: string;
  readonly engineVersion: string;
  /** Whether data outlives the process. False for memory. */
  readonly persistent: boolean;
  /** `relaxed` only when the user asked for it. */
  readonly durability: Durability;
  /**
   * How many acknowledged writes without a change of term or vote may be lost to silent corruption
   * before opening notices (the distance by which the synced watermark may trail). Infinity: never notices.
   * It holds after a power cut as after the death of the process, and so does the other side: what is whole is never
   * taken for a loss, so nothing is counted before it is durable.
   */
  readonly watermarkLag: number;
  /** Largest entry (`entrySize`) the store can take, in bytes. */
  readonly maxEntryBytes: number;
}

/** Default of the cluster-wide bound on one entry, in bytes. */
export const defaultMaxEntryBytes: number = 8 * 1024 * 1024;

/**
 * An opened database. Made by an adapter's own `open...Engine(options)`, which takes the lock or fences
 * the previous owner, verifies the format version and the engine's durability settings
 * (`STORE_UNSAFE_SETTING`), and refuses a directory that another live owner holds (`STORE_LOCKED`).
 */
export interface Engine extends AsyncDisposable {
  readonly capabilities: StorageCapabilities;

  /** The stamped identity, or undefined in a store that was never bootstrapped. */
  identity(): Promise<StoreIdentity | undefined>;
  /** Stamps it, durably. `STORE_ALREADY_BOOTSTRAPPED` when there is one. */
  stamp(identity: StoreIdentity): Promise<void>;

  /**
   * The Storage of one group, created empty when it is new. The same object for the same id until it is
   * closed. Any string of 1 to 256 UTF-16 units is an id, and no two ids ever see each other's data.
   */
  group(id: string): Storage;
  /** Ids of groups that hold data, sorted by code unit. */
  listGroups(): Promise<string[]>;
  /** Removes a group's log, state and snapshots, durably. The group must not be open. */
  destroyGroup(id: string): Promise<void>;

  /** The ordered key-value store of that name in the same database. The same object for the same name until it is closed. */
  orderedStore(name: string): OrderedStore;
  /**
   * Names of the ordered stores that were opened once, sorted by code unit. For tools that look at a store which
   * is not theirs; an engine may leave it out.
   */
  listOrderedStores?(): Promise<string[]>;

  /** Idempotent. Closes groups and stores, releases the lock. */
  close(): Promise<void>;
}
