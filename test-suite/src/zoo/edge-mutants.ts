/** What stores get wrong where nobody looks twice: edges of numbers and ranges, objects of others, ends of writers. */
import {
  BalsaError,
  EntryType,
  type ConfState,
  type Entry,
  type KeyValue,
  type SnapshotReader,
  type SnapshotWriter,
  type Storage,
} from '@balsa/raft-core';
import { inGroups, inOrderedStores, override } from './override.ts';
import type { Mutant } from './mutant.ts';

const jsNumbers = 'JavaScript: a number that is not checked goes wherever it is used next';
const sharedObjects =
  'etcd-io/raft storage.go: what is given and what comes back may be appended to by its owner';
const rqliteTemps =
  'rqlite snapshot store: temporaries are removed at opening, and only those that nobody writes';

/** Every snapshot writer that a group gives, with some members replaced. */
function inWriters(
  replace: (writer: SnapshotWriter, storage: Storage) => Partial<SnapshotWriter>,
): Mutant['change'] {
  return () =>
    inGroups((storage) => ({
      createSnapshot: async (metadata) => {
        const writer = await storage.createSnapshot(metadata);
        return override(writer, replace(writer, storage));
      },
    }));
}

export const edgeMutants: readonly Mutant[] = [
  {
    bug: 'takes a byte limit modulo 32 bits',
    cite: 'raft-rs: max_size is a u64, and NO_LIMIT its largest value',
    killer: 'read/limit-large',
    change: () =>
      inGroups((storage) => ({
        entries: (low, high, maxBytes) => storage.entries(low, high, maxBytes % 2 ** 32),
      })),
  },
  {
    bug: 'takes numbers that are not safe integers for stored',
    cite: jsNumbers,
    killer: 'append/unsafe-numbers',
    change: () =>
      inGroups((storage) => ({
        write: (batch) =>
          storage.write(batch).catch((error: unknown) => {
            if (!(error instanceof BalsaError && error.code === 'OUT_OF_RANGE')) throw error;
          }),
      })),
  },
  {
    bug: 'refuses entries of a lower term than those they replace',
    cite: 'etcd-io/raft: a leader of a later term may replace entries by older ones that it has',
    killer: 'append/lower-term-than-replaced',
    change: () =>
      inGroups((storage) => ({
        write: async (batch) => {
          const first = batch.entries?.[0];
          const [old] =
            first === undefined
              ? []
              : await storage.entries(first.index, first.index + 1, 0).catch((): Entry[] => []);
          if (first !== undefined && old !== undefined && old.term > first.term)
            throw new BalsaError('STORE_TERM_REGRESSION', 'the entry to replace has a higher term');
          await storage.write(batch);
        },
      })),
  },
  {
    bug: 'does not see membership changes of the older kind when it compacts',
    cite: 'etcd-io/raft: EntryConfChange and EntryConfChangeV2 stand side by side in one log',
    killer: 'compaction/conf-unrecorded',
    change: () =>
      inGroups((storage) => ({
        compactTo: async (index) => {
          try {
            await storage.compactTo(index);
          } catch (error) {
            if (!(error instanceof BalsaError && error.code === 'STORE_CONF_UNRECORDED')) throw error;
            const [last] = await storage.entries(index, index + 1, 0);
            if (last?.type !== EntryType.ConfChange) throw error;
          }
        },
      })),
  },
  {
    bug: 'keeps the conf state object of its caller',
    cite: sharedObjects,
    killer: 'atomicity/batch-stays-the-callers',
    change: () =>
      inGroups((storage) => {
        let kept: { readonly index: number; readonly state: ConfState } | undefined;
        return {
          write: async (batch) => {
            await storage.write(batch);
            kept = batch.confState ?? kept;
          },
          compactTo: async (index) => {
            if (kept !== undefined) await storage.write({ confState: kept });
            await storage.compactTo(index);
          },
        };
      }),
  },
  {
    bug: 'hands out its own list of snapshots',
    cite: sharedObjects,
    killer: 'snapshots/list-is-the-callers',
    change: () =>
      inGroups((storage) => {
        let cache: Awaited<ReturnType<Storage['listSnapshots']>> = [];
        let count = -1;
        return {
          listSnapshots: async () => {
            const now = await storage.listSnapshots();
            if (now.length !== count) cache = now;
            count = now.length;
            return cache;
          },
        };
      }),
  },
  {
    bug: 'reads chunk -1 as the last one',
    cite: jsNumbers,
    killer: 'snapshots/any-order-of-chunks',
    change: () =>
      inGroups((storage) => ({
        openSnapshot: async (id): Promise<SnapshotReader> => {
          const reader = await storage.openSnapshot(id);
          return override(reader, {
            chunk: (n) => reader.chunk(n < 0 ? n + reader.snapshot.chunkCount : n),
          });
        },
      })),
  },
  {
    bug: 'removes the oldest snapshot when it is asked to keep -1',
    cite: jsNumbers,
    killer: 'snapshots/prune',
    change: () =>
      inGroups((storage) => ({
        pruneSnapshots: async (keep) => {
          const { length } = await storage.listSnapshots();
          await storage.pruneSnapshots(keep < 0 ? length + keep : keep);
        },
      })),
  },
  {
    bug: 'drops chunks without bytes',
    cite: 'dragonboat chunks: the number of chunks is announced before they are sent',
    killer: 'snapshots/empty-chunks',
    change: inWriters((writer) => ({
      write: (chunk) => (chunk.length === 0 ? Promise.resolve() : writer.write(chunk)),
    })),
  },
  {
    bug: 'takes chunks after the commit, and drops them without a word',
    cite: 'hashicorp/raft SnapshotSink: Write after Close is a bug of the caller that nobody tells it',
    killer: 'snapshots/committed-is-final',
    change: inWriters((writer) => {
      let committed = false;
      return {
        write: (chunk) => (committed ? Promise.resolve() : writer.write(chunk)),
        commit: async (expected) => {
          const stored = await writer.commit(expected);
          committed = true;
          return stored;
        },
      };
    }),
  },
  {
    bug: 'ends what is being written when it prunes',
    cite: rqliteTemps,
    killer: 'snapshots/unfinished-outlive-housekeeping',
    change: () =>
      inGroups((storage) => {
        const writers: SnapshotWriter[] = [];
        return {
          createSnapshot: async (metadata) => {
            const writer = await storage.createSnapshot(metadata);
            writers.push(writer);
            return writer;
          },
          pruneSnapshots: async (keep) => {
            for (const writer of writers.splice(0)) await writer.abort();
            await storage.pruneSnapshots(keep);
          },
        };
      }),
  },
  {
    bug: 'begins a reception anew that was aborted and is resumed',
    cite: 'dragonboat chunks: a chunk of a transfer that is not tracked is refused',
    killer: 'snapshots/aborted-is-not-resumed',
    change: () =>
      inGroups((storage) => ({
        receiveSnapshot: (metadata, resume) =>
          storage.receiveSnapshot(metadata, resume).catch((error: unknown) => {
            if (resume === undefined || resume === 'no-such') throw error;
            return storage.receiveSnapshot(metadata);
          }),
      })),
  },
  {
    bug: 'counts the pending restore among the snapshots to keep',
    cite: 'hashicorp/raft file snapshots: ReapSnapshots keeps the newest, whatever else is in use',
    killer: 'snapshots/prune-beside-pending-restore',
    change: () =>
      inGroups((storage) => {
        let pending: string | undefined;
        return {
          write: async (batch) => {
            await storage.write(batch);
            pending = batch.restored === undefined ? (batch.install ?? pending) : undefined;
          },
          pruneSnapshots: async (keep) => {
            const newest = (await storage.listSnapshots()).slice(0, keep);
            const spent = pending !== undefined && !newest.some(({ id }) => id === pending);
            await storage.pruneSnapshots(spent ? Math.max(0, keep - 1) : keep);
          },
        };
      }),
  },
  {
    bug: 'opens snapshots of any group',
    cite: 'lni/dragonboat logdb: only the own node is read',
    killer: 'snapshots/stay-in-their-group',
    change: () => {
      const all: Storage[] = [];
      return inGroups((storage) => {
        all.push(storage);
        return {
          openSnapshot: async (id) => {
            for (const other of all) {
              const reader = await other.openSnapshot(id).catch(() => undefined);
              if (reader !== undefined) return reader;
            }
            return storage.openSnapshot(id);
          },
        };
      });
    },
  },
  {
    bug: 'gives everything when the limit of a range is 0',
    cite: 'SQL and LevelDB: a limit of 0, -1 or none at all means another thing in each',
    killer: 'ordered/range-of-nothing',
    change: () =>
      inOrderedStores((store) => ({
        range: (options) => store.range({ ...options, limit: options.limit === 0 ? 1000 : options.limit }),
      })),
  },
  {
    bug: 'takes an upper bound of no bytes for none',
    cite: 'a falsy test where a test for undefined was meant; RocksDB takes an empty slice for no bound',
    killer: 'ordered/range-of-nothing',
    change: () =>
      inOrderedStores((store) => ({
        range: ({ lt, ...rest }) => store.range(lt === undefined || lt.length === 0 ? rest : { ...rest, lt }),
      })),
  },
  {
    bug: 'takes limits of a range in 32 bits with a sign',
    cite: 'SQLite and LMDB bindings: an int32 argument',
    killer: 'ordered/range-large-limits',
    change: () =>
      inOrderedStores((store) => ({
        range: ({ maxBytes, ...rest }) =>
          store.range(maxBytes === undefined ? rest : { ...rest, maxBytes: maxBytes | 0 }),
      })),
  },
  {
    bug: 'keeps the applied index in 32 bits',
    cite: 'lni/dragonboat on-disk state machines: the applied index is a uint64',
    killer: 'ordered/large-applied-index',
    change: () =>
      inOrderedStores((store) => ({
        write: ({ changes, appliedIndex }) => store.write({ changes, appliedIndex: appliedIndex % 2 ** 32 }),
      })),
  },
  {
    bug: 'keeps the pairs of a put that it refuses',
    cite: 'rqlite/rqlite#2759: a failed restore left rows twice',
    killer: 'ordered/restore-keeps-the-rules',
    change: () =>
      inOrderedStores((store) => ({
        beginRestore: async () => {
          const restore = await store.beginRestore();
          return override(restore, {
            put: async (pairs: readonly KeyValue[]) => {
              for (const pair of pairs) await restore.put([pair]);
            },
          });
        },
      })),
  },
  {
    bug: 'destroys the ordered store that has the name of a group',
    cite: 'one prefix for all that has a name',
    killer: 'ordered/destroyed-group-of-its-name',
    change: () => (engine) =>
      override(engine, {
        destroyGroup: async (id) => {
          await engine.destroyGroup(id);
          const store = engine.orderedStore(id);
          await store.open();
          await (await store.beginRestore()).commit(0);
        },
      }),
  },
  {
    bug: 'installs a snapshot that it made itself',
    cite: 'CurvineIO/curvine#1601: a snapshot that should not be installed leaves the node stuck',
    killer: 'install/own-snapshot-is-refused',
    change: () =>
      inGroups((storage) => ({
        createSnapshot: (metadata) => storage.receiveSnapshot(metadata),
      })),
  },
  {
    bug: 'leaves its ordered stores open when it is closed',
    cite: 'abstract-level: closing a database closes its sublevels and iterators',
    killer: 'close/engine-closes-its-parts',
    change: () => (engine) => {
      let closed = false;
      return override(engine, {
        orderedStore: (name) => {
          const store = engine.orderedStore(name);
          return override(store, {
            count: () => (closed ? Promise.resolve(0) : store.count()),
            close: () => (closed ? Promise.resolve() : store.close()),
          });
        },
        close: () => {
          closed = true;
          return engine.close();
        },
      });
    },
  },
];

/** Broken only where a write takes its time: put on a memory engine whose writes pass the event loop. */
export const slowEdgeMutants: readonly Mutant[] = [
  {
    bug: 'marks a write as under way a turn too late',
    cite: 'hashicorp/raft-wal: two writers at once; a check and a mark with an await between them',
    killer: 'atomicity/one-write-at-a-time',
    change: () =>
      inGroups((storage) => {
        let tail: Promise<unknown> = Promise.resolve();
        let writing = false;
        return {
          write: async (batch) => {
            if (writing) return storage.write(batch);
            await Promise.resolve();
            writing = true;
            const work = tail.then(() => storage.write(batch));
            tail = work.catch(() => undefined);
            return work.finally(() => (writing = false));
          },
        };
      }),
  },
  {
    bug: 'is closed before the write under way has settled',
    cite: 'canonical/raft and hashicorp/raft-wal: close while appends are in flight',
    killer: 'close/settles-what-is-in-flight',
    change: () =>
      inGroups((storage) => ({ close: () => Promise.race([storage.close(), Promise.resolve()]) })),
  },
  {
    bug: 'reads the applied index of a view after its pairs',
    cite: 'databendlabs/openraft examples/sm-rocks: the metadata of a snapshot and its contents are of two moments',
    killer: 'ordered/view-beside-writes',
    change: () => {
      let applied = 0;
      return inOrderedStores((store) => ({
        write: async (batch) => {
          await store.write(batch);
          applied = batch.appliedIndex;
        },
        view: async () => {
          const view = await store.view();
          await store.count();
          return override(view, { appliedIndex: Math.max(applied, view.appliedIndex) });
        },
      }));
    },
  },
];
