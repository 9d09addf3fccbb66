/** One group as it is first written down in Redis: a log in one key, everything else as JSON in another. */
import {
  BalsaError,
  Entry,
  Outline,
  isBalsaError,
  limitSize,
  toBalsaError,
  type EntryType,
  type LogIndex,
  type SnapshotId,
  type SnapshotMetadata,
  type SnapshotReader,
  type SnapshotWriter,
  type Storage,
  type StorageState,
  type StorageStats,
  type StoredSnapshot,
  type WriteBatch,
} from '@balsa/raft-core';
import {
  Lifecycle,
  LogState,
  assertBatchNumbers,
  isEmptyBatch,
  type LogStateData,
  type SnapshotFiles,
  type WritePlan,
} from '@balsa/storage-kit';
import type { Redis } from 'ioredis';
import type { Layout } from './layouts.ts';
import type { OneScript } from './one-script.ts';

export interface NaiveStorageOptions {
  readonly id: string;
  readonly redis: Redis;
  /** Of the state; the log is where the layout has it. */
  readonly key: string;
  readonly layout: Layout;
  readonly maxEntryBytes: number;
  /** Runs before every change: an owner that was fenced is told there. */
  readonly check: () => Promise<void>;
  /** Lua joins a number to a text with 14 digits. */
  readonly joinsNumbers: boolean;
  /** Entries and state are written by it instead, at once. */
  readonly script: OneScript | undefined;
  /** Throws when the engine is poisoned. */
  readonly alive: () => void;
  /** What becomes of a write that was cut off. */
  readonly onLost: (error: unknown) => BalsaError;
  readonly snapshots: () => Promise<SnapshotFiles>;
  readonly onStored: () => Promise<void>;
  readonly onClose: () => void;
}

type Kept = Omit<LogStateData, 'outline'> & { readonly boundary: LogStateData['outline']['boundary'] };

function encode({ term, type, context, data }: Entry): string {
  const [first, second] = [context, data].map((bytes) => Buffer.from(bytes).toString('base64'));
  return JSON.stringify([term, type, first, second]);
}

/** The index is where it lies, and not what it says. */
function decode(text: string, index: LogIndex): Entry {
  const [term, type, context, data] = JSON.parse(text) as [number, EntryType, string, string];
  const bytes = (base64: string): Uint8Array => Uint8Array.from(Buffer.from(base64, 'base64'));
  return new Entry(term, index, type, bytes(data), bytes(context));
}

const joinScript = `
local state = cjson.decode(ARGV[1])
redis.call('SET', KEYS[1], ARGV[1])
redis.call('SET', KEYS[1] .. ':commit', state.hardState.commit .. '')`;

function inOurWords(error: unknown): never {
  throw toBalsaError(error, 'STORE_IO', 'redis refused');
}

/** What Redis answers is an answer; anything else that fails says nothing of what it did. */
function isAnswer(error: unknown): boolean {
  return isBalsaError(error) || (error instanceof Error && error.name === 'ReplyError');
}

function textOf({ hardState, confState, pendingRestore, outline }: LogState): string {
  return JSON.stringify({ hardState, confState, pendingRestore, boundary: outline.boundary });
}

export class NaiveStorage implements Storage {
  readonly groupId: string;
  readonly #options: NaiveStorageOptions;
  readonly #life: Lifecycle;
  #state: LogState | undefined;
  #snapshots: SnapshotFiles | undefined;
  /** Changes take effect one at a time. */
  #tail: Promise<unknown> = Promise.resolve();
  #writeCount = 0;

  constructor(options: NaiveStorageOptions) {
    this.groupId = options.id;
    this.#options = options;
    this.#life = new Lifecycle(`group ${JSON.stringify(options.id)}`, options.alive);
  }

  open(): Promise<StorageState> {
    return this.#life.openOnce(() => this.#open());
  }

  async write(batch: WriteBatch): Promise<void> {
    const { state, snapshots } = this.#check();
    await this.#life.writeAlone(async () => {
      assertBatchNumbers(batch);
      if (isEmptyBatch(batch)) return;
      await this.#inTurn(async () => {
        const plan = state.plan(batch, this.#options.maxEntryBytes, (id) => snapshots.get(id));
        await this.#options.check();
        const { layout, onStored, script } = this.#options;
        if (script !== undefined && plan.install === undefined) {
          await this.#writeAtOnce(script, state, plan);
          return;
        }
        if (plan.install?.keepsSuffix === true) await layout.dropTo(plan.boundary.index);
        else if (plan.install !== undefined) await layout.clear(plan.boundary.index + 1);
        const [first] = plan.entries;
        const last = plan.install?.keepsSuffix === false ? plan.boundary.index : state.outline.lastIndex;
        if (first !== undefined) await layout.write(first.index, plan.entries.map(encode), last);
        state.apply(plan);
        await this.#keep(state);
        await onStored();
        this.#writeCount++;
      });
    });
  }

  async entries(low: LogIndex, high: LogIndex, maxBytes: number): Promise<Entry[]> {
    const { state } = this.#check();
    state.checkRange(low, high);
    if (low === high) return [];
    return this.#inTurn(async () => {
      state.checkRange(low, high);
      const texts = await this.#options.layout.read(low, high, state.outline.firstIndex);
      return [
        ...limitSize(
          texts.map((text, i) => decode(text, low + i)),
          maxBytes,
        ),
      ];
    });
  }

  async compactTo(index: LogIndex): Promise<void> {
    const { state } = this.#check();
    await this.#inTurn(async () => {
      const boundary = state.planCompaction(index);
      if (boundary === undefined) return;
      await this.#options.check();
      await this.#options.layout.dropTo(index);
      state.applyCompaction(boundary);
      await this.#keep(state);
    });
  }

  async createSnapshot(metadata: SnapshotMetadata): Promise<SnapshotWriter> {
    return this.#check().snapshots.create(metadata);
  }

  async receiveSnapshot(metadata: SnapshotMetadata, resume?: SnapshotId): Promise<SnapshotWriter> {
    return this.#check().snapshots.receive(metadata, resume);
  }

  async openSnapshot(id: SnapshotId): Promise<SnapshotReader> {
    return this.#check().snapshots.openSnapshot(id);
  }

  async listSnapshots(): Promise<StoredSnapshot[]> {
    return this.#check().snapshots.list();
  }

  async pruneSnapshots(keep: number): Promise<void> {
    const { state, snapshots } = this.#check();
    await snapshots.prune(keep, new Set(state.pendingRestore === undefined ? [] : [state.pendingRestore]));
  }

  async maintain(): Promise<boolean> {
    this.#check();
    return false;
  }

  async stats(): Promise<StorageStats> {
    const { state, snapshots } = this.#check();
    const { outline } = state;
    return {
      entryCount: outline.lastIndex - outline.boundary.index,
      logBytes: 0,
      snapshotCount: snapshots.list().length,
      snapshotBytes: snapshots.bytes(),
      garbageBytes: 0,
      lastSyncMs: 0,
      writeCount: this.#writeCount,
    };
  }

  close(): Promise<void> {
    return this.#life.close(async () => {
      await this.#life.settled();
      await this.#snapshots?.close();
      this.#options.onClose();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #open(): Promise<StorageState> {
    const { redis, key, layout, joinsNumbers } = this.#options;
    this.#snapshots = await this.#options.snapshots();
    const found = await redis.get(key);
    const kept = found === null ? undefined : (JSON.parse(found) as Kept);
    const boundary = kept?.boundary ?? { index: 0, term: 0 };
    const outline = new Outline({ boundary, runs: [], confIndexes: [], lastIndex: boundary.index });
    outline.append((await layout.all()).map((text, i) => decode(text, boundary.index + 1 + i)));
    const commit = joinsNumbers && kept !== undefined ? Number(await redis.get(`${key}:commit`)) : undefined;
    const hardState = kept?.hardState ?? { term: 0, vote: 0, commit: 0 };
    const state = new LogState(
      kept === undefined
        ? undefined
        : {
            ...kept,
            pendingRestore: kept.pendingRestore,
            hardState: { ...hardState, commit: commit ?? hardState.commit },
            outline: outline.toData(),
          },
    );
    this.#state = state;
    const pending = state.pendingRestore;
    return {
      hardState: state.hardState,
      confState: state.confState,
      firstIndex: state.outline.firstIndex,
      lastIndex: state.outline.lastIndex,
      outline: state.outline.toData(),
      snapshot: this.#snapshots.list()[0],
      pendingRestore: pending === undefined ? undefined : this.#snapshots.get(pending),
    };
  }

  /** Memory follows only when the server has answered. */
  async #writeAtOnce(script: OneScript, state: LogState, plan: WritePlan): Promise<void> {
    const { hardState, confState, pendingRestore, outline } = state;
    const next = new LogState({ hardState, confState, pendingRestore, outline: outline.toData() });
    next.apply(plan);
    const first = plan.entries[0]?.index ?? outline.lastIndex + 1;
    await script
      .write({
        texts: plan.entries.map(encode),
        behind: outline.lastIndex - first + 1,
        state: textOf(next),
      })
      .catch((error: unknown) => {
        if (!isAnswer(error)) throw this.#options.onLost(error);
        if (error instanceof Error && error.message.startsWith('FENCED'))
          throw new BalsaError('STORE_FENCED', 'another owner has taken over', { cause: error });
        throw error;
      });
    state.apply(plan);
    this.#writeCount++;
  }

  async #keep(state: LogState): Promise<void> {
    const { redis, key, joinsNumbers } = this.#options;
    const text = textOf(state);
    if (joinsNumbers) await redis.eval(joinScript, 1, key, text);
    else await redis.set(key, text);
  }

  #check(): { readonly state: LogState; readonly snapshots: SnapshotFiles } {
    const state = this.#life.assertOpen(this.#state);
    return { state, snapshots: this.#life.assertOpen(this.#snapshots) };
  }

  #inTurn<T>(run: () => Promise<T>): Promise<T> {
    const result = this.#life.track(() => this.#tail.then(run).catch(inOurWords));
    this.#tail = result.catch(() => undefined);
    return result;
  }
}
