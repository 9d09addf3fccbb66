/** Reads out of an opened engine what there is to say about it. */
import {
  BalsaError,
  type Engine,
  type Storage,
  type StorageState,
  type StoredSnapshot,
} from '@balsa/raft-core';
import { addressStoreName, isUsableSnapshot, readAddresses } from '@balsa/raft-node';
import { describeEntry } from './describe.ts';
import {
  problemOf,
  WrongUse,
  type EntriesReport,
  type EntryReport,
  type GroupReport,
  type ProblemReport,
  type SnapshotReport,
  type StoreReport,
} from './report.ts';

export interface EntryRange {
  readonly from: number;
  readonly to: number;
}

export interface LookOptions {
  /** Undefined: all groups. */
  readonly group: string | undefined;
  readonly entries: EntryRange | undefined;
}

export interface Looked {
  readonly groups: readonly GroupReport[];
  readonly stores: readonly StoreReport[];
  readonly problems: readonly ProblemReport[];
  /** Opened, for those who read on. */
  readonly opened: readonly { readonly storage: Storage; readonly state: StorageState }[];
}

/** Entries listed at once. */
export const mostListed = 1_000;
const pageBytes = 4 * 1024 * 1024;
/** Membership changes shown. */
const mostChanges = 10;

/** The state of the key-value service, and the group whose log it is made from. */
const service = { store: 'kv', group: 'main' } as const;

/** Opens every group and store; what cannot be opened is a problem, and the others are looked at. */
export async function look(engine: Engine, options: LookOptions): Promise<Looked> {
  const problems: ProblemReport[] = [];
  const within = async <T>(where: string, work: () => Promise<T>): Promise<T[]> => {
    try {
      return [await work()];
    } catch (error) {
      if (error instanceof WrongUse) throw error;
      problems.push(problemOf(error, where));
      return [];
    }
  };
  const stores: StoreReport[] = [];
  for (const name of (await engine.listOrderedStores?.()) ?? [])
    stores.push(...(await within(`ordered store ${name}`, () => lookAtStore(engine, name))));
  const applied = stores.find(({ name }) => name === service.store)?.appliedIndex;
  const groups: GroupReport[] = [];
  const opened: Looked['opened'][number][] = [];
  for (const name of await chosenGroups(engine, options.group)) {
    const known = { applied: name === service.group ? applied : undefined, stores };
    for (const { problem, report, ...parts } of await within(`group ${name}`, () =>
      lookAtGroup(engine, name, known, options.entries),
    )) {
      groups.push(report);
      opened.push(parts);
      if (problem !== undefined) problems.push(problemOf(problem, `group ${name}`));
    }
  }
  return { groups, stores, problems, opened };
}

async function chosenGroups(engine: Engine, wanted: string | undefined): Promise<readonly string[]> {
  const names = await engine.listGroups();
  if (wanted === undefined) return names;
  if (names.includes(wanted)) return [wanted];
  throw new WrongUse(
    `there is no group ${wanted}; ${names.length === 0 ? 'there is none at all' : `there are: ${names.join(', ')}`}`,
  );
}

async function lookAtStore(engine: Engine, name: string): Promise<StoreReport> {
  const store = engine.orderedStore(name);
  const { appliedIndex } = await store.open();
  return { name, appliedIndex, pairs: await store.count(), bytes: await store.bytes() };
}

async function lookAtGroup(
  engine: Engine,
  name: string,
  known: { readonly applied: number | undefined; readonly stores: readonly StoreReport[] },
  range: EntryRange | undefined,
): Promise<{ report: GroupReport; storage: Storage; state: StorageState; problem: BalsaError | undefined }> {
  const storage = engine.group(name);
  const state = await storage.open();
  const { hardState, confState, firstIndex, lastIndex, outline, pendingRestore } = state;
  const [stats, snapshots] = [await storage.stats(), await storage.listSnapshots()];
  const book = name === service.group ? addressStoreName : `${addressStoreName}.${name}`;
  const report: GroupReport = {
    name,
    ...hardState,
    applied: known.applied,
    members: { index: confState.index, ...confState.state },
    log: {
      firstIndex,
      lastIndex,
      entries: lastIndex - firstIndex + 1,
      boundary: outline.boundary,
      terms: outline.runs,
      bytes: stats.logBytes,
      garbageBytes: stats.garbageBytes,
    },
    snapshots: snapshots.map(snapshotReport),
    pendingRestore: pendingRestore && snapshotReport(pendingRestore),
    changes: await changesIn(storage, outline.confIndexes.slice(-mostChanges)),
    addresses: known.stores.some((store) => store.name === book)
      ? await readAddresses(engine.orderedStore(book), name)
      : undefined,
    listed: range && (await listed(storage, state, range)),
  };
  return { report, storage, state, problem: startProblem(state, snapshots, known.applied) };
}

function snapshotReport({ id, metadata, bytes, chunkCount, origin }: StoredSnapshot): SnapshotReport {
  return { id, index: metadata.index, term: metadata.term, bytes, chunks: chunkCount, origin };
}

async function changesIn(storage: Storage, indexes: readonly number[]): Promise<EntryReport[]> {
  const changes: EntryReport[] = [];
  for (const index of indexes)
    for (const entry of await storage.entries(index, index + 1, pageBytes))
      changes.push(describeEntry(entry));
  return changes;
}

async function listed(
  storage: Storage,
  { firstIndex, lastIndex }: StorageState,
  { from, to }: EntryRange,
): Promise<EntriesReport> {
  const last = Math.min(to, lastIndex);
  let at = Math.max(from, firstIndex);
  const end = Math.min(last, at + mostListed - 1);
  const entries: EntryReport[] = [];
  while (at <= end) {
    const page = await storage.entries(at, end + 1, pageBytes);
    entries.push(...page.map(describeEntry));
    at += page.length;
  }
  return { entries, next: at <= last ? at : undefined, last };
}

/** What would keep a node from starting although all is whole: as the runtime finds it out. */
function startProblem(
  state: StorageState,
  snapshots: readonly StoredSnapshot[],
  applied: number | undefined,
): BalsaError | undefined {
  const { firstIndex, lastIndex, pendingRestore } = state;
  if (applied === undefined || pendingRestore !== undefined) return undefined;
  if (applied > lastIndex)
    return new BalsaError(
      'STATE_AHEAD_OF_LOG',
      `the state has applied index ${applied}, but the log ends at ${lastIndex}`,
    );
  // Index 1 is the empty entry that founds a cluster.
  if (applied >= firstIndex - 1 || firstIndex === 2) return undefined;
  if (snapshots.some((one) => one.metadata.index > applied && isUsableSnapshot(one, state))) return undefined;
  return new BalsaError(
    'STATE_BEHIND_LOG',
    `the state has applied index ${applied}, the log begins at ${firstIndex}, and no stored snapshot reaches it`,
  );
}
