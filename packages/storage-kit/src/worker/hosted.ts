/** The objects of an engine as the caller's side may call them: one function for each method of the contract. */
import {
  toBalsaError,
  type Engine,
  type KeyValue,
  type LogIndex,
  type OrderedBatch,
  type OrderedRestore,
  type OrderedStore,
  type OrderedView,
  type RangeOptions,
  type SnapshotMetadata,
  type SnapshotReader,
  type SnapshotWriter,
  type Storage,
  type StoreIdentity,
  type StoredSnapshot,
} from '@balsa/raft-core';
import {
  packEntries,
  packList,
  packPairs,
  unpackBatch,
  unpackChanges,
  unpackList,
  unpackPairs,
  type Packed,
  type PackedBatch,
} from './payload.ts';
import type { Handle } from './protocol.ts';

/** What a call gave. Lists go in parts, each made when it is asked for. */
export interface Answer {
  readonly value?: unknown;
  readonly transfer?: readonly ArrayBuffer[];
  readonly parts?: Iterator<Part, undefined>;
}

export interface Part {
  readonly packed: Packed;
  /** Whether another follows. */
  readonly more: boolean;
}

type Args = readonly unknown[];
export type Hosted = Readonly<Record<string, (args: Args, as: Handle) => Promise<Answer>>>;

/** Where objects that a call made are put under the name that the caller chose. */
export type Register = (as: Handle, hosted: Hosted) => void;

/** A part of a list has at most so many items, and ends after the one that passes so many bytes. */
const partItems = 4096;
const partBytes: number = 1024 * 1024;

function* parts<T>(
  items: readonly T[],
  size: (item: T) => number,
  pack: (items: readonly T[]) => Packed,
): Generator<Part, undefined> {
  let begin = 0;
  do {
    let [end, bytes] = [begin, 0];
    while (end < items.length && end - begin < partItems && bytes < partBytes) {
      const item = items[end];
      if (item !== undefined) bytes += size(item);
      end++;
    }
    yield { packed: pack(items.slice(begin, end)), more: end < items.length };
    begin = end;
  } while (begin < items.length);
}

const pairParts = (pairs: readonly KeyValue[]): Iterator<Part, undefined> =>
  parts(pairs, ({ key, value }) => key.length + value.length, packPairs);

/** A call that gives nothing but its outcome. */
async function done(work: Promise<void>): Promise<Answer> {
  await work;
  return {};
}

function one(bytes: Uint8Array): Answer {
  const value = packList([bytes]);
  return { value, transfer: [value.buffer] };
}

const unpackOne = (packed: unknown): Uint8Array => unpackList(packed as Packed)[0] ?? new Uint8Array(0);

export function hostEngine(engine: Engine, register: Register): Hosted {
  /** A group or store that the engine refuses to name answers every call with that refusal. */
  const named = async (as: Handle, make: () => Hosted): Promise<Answer> => {
    try {
      register(as, make());
    } catch (error) {
      const refusal = toBalsaError(error, 'STORE_IO', 'the engine cannot give this group or store');
      register(as, new Proxy({}, { get: () => () => Promise.reject(refusal) }));
    }
    return {};
  };
  return {
    identity: async () => ({ value: await engine.identity() }),
    stamp: ([identity]) => done(engine.stamp(identity as StoreIdentity)),
    group: ([id], as) => named(as, () => hostStorage(engine.group(id as string), register)),
    listGroups: async () => ({ value: await engine.listGroups() }),
    listOrderedStores: async () => ({ value: (await engine.listOrderedStores?.()) ?? [] }),
    destroyGroup: ([id]) => done(engine.destroyGroup(id as string)),
    orderedStore: ([name], as) =>
      named(as, () => hostOrderedStore(engine.orderedStore(name as string), register)),
    close: () => done(engine.close()),
  };
}

function hostStorage(storage: Storage, register: Register): Hosted {
  const writer = (made: SnapshotWriter, as: Handle): Answer => {
    register(as, hostWriter(made));
    return { value: { id: made.id, chunkCount: made.chunkCount } };
  };
  return {
    open: async () => ({ value: await storage.open() }),
    write: ([batch]) => done(storage.write(unpackBatch(batch as PackedBatch))),
    entries: async ([low, high, maxBytes]) => {
      const found = await storage.entries(low as LogIndex, high as LogIndex, maxBytes as number);
      return { parts: parts(found, (entry) => entry.data.length + entry.context.length, packEntries) };
    },
    compactTo: ([index]) => done(storage.compactTo(index as LogIndex)),
    createSnapshot: async ([metadata], as) =>
      writer(await storage.createSnapshot(metadata as SnapshotMetadata), as),
    receiveSnapshot: async ([metadata, resume], as) =>
      writer(await storage.receiveSnapshot(metadata as SnapshotMetadata, resume as string | undefined), as),
    openSnapshot: async ([id], as) => {
      const reader = await storage.openSnapshot(id as string);
      register(as, hostReader(reader));
      return { value: reader.snapshot };
    },
    listSnapshots: async () => ({ value: await storage.listSnapshots() }),
    pruneSnapshots: ([keep]) => done(storage.pruneSnapshots(keep as number)),
    maintain: async () => ({ value: await storage.maintain() }),
    stats: async () => ({ value: await storage.stats() }),
    close: () => done(storage.close()),
  };
}

type Expected = Pick<StoredSnapshot, 'chunkCount' | 'bytes' | 'checksum'>;

function hostWriter(writer: SnapshotWriter): Hosted {
  return {
    write: async ([chunk]) => {
      await writer.write(unpackOne(chunk));
      return { value: writer.chunkCount };
    },
    commit: async ([expected]) => ({ value: await writer.commit(expected as Expected | undefined) }),
    abort: () => done(writer.abort()),
  };
}

function hostReader(reader: SnapshotReader): Hosted {
  return {
    chunk: async ([n]) => one(await reader.chunk(n as number)),
    close: () => done(reader.close()),
  };
}

function hostOrderedStore(store: OrderedStore, register: Register): Hosted {
  return {
    open: async () => ({ value: await store.open() }),
    getMany: async ([keys]) => {
      const wanted = unpackList(keys as Packed).map((key) => key ?? new Uint8Array(0));
      const values = await store.getMany(wanted);
      return { parts: parts(boxed(values), ({ value }) => value?.length ?? 0, packBoxed) };
    },
    range: async ([options]) => ({ parts: pairParts(await store.range(options as RangeOptions)) }),
    count: async () => ({ value: await store.count() }),
    write: async ([changes, appliedIndex]) => {
      const batch: OrderedBatch = {
        changes: unpackChanges(changes as Packed),
        appliedIndex: appliedIndex as LogIndex,
      };
      return done(store.write(batch));
    },
    sync: async () => ({ value: await store.sync() }),
    view: async (_args, as) => {
      const view = await store.view();
      register(as, hostView(view));
      return { value: { appliedIndex: view.appliedIndex, count: view.count } };
    },
    beginRestore: async (_args, as) => {
      register(as, hostRestore(await store.beginRestore()));
      return {};
    },
    maintain: async () => ({ value: await store.maintain() }),
    bytes: async () => ({ value: await store.bytes() }),
    close: () => done(store.close()),
  };
}

/** A value that is not there is an item, too. */
interface Box {
  readonly value: Uint8Array | undefined;
}

const boxed = (values: readonly (Uint8Array | undefined)[]): Box[] => values.map((value) => ({ value }));
const packBoxed = (boxes: readonly Box[]): Packed => packList(boxes.map(({ value }) => value));

function hostView(view: OrderedView): Hosted {
  return {
    range: async ([options]) => ({ parts: pairParts(await view.range(options as RangeOptions)) }),
    release: () => done(view.release()),
  };
}

function hostRestore(restore: OrderedRestore): Hosted {
  return {
    put: ([pairs]) => done(restore.put(unpackPairs(pairs as Packed))),
    commit: ([appliedIndex]) => done(restore.commit(appliedIndex as LogIndex)),
    abort: () => done(restore.abort()),
  };
}
