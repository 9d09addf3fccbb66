/** The engine: one prefix of a Redis server, its owner, its identity, its groups and ordered stores. */
import {
  LogLevel,
  type Engine,
  type Storage,
  type StorageCapabilities,
  type StoreIdentity,
} from '@balsa/raft-core';
import { AdapterEngine, assertFits, type EngineCore } from '@balsa/storage-kit';
import { AppendOnlyFile } from './append-only-file.ts';
import { Connection, type Reply } from './connection.ts';
import { checkServer, type ServerFacts } from './durability.ts';
import { corrupt, refused } from './errors.ts';
import { GroupLog, freshContents, type GroupContents, type GroupPlace } from './group-log.ts';
import { encodeGroupHead, parseGroupHead, textCrc, type ExpectedHead, type GroupHead } from './head.ts';
import { GroupKeys, engineKeys, partField, partPrefix } from './keys.ts';
import { LogWriter } from './log-writer.ts';
import { RedisOrderedStore } from './ordered-store.ts';
import { settle, type RedisEngineOptions, type Settings } from './options.ts';
import { claim, takeOwnership, type Ownership } from './owner.ts';
import { recoverGroup, type ReadRange } from './recovery.ts';
import { Registry } from './registry.ts';
import { cutScript, dropScript, scripts } from './scripts.ts';
import { SnapshotChunks } from './snapshot-chunks.ts';
import { emptyStoreHead, parseStoreHead } from './store-head.ts';
import { redisStorage } from './storage.ts';

/** Keys looked at for one slice of a removal. */
const scannedAtOnce = '200';

/**
 * Opens, or creates, a store under a prefix of a Redis server. Rejects with `STORE_UNSAFE_SETTING` (the server
 * would lose acknowledged writes), `STORE_FORMAT_VERSION`, `STORE_CORRUPT`, `STORE_ACKNOWLEDGED_WRITE_LOST` or
 * `STORE_IO`. When it resolves, everything that was found is durable anew, and any owner before is fenced.
 */
export async function openRedisEngine(options: RedisEngineOptions): Promise<Engine> {
  const settings = settle(options);
  const server = new Server(settings);
  let ownership: Ownership | undefined;
  try {
    await server.connection.ready();
    ownership = await takeOwnership(settings, server.connection, server.facts);
    assertFits(ownership.head.record.identity, settings.maxEntryBytes);
    const core = new RedisEngine(settings, server, ownership);
    await core.finishDestroying();
    return new AdapterEngine(core);
  } catch (error) {
    server.connection.close();
    await ownership?.watermark?.close();
    // What was under way had no promise to keep yet: opening again finds out.
    throw refused(error, 'open the store on Redis');
  }
}

/** The server as it was found by the last connection. */
class Server {
  readonly connection: Connection;
  facts: ServerFacts = { version: '', runId: '', needsWaitAof: false, advice: [] };
  /** Compares what the server holds with what it must hold. Set once the engine is open. */
  checkHeads: (() => Promise<void>) | undefined;

  constructor(settings: Settings) {
    const { durability, allowFailover } = settings;
    this.connection = new Connection({
      ...settings,
      name: settings.prefix,
      scripts,
      verify: async (connection) => {
        this.facts = await checkServer(connection, {
          strict: durability === 'strict',
          allowFailover,
          probeKey: `${engineKeys(settings.prefix).head}:probe`,
          now: () => settings.env.now(),
        });
        for (const text of this.facts.advice) settings.env.log.log(LogLevel.Warn, text);
        await this.checkHeads?.();
      },
    });
  }
}

class RedisEngine implements EngineCore<Storage, RedisOrderedStore> {
  readonly capabilities: StorageCapabilities;
  readonly #settings: Settings;
  readonly #server: Server;
  readonly #ownership: Ownership;
  readonly #writer: LogWriter;
  readonly #registry: Registry;
  readonly #file: AppendOnlyFile;
  /** Groups that were recovered and stores, until they are closed, by their fields of the registry. */
  readonly #open = new Map<string, { readonly expectedHead: ExpectedHead | undefined }>();

  constructor(settings: Settings, server: Server, ownership: Ownership) {
    this.#settings = settings;
    this.#server = server;
    this.#ownership = ownership;
    const { env, durability, prefix, replyTimeoutMs } = settings;
    const { head, names, watermark } = ownership;
    this.#writer = new LogWriter({
      env,
      connection: server.connection,
      durability,
      epoch: head.epoch,
      // Sequences go on above the watermark, also where a relaxed store lost some.
      sequence: Math.max(ownership.sequence, watermark?.sequence ?? 0),
      watermark,
      needsWaitAof: () => server.facts.needsWaitAof,
      replyTimeoutMs,
    });
    this.#registry = new Registry({ keys: engineKeys(prefix), head, names, writer: this.#writer });
    this.#file = new AppendOnlyFile({
      env,
      connection: server.connection,
      rule: () => server.facts.rewriteRule,
      changes: () => this.#writer.changes,
    });
    server.checkHeads = () => this.#checkHeads();
    this.capabilities = Object.freeze({
      engine: 'redis',
      engineVersion: server.facts.version,
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
    return this.#registry.identity;
  }

  stamp(decide: () => StoreIdentity): Promise<void> {
    return this.#registry.stamp(decide);
  }

  groupIds(): Iterable<string> {
    return this.#registry.names('group');
  }

  newGroup(id: string, onClose: () => void): Storage {
    const { prefix, env, maxEntryBytes } = this.#settings;
    const field = partField('group', id);
    const place = { id, field, keys: new GroupKeys(prefix, field), storeId: this.#registry.storeId };
    return redisStorage({
      groupId: id,
      env,
      maxEntryBytes,
      writer: this.#writer,
      chunks: new SnapshotChunks(place, this.#writer),
      read: (key, offset, length) => this.#readRange(key, offset, length),
      file: this.#file,
      recover: async () => {
        const group = await this.#recover(place);
        this.#open.set(field, group);
        return group;
      },
      onClose: () => {
        this.#open.delete(field);
        onClose();
      },
    });
  }

  async destroyGroup(id: string): Promise<void> {
    const field = partField('group', id);
    if (this.#registry.get(field) === undefined) return;
    await this.#registry.markGone(field);
    await this.#removePart(field);
  }

  storeNames(): Iterable<string> {
    return this.#registry.names('store');
  }

  newStore(name: string, onClose: () => void): RedisOrderedStore {
    const { prefix, env, maxViews, maxViewBytes } = this.#settings;
    const field = partField('store', name);
    const store = new RedisOrderedStore({
      name,
      prefix,
      field,
      storeId: this.#registry.storeId,
      env,
      writer: this.#writer,
      maxViews,
      maxViewBytes,
      file: this.#file,
      claim: async () => {
        await this.#registry.ensure('store', name);
        await this.#writer.ready();
        const { connection } = this.#server;
        const text = await claim(prefix, connection, this.#ownership.head.epoch, field, 'store');
        if (text === '') return emptyStoreHead;
        return parseStoreHead(field, text, `ordered store ${JSON.stringify(name)}`);
      },
      onClose: () => {
        this.#open.delete(field);
        onClose();
      },
    });
    this.#open.set(field, store);
    return store;
  }

  async close(): Promise<void> {
    this.#writer.noteAll();
    this.#writer.close();
    this.#server.connection.close();
    try {
      await this.#ownership.watermark?.close();
    } catch (error) {
      // A poisoned engine has said so already; any other is told now that its watermark is behind.
      if (this.#writer.poison === undefined) throw error;
    }
  }

  /** Goes on with destructions that were cut short. */
  async finishDestroying(): Promise<void> {
    for (const [field, { gone }] of [...this.#ownership.names]) if (gone) await this.#removePart(field);
  }

  async #recover(place: GroupPlace): Promise<GroupLog> {
    const { prefix, segmentBytes } = this.#settings;
    const { field, id } = place;
    await this.#writer.ready();
    const { connection } = this.#server;
    const text = await claim(prefix, connection, this.#ownership.head.epoch, field, 'group');
    const isNew = text === '';
    if (isNew && this.#registry.get(field) !== undefined) await this.#checkNotLost(place);
    const contents = isNew
      ? freshContents()
      : await this.#readBack(place, parseGroupHead(field, text, `group ${JSON.stringify(id)}`));
    return new GroupLog(
      {
        ...place,
        segmentBytes,
        writer: this.#writer,
        ensureRegistered: () => this.#registry.ensure('group', id),
      },
      contents,
    );
  }

  async #readBack(place: GroupPlace, head: GroupHead): Promise<GroupContents> {
    const read: ReadRange = (key, at, length) => this.#readRange(key, at, length);
    // Only in this life of the server's data: what was opened once is durable, and nothing of it may be damaged.
    const mayBeTorn =
      head.sequence > this.#ownership.acknowledged && head.sequence <= this.#ownership.sequence;
    const contents = await recoverGroup(place, head, read, mayBeTorn);
    if (contents.head !== head) await this.#cut(place, head, contents.head);
    return contents;
  }

  /** Leaves out a torn write that nobody was told of. */
  async #cut({ field, id, keys }: GroupPlace, found: GroupHead, next: GroupHead): Promise<void> {
    const { env } = this.#settings;
    const what = `group ${JSON.stringify(id)}`;
    env.log.log(LogLevel.Warn, `${what}: the last write is torn and was not acknowledged; it is left out`);
    const { epoch } = this.#writer;
    const kept = next.lastSegment === found.lastSegment ? next.bytes : 0;
    await this.#writer.ready();
    await this.#writer.commit({
      what: `leaving out the torn end of ${what}`,
      script: cutScript,
      keys: [keys.head, keys.segment(found.lastSegment)],
      args: [...[found, next].map((head) => epoch + encodeGroupHead(textCrc(field), head)), String(kept)],
      sequence: this.#writer.nextSequence(),
      syncWatermark: false,
    });
  }

  /** A group whose name is known may have no head only if it has no segment either. */
  async #checkNotLost({ keys, id }: GroupPlace): Promise<void> {
    const first = await this.#readRange(keys.segment(1), 0, 1);
    if (first.length === 0) return;
    throw corrupt(`group ${JSON.stringify(id)} has entries, but its head is missing`, { group: id });
  }

  async #readRange(key: string, offset: number, length: number): Promise<Uint8Array> {
    const range = [key, String(offset), String(offset + length - 1)];
    const reply = await this.#writer.read('getrange', range, 'read the log');
    if (!Buffer.isBuffer(reply)) return new Uint8Array(0);
    return new Uint8Array(reply.buffer, reply.byteOffset, reply.length);
  }

  /** Removes all keys of a part in slices, its head last, and then its name. */
  async #removePart(field: string): Promise<void> {
    const { prefix } = this.#settings;
    const base = partPrefix(prefix, field);
    const head = `${base}head`;
    await this.#writer.ready();
    // Without a head of this owner nothing would be removed.
    await claim(prefix, this.#server.connection, this.#ownership.head.epoch, field, 'group');
    const drop = async (keys: readonly string[]): Promise<void> => {
      await this.#writer.prepare(dropScript, [head, ...keys], [this.#writer.epoch], 'removing keys');
    };
    let cursor = '0';
    do {
      const pattern = `${base}*`;
      const reply: Reply = await this.#writer.read(
        'scan',
        [cursor, 'MATCH', pattern, 'COUNT', scannedAtOnce],
        'look for keys to remove',
      );
      const [next, found] = reply as readonly [Buffer, readonly Buffer[]];
      cursor = next.toString();
      for (const key of found.map(String)) if (key !== head) await drop([key]);
    } while (cursor !== '0');
    await drop([head]);
    await this.#registry.remove(field);
  }

  /** After a reconnection: whether the server still holds what was written last. */
  async #checkHeads(): Promise<void> {
    const expected = [this.#registry.expectedHead];
    for (const { expectedHead } of this.#open.values()) {
      if (expectedHead !== undefined) expected.push(expectedHead);
    }
    for (const { key, text } of expected) {
      const reply = await this.#server.connection.call('get', [key]);
      const found = Buffer.isBuffer(reply) ? reply.toString() : '';
      if (found !== text) throw this.#writer.judgeHead(found, `the server came back, and at ${key}`);
    }
  }
}
