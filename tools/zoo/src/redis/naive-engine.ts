/** The engine around groups that are written down in Redis without much thought. */
import path from 'node:path';
import {
  BalsaError,
  defaultMaxEntryBytes,
  randomHex64,
  type Engine,
  type OrderedStore,
  type Storage,
  type StorageCapabilities,
  type StoreIdentity,
} from '@balsa/raft-core';
import { createNodeEnv } from '@balsa/raft-node';
import { SnapshotDirectory, groupHash, nodeFileSystem } from '@balsa/storage-kit';
import { Redis } from 'ioredis';
import { makeLayout, type LayoutName } from './layouts.ts';
import { NaiveStorage } from './naive-storage.ts';
import { OneScript } from './one-script.ts';

export interface NaiveEngineOptions {
  readonly url: string;
  /** For snapshots, which are files here: they are not what this is about. */
  readonly directory: string;
  readonly layout: LayoutName;
  /** Keys are named by the id as it is, joined with colons, and a group is destroyed by a pattern. */
  readonly plainNames?: boolean;
  /** Nobody looks who the owner is. */
  readonly unfenced?: boolean;
  readonly joinsNumbers?: boolean;
  /** Each write is one script; what is done when one is cut off. */
  readonly script?: ScriptChoices;
}

export interface ScriptChoices {
  /** The owner is asked for in a command before, and not in the script. */
  readonly asksBefore?: boolean;
  readonly numbered?: boolean;
  /** What the client is given beside the address. */
  readonly client?: {
    readonly autoResendUnfulfilledCommands: boolean;
    readonly retryStrategy: () => number;
    readonly commandTimeout?: number;
  };
  /** How a write without an answer is told. Default: as of unknown outcome, and poisons. */
  readonly tells?: 'as refused' | 'and goes on';
}

/** Longer than a slow disk takes; short, because a swallowed reply is waited for. In milliseconds. */
const commandTimeoutMs = 1_000;

const env = createNodeEnv();

class NaiveEngine implements Engine {
  readonly capabilities: StorageCapabilities = Object.freeze({
    engine: 'naive redis',
    engineVersion: '1',
    persistent: true,
    durability: 'strict',
    watermarkLag: Infinity,
    maxEntryBytes: defaultMaxEntryBytes,
  });
  readonly #options: NaiveEngineOptions;
  readonly #redis: Redis;
  readonly #owner: string;
  readonly #snapshots: SnapshotDirectory;
  readonly #groups = new Map<string, NaiveStorage>();
  #poison: unknown;
  #closing: Promise<void> | undefined;

  constructor(options: NaiveEngineOptions, redis: Redis, owner: string, snapshots: SnapshotDirectory) {
    this.#options = options;
    this.#redis = redis;
    this.#owner = owner;
    this.#snapshots = snapshots;
  }

  async identity(): Promise<StoreIdentity | undefined> {
    const text = await this.#redis.get('raft-identity');
    return text === null ? undefined : (JSON.parse(text) as StoreIdentity);
  }

  async stamp(identity: StoreIdentity): Promise<void> {
    if ((await this.#redis.setnx('raft-identity', JSON.stringify(identity))) === 1) return;
    throw new BalsaError('STORE_ALREADY_BOOTSTRAPPED', 'stamped already');
  }

  group(id: string): Storage {
    if (this.#closing !== undefined) throw new BalsaError('STORE_CLOSED', 'the engine is closed');
    if (id.length < 1 || id.length > 256)
      throw new BalsaError('INVALID_ARGUMENT', 'an id has 1 to 256 units');
    let storage = this.#groups.get(id);
    if (storage === undefined) {
      storage = this.#newStorage(id);
      this.#groups.set(id, storage);
    }
    return storage;
  }

  async listGroups(): Promise<string[]> {
    return (await this.#redis.smembers('raft-groups')).map((text) => JSON.parse(text) as string).sort();
  }

  async destroyGroup(id: string): Promise<void> {
    const key = this.#key(id);
    if (this.#options.plainNames === true) {
      const found = await this.#redis.keys(`${key}*`);
      if (found.length > 0) await this.#redis.del(...found);
    } else {
      await this.#redis.del(`${key}:state`, `${key}:state:commit`, `${key}:log`, `${key}:log:base`);
    }
    await this.#redis.srem('raft-groups', JSON.stringify(id));
    await this.#snapshots.destroyGroup(id);
  }

  orderedStore(): OrderedStore {
    throw new BalsaError('INVALID_ARGUMENT', 'there is none');
  }

  close(): Promise<void> {
    this.#closing ??= (async () => {
      for (const storage of [...this.#groups.values()]) await storage.close();
      this.#redis.disconnect();
    })();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #key(id: string): string {
    return this.#options.plainNames === true ? `raft:${id}` : `raft:${groupHash(id)}`;
  }

  #newStorage(id: string): NaiveStorage {
    const { layout, joinsNumbers = false, unfenced = false, script } = this.#options;
    const [redis, key] = [this.#redis, this.#key(id)];
    const owner = script?.asksBefore === true ? undefined : this.#owner;
    const asks = !unfenced && (script === undefined || script.asksBefore === true);
    return new NaiveStorage({
      id,
      redis,
      key: `${key}:state`,
      layout: makeLayout(redis, `${key}:log`, layout),
      maxEntryBytes: this.capabilities.maxEntryBytes,
      joinsNumbers,
      script:
        script &&
        new OneScript({
          redis,
          key: `${key}:state`,
          logKey: `${key}:log`,
          group: id,
          owner,
          numbered: script.numbered === true,
        }),
      alive: () => {
        if (this.#poison === undefined) return;
        throw new BalsaError('STORE_POISONED', 'an earlier write was cut off', { cause: this.#poison });
      },
      onLost: (cause) => this.#lost(cause),
      check: async () => {
        if (!asks || (await redis.get('raft-owner')) === this.#owner) return;
        throw new BalsaError('STORE_FENCED', 'another owner has taken over');
      },
      snapshots: () => this.#snapshots.group(id),
      onStored: async () => {
        await redis.sadd('raft-groups', JSON.stringify(id));
      },
      onClose: () => this.#groups.delete(id),
    });
  }

  #lost(cause: unknown): BalsaError {
    const tells = this.#options.script?.tells;
    if (tells === 'as refused') return new BalsaError('STORE_IO', 'redis refused', { cause });
    if (tells !== 'and goes on') this.#poison ??= cause;
    return new BalsaError('STORE_UNKNOWN_OUTCOME', 'the write was cut off', { cause });
  }
}

export async function openNaiveEngine(options: NaiveEngineOptions): Promise<Engine> {
  const redis = new Redis(options.url, {
    lazyConnect: true,
    retryStrategy: () => null,
    ...(options.script !== undefined && { commandTimeout: commandTimeoutMs }),
    ...options.script?.client,
  });
  redis.on('error', () => undefined);
  await redis.connect();
  const owner = randomHex64(env);
  await redis.set('raft-owner', owner);
  const place = path.join(options.directory, 'snapshots');
  const snapshots = await SnapshotDirectory.open({
    fs: nodeFileSystem,
    path: place,
    random: () => env.random(),
  });
  return new NaiveEngine(options, redis, owner, snapshots);
}
