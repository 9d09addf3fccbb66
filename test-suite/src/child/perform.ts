/** Does the steps of a plan with an engine, whichever it is. */
import {
  BalsaError,
  type Engine,
  type OrderedStore,
  type SnapshotId,
  type Storage,
  type StorageState,
} from '@balsa/raft-core';
import { groupLanes, type Action, type Lane, type Plan, type Step } from './plan.ts';

/** Slices of `maintain` in one step; a store that never says that it is done must not hold the plan up. */
const maxSlices = 100;

export const orderedName = 'kv';

/** The opened parts of a store. */
export class Actor {
  readonly #open: () => Promise<Engine>;
  readonly #plan: Plan;
  readonly #ids = new Map<string, SnapshotId>();
  #engine: Engine | undefined;
  #groups = new Map<Lane, Storage>();
  #store: OrderedStore | undefined;
  /** What the ordered store reported when it was opened last; what was not synced may be gone. */
  appliedAtOpen = 0;

  constructor(plan: Plan, open: () => Promise<Engine>) {
    this.#plan = plan;
    this.#open = open;
  }

  get engine(): Engine {
    if (this.#engine === undefined)
      throw new BalsaError('STORE_CLOSED', 'the engine of this run is not open');
    return this.#engine;
  }

  /** Opens the engine and everything in it that the plan uses. */
  async open(): Promise<void> {
    this.#engine = await this.#open();
    for (const lane of groupLanes) {
      const storage = this.#engine.group(lane);
      this.#groups.set(lane, storage);
      await storage.open();
    }
    if (!this.#plan.orderedStore) return;
    this.#store = this.#engine.orderedStore(orderedName);
    this.appliedAtOpen = (await this.#store.open()).appliedIndex;
  }

  async close(): Promise<void> {
    const engine = this.#engine;
    this.#engine = undefined;
    this.#groups = new Map();
    this.#store = undefined;
    await engine?.close();
  }

  /** Closes one group and opens it again: what it reports is what it took in. */
  async reopenGroup(lane: Lane): Promise<{ readonly storage: Storage; readonly state: StorageState }> {
    await this.group(lane).close();
    const storage = this.engine.group(lane);
    this.#groups.set(lane, storage);
    return { storage, state: await storage.open() };
  }

  /** Knows a snapshot by its ref again, after the process that made it is gone. */
  adopt(ref: string, id: SnapshotId): void {
    this.#ids.set(ref, id);
  }

  async perform(step: Step): Promise<void> {
    const { action, lane } = step;
    if (action.kind === 'stamp') return this.engine.stamp(action.identity);
    if (action.kind === 'reopen') {
      await this.close();
      return this.open();
    }
    if (lane === 'kv') return this.#performOrdered(action);
    return this.#performGroup(this.group(lane), action);
  }

  group(lane: Lane): Storage {
    const storage = this.#groups.get(lane);
    if (storage === undefined)
      throw new BalsaError('STORE_NOT_OPEN', `group ${lane} of this run is not open`);
    return storage;
  }

  get store(): OrderedStore {
    if (this.#store === undefined)
      throw new BalsaError('STORE_NOT_OPEN', 'the ordered store of this run is not open');
    return this.#store;
  }

  async #performGroup(storage: Storage, action: Action): Promise<void> {
    switch (action.kind) {
      case 'write': {
        const { kind: _kind, install, restored, ...rest } = action;
        await storage.write({
          ...rest,
          ...(install !== undefined && { install: this.#id(install) }),
          ...(restored !== undefined && { restored: this.#id(restored) }),
        });
        return;
      }
      case 'compact':
        return storage.compactTo(action.index);
      case 'create':
      case 'receive': {
        const begin = action.kind === 'create' ? 'createSnapshot' : 'receiveSnapshot';
        const writer = await storage[begin](action.metadata);
        for (const chunk of action.chunks) await writer.write(chunk);
        this.#ids.set(action.ref, (await writer.commit()).id);
        return;
      }
      case 'prune':
        return storage.pruneSnapshots(action.keep);
      case 'maintain':
        for (let i = 0; i < maxSlices && (await storage.maintain()); i++);
        return;
      default:
        throw new RangeError(`a group cannot ${action.kind}`);
    }
  }

  async #performOrdered(action: Action): Promise<void> {
    const { store } = this;
    switch (action.kind) {
      case 'put':
        return store.write({ changes: action.changes, appliedIndex: action.appliedIndex });
      case 'sync':
        await store.sync();
        return;
      case 'restore': {
        const restore = await store.beginRestore();
        await restore.put(action.pairs);
        return restore.commit(action.appliedIndex);
      }
      case 'maintain':
        for (let i = 0; i < maxSlices && (await store.maintain()); i++);
        return;
      default:
        throw new RangeError(`an ordered store cannot ${action.kind}`);
    }
  }

  #id(ref: string): SnapshotId {
    const id = this.#ids.get(ref);
    if (id === undefined) throw new RangeError(`the snapshot ${ref} of the plan was never made`);
    return id;
  }
}
