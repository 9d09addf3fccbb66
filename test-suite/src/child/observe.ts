/** What a reader can see of a store, as text that two stores can be compared by. */
import assert from 'node:assert/strict';
import {
  crc32,
  isBalsaError,
  NoLimit,
  type Engine,
  type OrderedStore,
  type Storage,
  type StorageState,
  type StoredSnapshot,
} from '@balsa/raft-core';
import { readSnapshot, showEntry } from '../check.ts';
import { orderedName } from './perform.ts';
import { groupLanes, type Plan } from './plan.ts';

/** A snapshot without its id, which is the store's own choice. */
export function snapshotText(stored: StoredSnapshot): string {
  const { metadata, origin, chunkCount, bytes, checksum } = stored;
  const { index, term, confState } = metadata;
  const members = [confState.voters, confState.learners].map((ids) => ids.join(',')).join('/');
  return `${origin} ${String(index)}@${String(term)} [${members}] ${String(chunkCount)} chunks ${String(bytes)} bytes ${checksum.toString(16)}`;
}

function crcOf(lines: readonly string[]): string {
  return crc32(new TextEncoder().encode(lines.join('\n'))).toString(16);
}

/** One group: its state and log in one text; the snapshots one by one, because pruned ones may linger. */
export interface GroupSight {
  readonly text: string;
  readonly snapshots: readonly string[];
  /** Each entry by itself, where that was asked for. */
  readonly entries?: readonly string[];
}

/** Survives JSON. */
export interface Sight {
  readonly identity: string;
  readonly groups: Readonly<Record<string, GroupSight>>;
  readonly ordered?: string;
}

export function stateText(state: StorageState): string {
  const { hardState, confState, firstIndex, lastIndex, outline, pendingRestore } = state;
  const { voters, votersOutgoing, learners, learnersNext, autoLeave } = confState.state;
  const list = (ids: readonly number[]): string => ids.join(',');
  return [
    `log ${String(firstIndex)}..${String(lastIndex)}`,
    `boundary ${String(outline.boundary.index)}@${String(outline.boundary.term)}`,
    `terms ${outline.runs.map((run) => `${String(run.index)}@${String(run.term)}`).join(' ')}`,
    `conf entries ${list(outline.confIndexes)}`,
    `term ${String(hardState.term)} vote ${String(hardState.vote)} commit ${String(hardState.commit)}`,
    `conf at ${String(confState.index)}: ${list(voters)}/${list(votersOutgoing)}/${list(learners)}/${list(learnersNext)}/${String(autoLeave)}`,
    `pending ${pendingRestore === undefined ? 'none' : snapshotText(pendingRestore)}`,
  ].join('; ');
}

/** Reads all of a group that was just opened. */
export async function observeGroup(
  storage: Storage,
  state: StorageState,
  withEntries = false,
): Promise<GroupSight> {
  const { firstIndex, lastIndex } = state;
  const entries = await storage.entries(firstIndex, lastIndex + 1, NoLimit);
  const snapshots: string[] = [];
  for (const stored of await storage.listSnapshots()) {
    let checksum = 0;
    for (const chunk of await readSnapshot(storage, stored.id)) checksum = crc32(chunk, checksum);
    assert.equal(checksum, stored.checksum, `what snapshot ${snapshotText(stored)} reads as`);
    snapshots.push(snapshotText(stored));
  }
  const shown = entries.map(showEntry);
  const text = `${stateText(state)}; ${String(entries.length)} entries ${crcOf(shown)}`;
  return withEntries ? { text, snapshots, entries: shown } : { text, snapshots };
}

export async function observeOrdered(store: OrderedStore): Promise<string> {
  const { appliedIndex } = await store.open();
  const pairs = await store.range({ limit: 1_000_000 });
  const lines = pairs.map(
    ({ key, value }) => `${crc32(key).toString(16)} ${crc32(value, key.length).toString(16)}`,
  );
  return `applied ${String(appliedIndex)}; count ${String(await store.count())}; ${String(pairs.length)} pairs ${crcOf(lines)}`;
}

export function identityText(identity: Awaited<ReturnType<Engine['identity']>>): string {
  if (identity === undefined) return 'none';
  const { clusterId, nodeId, incarnation, maxEntryBytes } = identity;
  return [clusterId, nodeId, incarnation, maxEntryBytes].join(' ');
}

/** Everything that the plan's lanes can see. The engine is freshly opened. */
export async function observe(engine: Engine, plan: Plan): Promise<Sight> {
  const groups: Record<string, GroupSight> = {};
  for (const lane of groupLanes) {
    const storage = engine.group(lane);
    groups[lane] = await observeGroup(storage, await storage.open());
  }
  const identity = identityText(await engine.identity());
  if (!plan.orderedStore) return { identity, groups };
  return { identity, groups, ordered: await observeOrdered(engine.orderedStore(orderedName)) };
}

export function codeOf(error: unknown): string {
  if (isBalsaError(error)) return error.code;
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
