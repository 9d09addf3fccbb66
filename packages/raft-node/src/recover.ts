/** From what a store holds to what a node starts with: identity, bootstrap, and what a crash left unfinished. */
import {
  BalsaError,
  defaultMaxEntryBytes,
  Entry,
  EntryType,
  LogLevel,
  Outline,
  randomHex64,
  toBalsaError,
  type ConfState,
  type Engine,
  type Env,
  type HardState,
  type IndexedConfState,
  type LogIndex,
  type NodeId,
  type OutlineData,
  type SnapshotReader,
  type StateMachine,
  type Storage,
  type StorageState,
  type StoreIdentity,
  type StoredSnapshot,
} from '@balsa/raft-core';
import { AddressBook, addressStoreName } from './address-book.ts';
import type { BootstrapOptions, NodeSettings, RaftNodeOptions } from './options.ts';
import { applyBatch, SerialMachine } from './serial-machine.ts';

/** All that a node needs to know before it runs. */
export interface Recovered {
  readonly identity: StoreIdentity;
  readonly storage: Storage;
  readonly book: AddressBook;
  /** Commit raised to what the state machine has applied. */
  readonly hardState: HardState;
  /** As it is on disk. */
  readonly storedHardState: HardState;
  readonly confState: IndexedConfState;
  readonly outline: OutlineData;
  readonly applied: LogIndex;
}

/** The initial membership takes effect at this index, whose entry is empty and compacted at once: who joins later needs a snapshot. */
const bootstrapIndex = 1;
const bootstrapTerm = 1;

/** Chunks of a stored snapshot, one in memory at a time. */
export async function* chunksOf(
  reader: SnapshotReader,
  onChunk?: (n: number) => void,
): AsyncGenerator<Uint8Array> {
  for (let n = 0; n < reader.snapshot.chunkCount; n++) {
    yield await reader.chunk(n);
    onChunk?.(n + 1);
  }
}

export async function recover<R>(options: RaftNodeOptions<R>, settings: NodeSettings): Promise<Recovered> {
  const { engine, env, stateMachine } = options;
  const storage = engine.group(settings.group);
  const store = engine.orderedStore(
    settings.group === 'main' ? addressStoreName : `${addressStoreName}.${settings.group}`,
  );
  const book = new AddressBook(store, settings.group, [
    ...(options.bootstrap?.members ?? []),
    ...(options.members ?? []),
  ]);
  try {
    const identity = await establishIdentity(options, settings);
    let state = await storage.open();
    await book.open();
    if (isEmpty(state)) {
      if (options.join !== undefined && !book.joined) await book.markJoined();
      if (options.bootstrap !== undefined && !book.joined)
        state = await bootstrapGroup(storage, options.bootstrap);
    } else if (state.firstIndex === bootstrapIndex && state.confState.index === bootstrapIndex) {
      // A crash came between the first write and its compaction.
      state = await compactBootstrap(storage, state);
    }
    const applied = await recoverState(storage, state, new SerialMachine(stateMachine), env);
    const commit = Math.max(state.hardState.commit, applied);
    return {
      identity,
      storage,
      book,
      hardState: { ...state.hardState, commit },
      storedHardState: state.hardState,
      confState: state.confState,
      outline: state.outline,
      applied,
    };
  } catch (error) {
    // Closing is best effort here: the first error is the one that says what is wrong.
    await Promise.allSettled([stateMachine.close(), storage.close(), store.close()]);
    throw toBalsaError(error, 'STORE_IO', `node ${String(settings.id)} could not recover: ${String(error)}`);
  }
}

async function establishIdentity<R>(
  options: RaftNodeOptions<R>,
  settings: NodeSettings,
): Promise<StoreIdentity> {
  const { engine, bootstrap, join, env } = options;
  const found = await engine.identity();
  const founding = bootstrap ?? join;
  if (found !== undefined) {
    checkIdentity(found, settings.id, founding);
    checkEntrySize(engine, found.maxEntryBytes);
    return found;
  }
  if (founding === undefined) {
    throw new BalsaError(
      'STORE_NOT_BOOTSTRAPPED',
      `the store of node ${String(settings.id)} is empty: give bootstrap to found a cluster, or join to be added to one; a member that lost its data never comes back under its old id`,
    );
  }
  const identity: StoreIdentity = {
    clusterId: founding.clusterId,
    nodeId: settings.id,
    incarnation: randomHex64(env),
    maxEntryBytes: founding.maxEntryBytes ?? defaultMaxEntryBytes,
  };
  checkEntrySize(engine, identity.maxEntryBytes);
  await engine.stamp(identity);
  return identity;
}

function checkIdentity(
  found: StoreIdentity,
  id: NodeId,
  founding: { readonly clusterId: string; readonly maxEntryBytes?: number } | undefined,
): void {
  const refuse = (what: string, has: unknown, wanted: unknown): never => {
    throw new BalsaError(
      'STORE_IDENTITY_MISMATCH',
      `the store belongs to ${what} ${String(has)}, but the node was started for ${String(wanted)}`,
      {
        details: { what, has, wanted },
      },
    );
  };
  if (found.nodeId !== id) refuse('node', found.nodeId, id);
  if (founding === undefined) return;
  if (found.clusterId !== founding.clusterId) refuse('cluster', found.clusterId, founding.clusterId);
  if (founding.maxEntryBytes !== undefined && founding.maxEntryBytes !== found.maxEntryBytes) {
    refuse('a cluster with maxEntryBytes', found.maxEntryBytes, founding.maxEntryBytes);
  }
}

function checkEntrySize(engine: Engine, maxEntryBytes: number): void {
  const { maxEntryBytes: able, engine: name } = engine.capabilities;
  if (maxEntryBytes <= able) return;
  throw new BalsaError(
    'INVALID_CONFIG',
    `entries of the cluster may have ${String(maxEntryBytes)} bytes, the ${name} store takes ${String(able)}`,
    {
      details: { field: 'maxEntryBytes' },
    },
  );
}

function isEmpty(state: StorageState): boolean {
  return (
    state.lastIndex === 0 &&
    state.hardState.term === 0 &&
    state.confState.index === 0 &&
    state.pendingRestore === undefined
  );
}

async function bootstrapGroup(storage: Storage, bootstrap: BootstrapOptions): Promise<StorageState> {
  const voters = bootstrap.members.map((member) => member.id).sort((a, b) => a - b);
  const confState: ConfState = {
    voters,
    votersOutgoing: [],
    learners: [],
    learnersNext: [],
    autoLeave: false,
  };
  const hardState: HardState = { term: bootstrapTerm, vote: 0, commit: bootstrapIndex };
  const indexed = { index: bootstrapIndex, state: confState };
  await storage.write({ entries: [new Entry(bootstrapTerm, bootstrapIndex)], hardState, confState: indexed });
  const outline = new Outline();
  outline.append([{ index: bootstrapIndex, term: bootstrapTerm, type: EntryType.Normal }]);
  const written: StorageState = {
    hardState,
    confState: indexed,
    firstIndex: bootstrapIndex,
    lastIndex: bootstrapIndex,
    outline: outline.toData(),
    snapshot: undefined,
    pendingRestore: undefined,
  };
  return await compactBootstrap(storage, written);
}

async function compactBootstrap(storage: Storage, state: StorageState): Promise<StorageState> {
  await storage.compactTo(bootstrapIndex);
  const outline = new Outline(state.outline);
  outline.compactTo(bootstrapIndex);
  return { ...state, firstIndex: bootstrapIndex + 1, outline: outline.toData() };
}

/** Brings the state machine to where the log can take over. Returns its applied index. */
async function recoverState<R>(
  storage: Storage,
  state: StorageState,
  stateMachine: StateMachine<R>,
  env: Env,
): Promise<LogIndex> {
  let applied = (await stateMachine.open()).appliedIndex;
  const pending = state.pendingRestore;
  if (pending !== undefined) {
    env.log.log(
      LogLevel.Info,
      `finishing the restore of the snapshot at index ${String(pending.metadata.index)}`,
    );
    applied = await restoreFrom(storage, stateMachine, pending);
    await storage.write({ restored: pending.id });
  }
  if (applied > state.lastIndex) {
    throw new BalsaError(
      'STATE_AHEAD_OF_LOG',
      `the state machine has applied index ${String(applied)}, but the log ends at ${String(state.lastIndex)} and no restore is pending`,
      { details: { applied, lastIndex: state.lastIndex } },
    );
  }
  const boundary = state.firstIndex - 1;
  // Whoever keeps its state in memory starts from the newest snapshot rather than from the first entry.
  if (applied < boundary || !stateMachine.persistent) {
    const usable = (await storage.listSnapshots()).find(
      (snapshot) => snapshot.metadata.index > applied && isUsableSnapshot(snapshot, state),
    );
    if (usable !== undefined) applied = await restoreFrom(storage, stateMachine, usable);
  }
  if (applied >= boundary) return applied;
  if (boundary === bootstrapIndex) {
    // Index 1 is the empty entry of the bootstrap: an empty state contains it.
    await applyBatch(stateMachine, { commands: [], appliedIndex: bootstrapIndex });
    return bootstrapIndex;
  }
  throw new BalsaError(
    'STATE_BEHIND_LOG',
    `the state machine has applied index ${String(applied)}, the log begins at ${String(state.firstIndex)}, and no stored snapshot reaches it`,
    { details: { applied, firstIndex: state.firstIndex } },
  );
}

/**
 * Whether the log goes on from a snapshot. One that this node made holds only what was applied, hence
 * committed, although the commit index on disk may trail; one that was received may never have been installed.
 */
export function isUsableSnapshot({ metadata, origin }: StoredSnapshot, state: StorageState): boolean {
  const boundary = state.firstIndex - 1;
  const most = origin === 'created' ? state.lastIndex : Math.max(boundary, state.hardState.commit);
  return metadata.index >= boundary && metadata.index <= most;
}

async function restoreFrom<R>(
  storage: Storage,
  stateMachine: StateMachine<R>,
  snapshot: StoredSnapshot,
): Promise<LogIndex> {
  const reader = await storage.openSnapshot(snapshot.id);
  try {
    await stateMachine.restore(snapshot.metadata, chunksOf(reader));
  } finally {
    await reader.close();
  }
  return snapshot.metadata.index;
}
