/** What somebody who writes a store for the first time gets wrong in the engine, its ordered store and its promises. */
import { openSync } from 'node:fs';
import type { Engine, HardState, OrderedStore, StoreIdentity, WriteBatch } from '@balsa/raft-core';
import type { Change } from './memory-target.ts';
import type { Mutant } from './mutant.ts';
import { inGroups, inOrderedStores, override } from './override.ts';

const hex = (key: Uint8Array): string => Buffer.from(key).toString('hex');
const names = 'storage.md, case 8: names as keys, tested by nobody';
const lazily = 'etcd-io/etcd#14370: an acknowledgement is a promise, also of a small change';

/** A change of one part alone stays in memory until something else is written, and goes with that. */
const lazy = (waits: (batch: WriteBatch, last: HardState | undefined) => boolean) => (): Change =>
  inGroups((storage) => {
    let held: WriteBatch = {};
    let last: HardState | undefined;
    const flush = async (): Promise<void> => {
      const batch = held;
      held = {};
      await storage.write(batch);
    };
    return {
      write: async (batch) => {
        if (waits(batch, last)) held = { ...held, ...batch };
        else {
          await storage.write({ ...held, ...batch });
          held = {};
        }
        last = batch.hardState ?? last;
      },
      compactTo: async (index) => {
        await flush();
        await storage.compactTo(index);
      },
      pruneSnapshots: async (keep) => {
        await flush();
        await storage.pruneSnapshots(keep);
      },
      close: async () => {
        await flush().catch(() => undefined);
        await storage.close();
      },
    };
  });

const only = (batch: WriteBatch, part: keyof WriteBatch): boolean =>
  batch[part] !== undefined && Object.values(batch).filter((one) => one !== undefined).length === 1;

/** Groups that hold data are listed when something told of them. */
function listing(told: (note: (id: string) => void) => Change): Change {
  const noted = new Set<string>();
  const change = told((id) => noted.add(id));
  return (engine) =>
    override(change(engine), {
      listGroups: async () => (await engine.listGroups()).filter((id) => noted.has(id)),
    });
}

const named = (change: (name: string) => string) => (): Change => (engine) =>
  override(engine, { orderedStore: (name) => engine.orderedStore(change(name)) });

/** What an engine does later than it says. */
function postponed(until: 'stamp' | 'destroyGroup'): Change {
  return (engine) => {
    let identity: StoreIdentity | undefined;
    const destroyed = new Set<string>();
    return override<Engine>(engine, {
      ...(until === 'stamp' && {
        stamp: async (given) => {
          identity = given;
        },
        identity: async () => identity ?? (await engine.identity()),
      }),
      ...(until === 'destroyGroup' && {
        destroyGroup: async (id) => {
          destroyed.add(id);
        },
        listGroups: async () => (await engine.listGroups()).filter((id) => !destroyed.has(id)),
      }),
      close: async () => {
        if (identity !== undefined) await engine.stamp(identity).catch(() => undefined);
        for (const id of destroyed) await engine.destroyGroup(id);
        await engine.close();
      },
    });
  };
}

/** A cache of values that hands out what it holds. */
function caching(store: OrderedStore): Partial<OrderedStore> {
  const cache = new Map<string, Uint8Array>();
  return {
    getMany: async (keys) => {
      const found = await store.getMany(keys);
      return found.map((value, i) => {
        const key = hex(keys[i] ?? new Uint8Array(0));
        const cached = value && (cache.get(key) ?? value);
        if (cached !== undefined) cache.set(key, cached);
        return cached;
      });
    },
    write: async (batch) => {
      await store.write(batch);
      cache.clear();
    },
  };
}

export const naiveEngineMutants: readonly Mutant[] = [
  {
    bug: 'keeps its lock when it is closed',
    cite: 'lni/dragonboat FileLock; a lock file that only the next start of the machine removes',
    killer: 'open/lock-is-released',
    change: () => (engine) => override(engine, { close: () => Promise.resolve() }),
  },
  {
    bug: 'leaves a file open at every opening',
    cite: 'storage.md, case 89: a thousand openings, tested by nobody',
    killer: 'close/many-lives',
    change: () => (engine) => {
      openSync('/dev/null', 'r');
      return engine;
    },
  },
  {
    bug: 'gives another object for the same group each time',
    cite: "two objects of one group do not know of each other's writes in flight",
    killer: 'open/same-object-until-closed',
    change: () => (engine) => override(engine, { group: (id) => override(engine.group(id), {}) }),
  },
  {
    bug: 'opens a group by itself when it is used',
    cite: 'what open found (a pending restore, a lost write) is then seen by nobody',
    killer: 'open/nothing-before-open',
    change: () =>
      inGroups((storage) => {
        let opening: ReturnType<typeof storage.open> | undefined;
        const open = (): ReturnType<typeof storage.open> => (opening ??= storage.open());
        return {
          open,
          entries: async (low, high, maxBytes) => {
            await open();
            return storage.entries(low, high, maxBytes);
          },
          listSnapshots: async () => {
            await open();
            return storage.listSnapshots();
          },
        };
      }),
  },
  {
    bug: 'keeps node ids in 32 bits',
    cite: 'storage.md, case 30: numbers above 2^32',
    killer: 'identity/stamp-survives-reopen',
    change: () => (engine) =>
      override(engine, {
        stamp: (identity) => engine.stamp({ ...identity, nodeId: identity.nodeId >>> 0 }),
      }),
  },
  {
    bug: 'lists groups that hold nothing',
    cite: 'a directory or a row that is made when a group is first named',
    killer: 'open/fresh-store-is-empty',
    change: () => {
      const seen = new Set<string>();
      return (engine) =>
        override(engine, {
          group: (id) => {
            const storage = engine.group(id);
            seen.add(id);
            return storage;
          },
          listGroups: async () => [...new Set([...(await engine.listGroups()), ...seen])].sort(),
        });
    },
  },
  {
    bug: 'does not list a group that has no entries',
    cite: 'SELECT DISTINCT of the table of entries: a group that has only voted is forgotten with its vote',
    killer: 'groups/lists-whatever-holds-data',
    change: () =>
      listing((note) =>
        inGroups((storage) => ({
          write: async (batch) => {
            await storage.write(batch);
            if ((batch.entries ?? []).length > 0 || batch.install !== undefined) note(storage.groupId);
          },
        })),
      ),
  },
  {
    bug: 'does not list a group that has only a snapshot',
    cite: 'lni/dragonboat logdb: SnapshotOnlyNode',
    killer: 'groups/lists-whatever-holds-data',
    change: () =>
      listing((note) =>
        inGroups((storage) => ({
          write: async (batch) => {
            await storage.write(batch);
            note(storage.groupId);
          },
        })),
      ),
  },
  {
    bug: 'trims the names of groups',
    cite: names,
    killer: 'groups/names-never-mix',
    change: () => (engine) => override(engine, { group: (id) => engine.group(id.trim() || id) }),
  },
  {
    bug: 'writes the names of groups as UTF-8, in which all lone surrogates are one',
    cite: names,
    killer: 'groups/names-never-mix',
    change: () => (engine) => override(engine, { group: (id) => engine.group(Buffer.from(id).toString()) }),
  },
  {
    bug: 'does not tell names of ordered stores apart that differ in case',
    cite: names,
    killer: 'ordered/stores-are-apart',
    change: named((name) => name.toLowerCase()),
  },
  {
    bug: 'trims the names of ordered stores',
    cite: names,
    killer: 'ordered/stores-are-apart',
    change: named((name) => name.trim() || name),
  },
  {
    bug: 'keeps a commit that comes alone in memory until the next write',
    cite: lazily,
    killer: 'crash-in-process/each-part-alone-survives',
    change: lazy(
      (batch, last) =>
        only(batch, 'hardState') &&
        batch.hardState?.term === last?.term &&
        batch.hardState?.vote === last?.vote &&
        batch.hardState?.commit !== last?.commit,
    ),
  },
  {
    bug: 'keeps a conf state that comes alone in memory until the next write',
    cite: lazily,
    killer: 'crash-in-process/each-part-alone-survives',
    change: lazy((batch) => only(batch, 'confState')),
  },
  {
    bug: 'keeps the report of a restore in memory until the next write',
    cite: lazily,
    killer: 'crash-in-process/each-part-alone-survives',
    change: lazy((batch) => only(batch, 'restored')),
  },
  {
    bug: 'writes its identity when it is closed',
    cite: lazily,
    killer: 'crash-in-process/engine-changes-survive',
    change: () => postponed('stamp'),
  },
  {
    bug: 'destroys groups when it is closed',
    cite: lazily,
    killer: 'crash-in-process/engine-changes-survive',
    change: () => postponed('destroyGroup'),
  },
  {
    bug: 'gives one value for a key that is asked for twice',
    cite: 'SELECT ... WHERE key IN (...) gives each row once',
    killer: 'ordered/get-many',
    change: () =>
      inOrderedStores((store) => ({
        getMany: async (keys) => {
          const known = new Set<string>();
          return store.getMany(keys.filter((key) => !known.has(hex(key)) && known.add(hex(key))));
        },
      })),
  },
  {
    bug: 'hands out the values of its cache',
    cite: "etcd-io/raft storage.go: what a read gave is the caller's",
    killer: 'ordered/buffers-stay-the-callers',
    change: () => inOrderedStores(caching),
  },
  {
    bug: 'counts the pairs of a view anew when it is read',
    cite: 'lni/dragonboat on-disk state machines: a point in time is one in every respect',
    killer: 'ordered/view-is-a-point-in-time',
    change: () =>
      inOrderedStores((store) => ({
        view: async () => {
          const view = await store.view();
          let counted: number | undefined;
          const changed = override(view, {
            range: async (options) => {
              counted = await store.count();
              return view.range(options);
            },
          });
          return new Proxy(changed, {
            get: (target, name) =>
              name === 'count' && counted !== undefined ? counted : (Reflect.get(target, name) as unknown),
          });
        },
      })),
  },
  {
    bug: 'promises one index less than it has synced',
    cite: 'off by one: the next index and the last one',
    killer: 'ordered/applied-index',
    change: () => inOrderedStores((store) => ({ sync: async () => Math.max(0, (await store.sync()) - 1) })),
  },
  {
    bug: 'drops empty values in a restore',
    cite: 'Redis and RocksDB bindings: a falsy test where a test for undefined was meant',
    killer: 'ordered/restore-switches-atomically',
    change: () =>
      inOrderedStores((store) => ({
        beginRestore: async () => {
          const restore = await store.beginRestore();
          return override(restore, {
            put: (pairs) => restore.put(pairs.filter(({ value }) => value.length > 0)),
          });
        },
      })),
  },
];

/** On a store that takes its time: on one that settles at once there is no second write. */
export const slowMutants: readonly Mutant[] = [
  {
    bug: 'queues a second write of a group instead of refusing it',
    cite: 'databendlabs/openraft examples/log-rocks: a queue hides who writes without waiting',
    killer: 'atomicity/one-write-at-a-time',
    change: () =>
      inGroups((storage) => {
        let turn: Promise<void> = Promise.resolve();
        return {
          write: (batch) => {
            const written = turn.then(() => storage.write(batch));
            turn = written.catch(() => undefined);
            return written;
          },
        };
      }),
  },
  {
    bug: 'queues a second write of an ordered store instead of refusing it',
    cite: 'the same, for the state machine: what is queued is not in a view that is taken meanwhile',
    killer: 'ordered/one-write-at-a-time',
    change: () =>
      inOrderedStores((store) => {
        let turn: Promise<void> = Promise.resolve();
        return {
          write: (batch) => {
            const written = turn.then(() => store.write(batch));
            turn = written.catch(() => undefined);
            return written;
          },
        };
      }),
  },
];
