/** Engines and ordered stores with one bug each. */
import { showBytes } from '../check.ts';
import { inOrderedStores, override } from './override.ts';
import type { Mutant } from './mutant.ts';

export const engineMutants: readonly Mutant[] = [
  {
    bug: 'destroys every group whose name begins alike',
    cite: 'a prefix scan without an end; tested by nobody (storage.md, case 8)',
    killer: 'groups/destroy-removes-one',
    change: () => (engine) =>
      override(engine, {
        destroyGroup: async (id) => {
          for (const other of await engine.listGroups()) {
            if (other.startsWith(id)) await engine.destroyGroup(other);
          }
        },
      }),
  },
  {
    bug: 'brings group names to one normal form',
    cite: 'file names on some systems; tested by nobody (storage.md, case 8)',
    killer: 'groups/names-never-mix',
    change: () => (engine) => override(engine, { group: (id) => engine.group(id.normalize('NFC')) }),
  },
  {
    bug: 'lists groups in the order of a locale',
    cite: 'a database collation instead of code units',
    killer: 'groups/names-never-mix',
    change: () => (engine) =>
      override(engine, {
        listGroups: async () => (await engine.listGroups()).sort((a, b) => a.localeCompare(b, 'en')),
      }),
  },
  {
    bug: 'lets a second stamp pass',
    cite: 'canonical/raft: bootstrap of a store that was bootstrapped',
    killer: 'identity/second-stamp-is-refused',
    change: () => (engine) =>
      override(engine, { stamp: (identity) => engine.stamp(identity).catch(() => undefined) }),
  },
  {
    bug: 'a view sees later writes',
    cite: 'SQLite backup(): a copy that held later writes than its start',
    killer: 'ordered/view-is-a-point-in-time',
    change: () =>
      inOrderedStores((store) => ({
        view: async () => override(await store.view(), { range: (options) => store.range(options) }),
      })),
  },
  {
    bug: 'writes the applied index only when it syncs',
    cite: 'lni/dragonboat on-disk state machines: the index must go with the data',
    killer: 'ordered/view-is-a-point-in-time',
    change: () => {
      let applied = 0;
      return inOrderedStores((store) => ({
        write: async (batch) => {
          await store.write({ changes: batch.changes, appliedIndex: await store.sync() });
          applied = batch.appliedIndex;
        },
        sync: async () => {
          await store.write({ changes: [], appliedIndex: applied });
          return store.sync();
        },
      }));
    },
  },
  {
    bug: 'orders keys as text instead of bytes',
    cite: 'hashicorp/raft-boltdb: uint64 keys as big-endian bytes',
    killer: 'ordered/byte-order',
    change: () =>
      inOrderedStores((store) => ({
        range: async (options) => {
          const text = (key: Uint8Array): string => Buffer.from(key).toString('base64');
          return (await store.range(options)).sort((a, b) => (text(a.key) < text(b.key) ? -1 : 1));
        },
      })),
  },
  {
    bug: 'applies the changes of a batch in the order of their keys',
    cite: 'a write batch sorted before it is applied',
    killer: 'ordered/changes-in-order',
    change: () =>
      inOrderedStores((store) => ({
        write: (batch) =>
          store.write({
            ...batch,
            changes: batch.changes.toSorted(([a, x], [b, y]) =>
              showBytes(a) + showBytes(x ?? a) < showBytes(b) + showBytes(y ?? b) ? 1 : -1,
            ),
          }),
      })),
  },
  {
    bug: 'keeps the old applied index when a restore commits a lower one',
    cite: 'hashicorp/raft: a restore by the user leaves a gap of indexes',
    killer: 'ordered/restore-switches-atomically',
    change: () =>
      inOrderedStores((store) => ({
        beginRestore: async () => {
          const restore = await store.beginRestore();
          return override(restore, {
            commit: async (index) => restore.commit(Math.max(index, await store.sync())),
          });
        },
      })),
  },
  {
    bug: 'fills a restore in place',
    cite: 'rqlite/rqlite#2759: a failed restore left rows twice',
    killer: 'ordered/restore-switches-atomically',
    change: () =>
      inOrderedStores((store) => ({
        beginRestore: async () => {
          const restore = await store.beginRestore();
          return override(restore, {
            put: async (pairs) => {
              await restore.put(pairs);
              const changes = pairs.map(({ key, value }) => [key, value] as const);
              await store.write({ changes, appliedIndex: await store.sync() });
            },
          });
        },
      })),
  },
];
