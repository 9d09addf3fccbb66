/** Stores that promise before they have done, or do in two steps what is one: crashes show them. */
import { isBalsaError, type Storage, type WriteBatch } from '@balsa/raft-core';
import { inGroups, inOrderedStores, override } from './override.ts';
import type { Mutant } from './mutant.ts';

/** Answers at once for the batches that `delays` names, and writes them when something else is asked for. */
function lazily(delays: (batch: WriteBatch) => boolean): Mutant['change'] {
  return () =>
    inGroups((storage) => {
      let waiting: WriteBatch | undefined;
      const flush = async (): Promise<void> => {
        const batch = waiting;
        waiting = undefined;
        if (batch !== undefined) await storage.write(batch);
      };
      const first =
        <A extends unknown[], R>(call: (...args: A) => Promise<R>) =>
        async (...args: A): Promise<R> => {
          await flush();
          return call(...args);
        };
      return {
        write: async (batch) => {
          await flush();
          if (delays(batch)) waiting = structuredCopy(batch);
          else await storage.write(batch);
        },
        entries: first((low, high, maxBytes) => storage.entries(low, high, maxBytes)),
        compactTo: first((index) => storage.compactTo(index)),
        listSnapshots: first(() => storage.listSnapshots()),
        stats: first(() => storage.stats()),
        close: first(() => storage.close()),
      };
    });
}

/** The caller's buffers are its own again when the call has settled. */
function structuredCopy({ entries, ...rest }: WriteBatch): WriteBatch {
  return { ...rest, ...(entries !== undefined && { entries: [...entries] }) };
}

/** Makes the refused part of a batch again, later. */
function retriesRefused(): (storage: Storage) => Partial<Storage> {
  let refused: WriteBatch | undefined;
  return (storage) => ({
    write: async (batch) => {
      const again = refused;
      refused = undefined;
      if (again !== undefined) await storage.write(again).catch(() => undefined);
      try {
        await storage.write(batch);
      } catch (error) {
        if (isBalsaError(error) && batch.entries !== undefined) refused = { entries: batch.entries };
        throw error;
      }
    },
  });
}

export const durabilityMutants: readonly Mutant[] = [
  {
    bug: 'acknowledges a write before it has taken effect',
    cite: 'etcd-io/etcd#14370: an acknowledged write was lost',
    killer: 'crash-in-process/acknowledged-writes-survive',
    change: lazily(() => true),
  },
  {
    bug: 'keeps a vote in memory until entries are written',
    cite: 'databendlabs/openraft docs/protocol/io_ordering.md: a vote that is not durable on return',
    killer: 'crash-in-process/vote-survives',
    change: lazily((batch) => batch.entries === undefined && batch.hardState !== undefined),
  },
  {
    bug: 'writes the entries and the hard state that came with them in two steps',
    cite: 'CurvineIO/curvine#1368: hard state and entries synced apart; the node dies at every boot',
    killer: 'crash-in-process/write-is-all-or-nothing',
    change: () =>
      inGroups((storage) => ({
        write: async ({ hardState, ...rest }) => {
          await storage.write(rest);
          await storage.write({ ...(hardState !== undefined && { hardState }) });
        },
      })),
  },
  {
    bug: 'installs a snapshot first and writes the hard state of the batch afterwards',
    cite: 'CurvineIO/curvine#1551: a snapshot installed without what belongs to it; crash loop after a restart',
    killer: 'crash-in-process/install-is-all-or-nothing',
    change: () =>
      inGroups((storage) => ({
        write: async ({ install, ...rest }) => {
          if (install !== undefined) await storage.write({ install });
          await storage.write(rest);
        },
      })),
  },
  {
    bug: 'does a compaction in steps that each survive a crash, and forgets where it ends',
    cite: 'sofastack/sofa-jraft#1187: a truncation computed its end twice and missed a range',
    killer: 'crash-in-process/compaction-is-all-or-nothing',
    change: () =>
      inGroups((storage) => ({
        compactTo: async (index) => {
          if (index > 1) await storage.compactTo(index - 1);
          await storage.compactTo(index);
        },
      })),
  },
  {
    bug: 'makes a snapshot visible when its first chunk is written',
    cite: 'databendlabs/openraft examples/sm-rocks: a snapshot written in place, without a rename',
    killer: 'crash-in-process/snapshot-is-all-or-nothing',
    change: () =>
      inGroups((storage) => ({
        createSnapshot: async (metadata) => {
          const writer = await storage.createSnapshot(metadata);
          let begun = false;
          return override(writer, {
            write: async (chunk) => {
              await writer.write(chunk);
              if (begun) return;
              begun = true;
              const early = await storage.createSnapshot(metadata);
              await early.write(chunk);
              await early.commit();
            },
          });
        },
      })),
  },
  {
    bug: 'says that an ordered store is synced without a sync',
    cite: 'Redis appendfsync everysec; better-sqlite3 in WAL mode as it comes: 0 syncs in 50 commits',
    killer: 'crash-in-process/synced-ordered-writes-survive',
    change: () =>
      inOrderedStores((store) => {
        let applied = 0;
        return {
          open: async () => {
            const opened = await store.open();
            applied = opened.appliedIndex;
            return opened;
          },
          write: async (batch) => {
            await store.write(batch);
            applied = batch.appliedIndex;
          },
          sync: () => Promise.resolve(applied),
        };
      }),
  },
  {
    bug: 'does later what it has refused',
    cite: 'redis/ioredis#2130: a command that was rejected is executed after the reconnection',
    killer: 'atomicity/refused-commit-beyond-last',
    change: () => inGroups(retriesRefused()),
  },
];
