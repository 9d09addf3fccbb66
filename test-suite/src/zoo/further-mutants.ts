/** Small slips that random reading of other stores turned up: one line too many, too few or in the wrong place. */
import { Entry, NoLimit, type OrderedBatch, type Storage } from '@balsa/raft-core';
import { inGroups, inOrderedStores, override } from './override.ts';
import type { Mutant } from './mutant.ts';

const offByOne =
  'off by one at a bound: the commonest slip in the logs of raft-rs, braft and dragonboat that their tests pin';
const dragonboat = 'lni/dragonboat on-disk state machines: what a lookup sees is what the last update left';
const caches = 'tikv/raft-engine and etcd: a cache of entries beside the log has to follow each truncation';

const compareBytes = (a: Uint8Array, b: Uint8Array): number => Buffer.compare(a, b);

/** Pairs of which the first of a key wins. */
function firstWins({ changes, appliedIndex }: OrderedBatch): OrderedBatch {
  const seen = new Set<string>();
  const kept = changes.filter(([key]) => {
    const text = Buffer.from(key).toString('hex');
    if (seen.has(text)) return false;
    seen.add(text);
    return true;
  });
  return { changes: kept, appliedIndex };
}

/** Entries that were read once, by index, never dropped. */
function cached(storage: Storage): Partial<Storage> {
  const known = new Map<number, Entry>();
  return {
    entries: async (low, high, maxBytes) => {
      const found = await storage.entries(low, high, maxBytes);
      return found.map((entry) => {
        const old = known.get(entry.index) ?? entry;
        known.set(entry.index, old);
        return old;
      });
    },
  };
}

export const furtherMutants: readonly Mutant[] = [
  {
    bug: 'answers from a cache that a truncation does not clear',
    cite: caches,
    killer: 'append/overwrites-conflicting-suffix',
    change: () => inGroups(cached),
  },
  {
    bug: 'compacts one entry too few',
    cite: offByOne,
    killer: 'compaction/to-3',
    change: () =>
      inGroups((storage) => ({ compactTo: (index) => storage.compactTo(Math.max(0, index - 1)) })),
  },
  {
    bug: 'gives entries up to and with the upper bound',
    cite: offByOne,
    killer: 'read/every-range',
    change: () =>
      inGroups((storage) => ({
        entries: async (low, high, maxBytes) => {
          await storage.entries(low, high, maxBytes);
          return storage.entries(low, high + 1, maxBytes).catch(() => storage.entries(low, high, maxBytes));
        },
      })),
  },
  {
    bug: 'ignores the byte limit',
    cite: 'etcd-io/raft storage tests: a message larger than the limit is what the limit is against',
    killer: 'read/limit-exact',
    change: () => inGroups((storage) => ({ entries: (low, high) => storage.entries(low, high, NoLimit) })),
  },
  {
    bug: 'writes a conf state although its batch is refused',
    cite: 'CurvineIO/curvine#1368: parts of one batch stored apart',
    killer: 'atomicity/refused-gap',
    change: () =>
      inGroups((storage) => ({
        write: async (batch) => {
          if (batch.confState !== undefined) await storage.write({ confState: batch.confState });
          await storage.write(batch);
        },
      })),
  },
  {
    bug: 'writes a hard state although the entries of its batch are refused',
    cite: 'CurvineIO/curvine#1368: hard state and entries stored apart',
    killer: 'atomicity/refused-gap',
    change: () =>
      inGroups((storage) => ({
        write: async (batch) => {
          const { hardState } = batch;
          if (hardState !== undefined) await storage.write({ hardState }).catch(() => undefined);
          await storage.write(batch);
        },
      })),
  },
  {
    bug: 'loses the joint half of a conf state',
    cite: 'etcd-io/raft: ConfState in joint consensus has five fields, and a restart in the middle needs all',
    killer: 'conf-state/round-trip',
    change: () =>
      inGroups((storage) => ({
        write: ({ confState, ...rest }) =>
          storage.write({
            ...rest,
            ...(confState !== undefined && {
              confState: {
                ...confState,
                state: { ...confState.state, votersOutgoing: [], autoLeave: false },
              },
            }),
          }),
      })),
  },
  {
    bug: 'forgets the vote when the commit moves',
    cite: 'RedisLabs/redisraft#42: term and vote written apart from the rest',
    killer: 'hard-state/round-trip',
    change: () =>
      inGroups((storage) => {
        let last = 0;
        return {
          write: ({ hardState, ...rest }) => {
            if (hardState === undefined) return storage.write(rest);
            const forgets = hardState.commit > last;
            last = hardState.commit;
            return storage.write({ ...rest, hardState: forgets ? { ...hardState, vote: 0 } : hardState });
          },
        };
      }),
  },
  {
    bug: 'lets a commit fall without a word',
    cite: 'hashicorp/raft CommitTrackingLogStore: a commit index is never reported above the last log, nor falls',
    killer: 'hard-state/commit-never-falls',
    change: () =>
      inGroups((storage) => ({
        write: async (batch) => {
          await storage.write(batch).catch((error: unknown) => {
            if (!(error instanceof Error && error.message.includes('commit'))) throw error;
          });
        },
      })),
  },
  {
    bug: 'lists snapshots oldest first',
    cite: 'hashicorp/raft file snapshots: List is newest first, and the first is what is restored',
    killer: 'snapshots/newest-first',
    change: () =>
      inGroups((storage) => ({ listSnapshots: async () => (await storage.listSnapshots()).reverse() })),
  },
  {
    bug: 'prunes one snapshot too many',
    cite: offByOne,
    killer: 'snapshots/prune',
    change: () =>
      inGroups((storage) => ({ pruneSnapshots: (keep) => storage.pruneSnapshots(Math.max(0, keep - 1)) })),
  },
  {
    bug: 'prunes one snapshot too few',
    cite: offByOne,
    killer: 'snapshots/prune',
    change: () => inGroups((storage) => ({ pruneSnapshots: (keep) => storage.pruneSnapshots(keep + 1) })),
  },
  {
    bug: 'gives an empty chunk beyond the last',
    cite: 'cowsql/raft: a chunk that is not there must not look like the end of an empty snapshot',
    killer: 'snapshots/any-order-of-chunks',
    change: () =>
      inGroups((storage) => ({
        openSnapshot: async (id) => {
          const reader = await storage.openSnapshot(id);
          return override(reader, {
            chunk: (n) =>
              n < reader.snapshot.chunkCount ? reader.chunk(n) : Promise.resolve(new Uint8Array(0)),
          });
        },
      })),
  },
  {
    bug: 'joins the chunks of a snapshot',
    cite: 'dragonboat chunks: the numbering of chunks is the protocol of a transfer',
    killer: 'snapshots/created-round-trip',
    change: () =>
      inGroups((storage) => ({
        createSnapshot: async (metadata) => {
          const writer = await storage.createSnapshot(metadata);
          const held: Uint8Array[] = [];
          return override(writer, {
            write: (chunk) => Promise.resolve(void held.push(chunk.slice())),
            commit: async (expected) => {
              await writer.write(Buffer.concat(held));
              return writer.commit(expected);
            },
          });
        },
      })),
  },
  {
    bug: 'removes a snapshot that is aborted after its commit',
    cite: 'rqlite snapshot sink: Cancel after Close is called by whoever cleans up',
    killer: 'snapshots/abort',
    change: () =>
      inGroups((storage) => ({
        createSnapshot: async (metadata) => {
          const writer = await storage.createSnapshot(metadata);
          return override(writer, {
            abort: async () => {
              await writer.abort();
              await storage.pruneSnapshots(0);
            },
          });
        },
      })),
  },
  {
    bug: 'keeps the suffix behind every installed snapshot',
    cite: 'hashicorp/raft and braft keep trailing logs over a snapshot whether they match or not',
    killer: 'install/clears-conflicting-log',
    change: () =>
      inGroups((storage) => ({
        write: async (batch) => {
          if (batch.install === undefined) return storage.write(batch);
          const stored = (await storage.listSnapshots()).find(({ id }) => id === batch.install);
          const { entryCount } = await storage.stats();
          const index = stored?.metadata.index ?? 0;
          const all = await storage.entries(1, entryCount + 1, NoLimit).catch(() => []);
          await storage.write(batch);
          const term = stored?.metadata.term ?? 0;
          const rest = all.filter((entry) => entry.index > index);
          await storage.write({
            entries: rest.map((old) => new Entry(Math.max(term, old.term), old.index, old.type, old.data)),
          });
        },
      })),
  },
  {
    bug: 'takes any report of a restore for that of the pending one',
    cite: 'tikv/tikv: an old snapshot worker reports after a new snapshot has come',
    killer: 'install/twice',
    change: () =>
      inGroups((storage) => {
        let pending: string | undefined;
        return {
          write: async (batch) => {
            const { restored, ...rest } = batch;
            await storage.write(rest);
            if (restored !== undefined && pending !== undefined) await storage.write({ restored: pending });
            if (batch.install !== undefined) pending = batch.install;
          },
        };
      }),
  },
  {
    bug: 'does not tell names apart that differ in case',
    cite: 'file names on Windows and macOS; MySQL collations',
    killer: 'groups/names-never-mix',
    change: () => (engine) => override(engine, { group: (id) => engine.group(id.toLowerCase()) }),
  },
  {
    bug: 'cuts long group names short',
    cite: 'file names of 255 bytes; columns of a fixed width',
    killer: 'groups/names-never-mix',
    change: () => (engine) =>
      override(engine, { group: (id) => engine.group(id.length > 256 ? id : id.slice(0, 200)) }),
  },
  {
    bug: 'destroys a group that is open',
    cite: 'lni/dragonboat RemoveNodeData: refused while the node runs',
    killer: 'groups/destroy-open-group-is-refused',
    change: () => (engine) =>
      override(engine, {
        destroyGroup: async (id) => {
          await engine.destroyGroup(id).catch(async () => {
            await engine.group(id).close();
            await engine.destroyGroup(id);
          });
        },
      }),
  },
  {
    bug: 'drops what is in flight when it closes, and says that it is done',
    cite: 'canonical/raft and hashicorp/raft-wal: close while appends are in flight',
    killer: 'close/settles-what-is-in-flight',
    change: () =>
      inGroups((storage) => {
        let closed = false;
        return {
          write: async (batch) => {
            await Promise.resolve();
            if (!closed) await storage.write(batch);
          },
          close: () => {
            closed = true;
            return storage.close();
          },
        };
      }),
  },
  {
    bug: 'includes the upper bound of a range of keys',
    cite: offByOne,
    killer: 'ordered/range-lt',
    change: () =>
      inOrderedStores((store) => ({
        range: async (options) => {
          const { lt, ...rest } = options;
          const found = await store.range(lt === undefined ? options : { ...rest });
          return lt === undefined ? found : found.filter(({ key }) => compareBytes(key, lt) <= 0);
        },
      })),
  },
  {
    bug: 'begins a page with the key that the last one ended in',
    cite: offByOne,
    killer: 'ordered/range-gt',
    change: () =>
      inOrderedStores((store) => ({
        range: ({ gt, ...rest }) => store.range(gt === undefined ? rest : { ...rest, gte: gt }),
      })),
  },
  {
    bug: 'skips all keys that begin with the exclusive bound',
    cite: 'a bound made by adding 0xff to the key instead of 0x00',
    killer: 'ordered/range-gt-prefix',
    change: () =>
      inOrderedStores((store) => ({
        range: ({ gt, ...rest }) =>
          store.range(gt === undefined ? rest : { ...rest, gt: Uint8Array.of(...gt, 0xff) }),
      })),
  },
  {
    bug: 'gives one pair more than the limit',
    cite: offByOne,
    killer: 'ordered/range-limit',
    change: () =>
      inOrderedStores((store) => ({
        range: (options) => store.range({ ...options, limit: options.limit + 1 }),
      })),
  },
  {
    bug: 'takes an empty value for none',
    cite: 'Redis and RocksDB bindings: a falsy test where a test for undefined was meant',
    killer: 'ordered/get-many',
    change: () =>
      inOrderedStores((store) => ({
        getMany: async (keys) =>
          (await store.getMany(keys)).map((value) => (value?.length === 0 ? undefined : value)),
      })),
  },
  {
    bug: 'gives values in the order of keys instead of that of the question',
    cite: 'SELECT ... WHERE key IN (...) without putting the rows back in order',
    killer: 'ordered/get-many',
    change: () =>
      inOrderedStores((store) => ({
        getMany: (keys) => store.getMany([...keys].sort((a, b) => compareBytes(a, b))),
      })),
  },
  {
    bug: 'lets the first of two changes to one key win',
    cite: 'INSERT OR IGNORE instead of OR REPLACE; a batch that is deduplicated the wrong way',
    killer: 'ordered/changes-in-order',
    change: () => inOrderedStores((store) => ({ write: (batch) => store.write(firstWins(batch)) })),
  },
  {
    bug: 'counts a key again when it is overwritten',
    cite: 'a counter beside the data, raised by every put',
    killer: 'ordered/changes-in-order',
    change: () => {
      let extra = 0;
      return inOrderedStores((store) => ({
        write: async (batch) => {
          const known = await store.getMany(batch.changes.map(([key]) => key));
          await store.write(batch);
          extra += batch.changes.filter(
            ([, value], i) => value !== undefined && known[i] !== undefined,
          ).length;
        },
        count: async () => (await store.count()) + extra,
      }));
    },
  },
  {
    bug: 'gives a view the applied index of now',
    cite: dragonboat,
    killer: 'ordered/view-is-a-point-in-time',
    change: () => {
      let applied = 0;
      return inOrderedStores((store) => ({
        write: async (batch) => {
          await store.write(batch);
          applied = batch.appliedIndex;
        },
        view: async () => {
          const view = await store.view();
          return new Proxy(view, {
            get: (target, name) => {
              if (name === 'appliedIndex') return Math.max(applied, target.appliedIndex);
              const value: unknown = Reflect.get(target, name, target);
              return typeof value === 'function' ? (value.bind(target) as unknown) : value;
            },
          });
        },
      }));
    },
  },
  {
    bug: 'lets the applied index fall',
    cite: dragonboat,
    killer: 'ordered/applied-index',
    change: () =>
      inOrderedStores((store) => {
        let highest = 0;
        return {
          write: ({ changes, appliedIndex }) => {
            highest = Math.max(highest, appliedIndex);
            return store.write({ changes, appliedIndex: highest });
          },
        };
      }),
  },
  {
    bug: 'sorts the pairs of a restore itself',
    cite: 'a restore that takes pages in any order takes one twice, and hides a sender that lost one',
    killer: 'ordered/restore-wants-ascending-keys',
    change: () =>
      inOrderedStores((store) => ({
        beginRestore: async () => {
          const restore = await store.beginRestore();
          const held = new Map<string, { key: Uint8Array; value: Uint8Array }>();
          return override(restore, {
            put: (pairs) => {
              for (const { key, value } of pairs)
                held.set(Buffer.from(key).toString('hex'), { key: key.slice(), value: value.slice() });
              return Promise.resolve();
            },
            commit: async (appliedIndex) => {
              await restore.put([...held.values()].sort((a, b) => compareBytes(a.key, b.key)));
              await restore.commit(appliedIndex);
            },
          });
        },
      })),
  },
  {
    bug: 'lets ordered stores of different names share their pairs',
    cite: 'one table for all names, and a query without the name',
    killer: 'ordered/stores-are-apart',
    change: () => (engine) => override(engine, { orderedStore: () => engine.orderedStore('one') }),
  },
  {
    bug: 'deletes nothing when a batch also writes',
    cite: 'a transaction that runs its puts and forgets its deletes',
    killer: 'ordered/changes-in-order',
    change: () =>
      inOrderedStores((store) => ({
        write: ({ changes, appliedIndex }) => {
          const puts = changes.filter(([, value]) => value !== undefined);
          return store.write({ changes: puts.length > 0 ? puts : changes, appliedIndex });
        },
      })),
  },
];
