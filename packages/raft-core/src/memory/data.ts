/** What a memory disk holds: plain data that outlives the engine object that works on it. */
import type { StoreIdentity } from '../contracts/engine.ts';
import type { IndexedConfState, SnapshotId, StoredSnapshot } from '../contracts/storage.ts';
import { Outline } from '../outline.ts';
import {
  EmptyBytes,
  EmptyConfState,
  EmptyHardState,
  Entry,
  type ConfState,
  type HardState,
  type LogIndex,
  type SnapshotMetadata,
} from '../types.ts';
import { ByteMap } from './byte-map.ts';

export interface SnapshotData {
  readonly stored: StoredSnapshot;
  readonly chunks: readonly Uint8Array[];
  /** Order of committing, to tell the latest of several at one index. */
  readonly order: number;
}

export interface GroupData {
  outline: Outline;
  /** Entries from `outline.firstIndex` on. */
  entries: Entry[];
  hardState: HardState;
  confState: IndexedConfState;
  readonly snapshots: Map<SnapshotId, SnapshotData>;
  pendingRestore: SnapshotId | undefined;
  /** Grows for ever, so that an id is never given twice. */
  snapshotCounter: number;
}

/** What one unsynced write of an ordered store replaced. */
export interface UndoRecord {
  readonly appliedIndex: LogIndex;
  readonly previous: readonly (readonly [key: Uint8Array, value: Uint8Array | undefined])[];
}

export interface OrderedData {
  map: ByteMap;
  appliedIndex: LogIndex;
  /** One record per write since the last sync, oldest first. */
  undo: UndoRecord[];
}

export interface DiskData {
  identity: StoreIdentity | undefined;
  readonly groups: Map<string, GroupData>;
  readonly ordered: Map<string, OrderedData>;
}

export function newDiskData(): DiskData {
  return { identity: undefined, groups: new Map(), ordered: new Map() };
}

export function newGroupData(): GroupData {
  return {
    outline: new Outline(),
    entries: [],
    hardState: EmptyHardState,
    confState: Object.freeze({ index: 0, state: EmptyConfState }),
    snapshots: new Map(),
    pendingRestore: undefined,
    snapshotCounter: 0,
  };
}

export function newOrderedData(): OrderedData {
  return { map: new ByteMap(), appliedIndex: 0, undo: [] };
}

/** Whether anything was ever written to the group. */
export function holdsData(group: GroupData): boolean {
  const { hardState } = group;
  return (
    group.outline.lastIndex > 0 ||
    hardState.term > 0 ||
    hardState.vote !== 0 ||
    group.confState.index > 0 ||
    group.confState.state.voters.length > 0 ||
    group.snapshots.size > 0
  );
}

/** Takes back what was written after the first `keep` unsynced writes, newest first. */
export function undoOrdered(data: OrderedData, keep: number): void {
  for (const record of data.undo.splice(keep).toReversed()) {
    for (const [key, value] of record.previous.toReversed()) data.map.set(key, value);
    data.appliedIndex = record.appliedIndex;
  }
}

export function copyBytes(bytes: Uint8Array): Uint8Array {
  return bytes.length === 0 ? EmptyBytes : bytes.slice();
}

/** A copy that shares no payload with the original. */
export function copyEntry(entry: Entry): Entry {
  return new Entry(entry.term, entry.index, entry.type, copyBytes(entry.data), copyBytes(entry.context));
}

export function copyConfState(state: ConfState): ConfState {
  return Object.freeze({
    voters: Object.freeze([...state.voters]),
    votersOutgoing: Object.freeze([...state.votersOutgoing]),
    learners: Object.freeze([...state.learners]),
    learnersNext: Object.freeze([...state.learnersNext]),
    autoLeave: state.autoLeave,
  });
}

export function copyMetadata(metadata: SnapshotMetadata): SnapshotMetadata {
  return Object.freeze({
    index: metadata.index,
    term: metadata.term,
    confState: copyConfState(metadata.confState),
  });
}
