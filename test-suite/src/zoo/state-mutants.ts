/** Stores that keep states, bounds and promises about themselves wrongly. */
import {
  EmptyBytes,
  EmptyConfState,
  Entry,
  EntryType,
  isBalsaError,
  NoLimit,
  type ErrorCode,
} from '@balsa/raft-core';
import { inGroups, override } from './override.ts';
import type { Mutant } from './mutant.ts';

/** Takes one refusal of a write for a success. */
const deaf =
  (code: ErrorCode): Mutant['change'] =>
  () =>
    inGroups((storage) => ({
      write: (batch) =>
        storage.write(batch).catch((error: unknown) => {
          if (!isBalsaError(error, code)) throw error;
        }),
    }));

/** Changes each entry on its way out. */
const readsAs =
  (change: (entry: Entry) => Entry): Mutant['change'] =>
  () =>
    inGroups((storage) => ({
      entries: async (low, high, maxBytes) => (await storage.entries(low, high, maxBytes)).map(change),
    }));

export const stateMutants: readonly Mutant[] = [
  {
    bug: 'falls back to first index 1 when the whole log was compacted',
    cite: 'tikv/raft-rs MemStorage: after compact(last + 1) the first index is that of the old snapshot',
    killer: 'compaction/everything-then-append',
    change: () =>
      inGroups((storage) => ({
        open: async () => {
          const state = await storage.open();
          if (state.lastIndex >= state.firstIndex) return state;
          const outline = { ...state.outline, boundary: { index: 0, term: 0 } };
          return { ...state, firstIndex: 1, lastIndex: 0, outline };
        },
      })),
  },
  {
    bug: 'does not keep the first index that came with a snapshot',
    cite: 'CurvineIO/curvine#1551: first and last index were not persisted with the snapshot',
    killer: 'install/over-empty',
    change: () =>
      inGroups((storage) => ({
        open: async () => {
          const state = await storage.open();
          return state.pendingRestore === undefined ? state : { ...state, firstIndex: 1 };
        },
      })),
  },
  {
    bug: 'does not take over the conf state of an installed snapshot',
    cite: 'etcd-io/raft storage_test: ApplySnapshot replaces the conf state',
    killer: 'install/over-empty',
    change: () =>
      inGroups((storage) => ({
        open: async () => {
          const state = await storage.open();
          if (state.pendingRestore === undefined) return state;
          return { ...state, confState: { index: 0, state: EmptyConfState } };
        },
      })),
  },
  {
    bug: 'drops the report that a restore is done',
    cite: 'tikv/tikv: snapshot state stays Applying after a restart',
    killer: 'install/restored',
    change: () =>
      inGroups((storage) => ({
        write: async (batch) => {
          const { restored, ...rest } = batch;
          await storage.write(restored === undefined ? batch : rest);
        },
      })),
  },
  {
    bug: 'loses a vote that comes without entries',
    cite: 'hashicorp/raft: term and vote in a StableStore apart from the log',
    killer: 'hard-state/vote-without-entries',
    change: () =>
      inGroups((storage) => ({
        write: async ({ hardState, ...rest }) => {
          const keeps = (rest.entries?.length ?? 0) > 0 || hardState === undefined;
          await storage.write({
            ...rest,
            ...(hardState && { hardState: keeps ? hardState : { ...hardState, vote: 0 } }),
          });
        },
      })),
  },
  {
    bug: 'takes a gap for stored',
    cite: 'lni/dragonboat logdb: SaveEntriesWithIndexGap',
    killer: 'append/gap-after-last',
    change: deaf('STORE_GAP'),
  },
  {
    bug: 'takes entries below the first index for stored',
    cite: 'tikv/raft-rs storage tests: overwriting compacted entries',
    killer: 'append/below-compacted',
    change: deaf('STORE_BELOW_FIRST'),
  },
  {
    bug: 'takes a term that falls for stored',
    cite: 'databendlabs/openraft tests-turmoil: a vote never goes back',
    killer: 'hard-state/term-never-falls',
    change: deaf('STORE_TERM_REGRESSION'),
  },
  {
    bug: 'makes the second compaction to one index an error',
    cite: 'etcd-io/raft and tikv/raft-rs disagree: ErrCompacted there, nothing here',
    killer: 'compaction/idempotent',
    change: () =>
      inGroups((storage) => {
        let highest = 0;
        return {
          compactTo: async (index) => {
            if (index <= highest) return storage.write({ entries: [new Entry(1, Math.max(1, highest))] });
            await storage.compactTo(index);
            highest = index;
          },
        };
      }),
  },
  {
    bug: 'counts the data of an entry alone against the byte limit',
    cite: 'etcd-io/raft and tikv/raft-rs: tables of limits, exact, half and minus one',
    killer: 'read/limit-exact',
    change: () =>
      inGroups((storage) => ({
        entries: async (low, high, maxBytes) => {
          const all = await storage.entries(low, high, NoLimit);
          let sum = 0;
          return all.filter(({ data }, i) => (sum += data.length) <= maxBytes || i === 0);
        },
      })),
  },
  {
    bug: 'gives nothing when the limit is zero',
    cite: 'databendlabs/openraft Suite: limited_get is never empty for a range that is not',
    killer: 'read/limit-zero-gives-one',
    change: () =>
      inGroups((storage) => ({
        entries: async (low, high, maxBytes) => (maxBytes === 0 ? [] : storage.entries(low, high, maxBytes)),
      })),
  },
  {
    bug: 'drops the context of entries',
    cite: 'tikv/raft-rs eraftpb: Entry.context beside Entry.data',
    killer: 'append/types-and-context',
    change: readsAs(({ term, index, type, data }) => new Entry(term, index, type, data, EmptyBytes)),
  },
  {
    bug: 'reads a membership change as a normal entry',
    cite: 'sofastack/sofa-jraft: conf entries in a column family of their own',
    killer: 'append/types-and-context',
    change: readsAs(
      ({ term, index, data, context }) => new Entry(term, index, EntryType.Normal, data, context),
    ),
  },
  {
    bug: 'keeps indexes in 32 bits',
    cite: 'hashicorp/raft-wal and dragonboat key encodings: tests around the width of an index',
    killer: 'append/around-index-4294967294',
    change: readsAs(
      ({ term, index, type, data, context }) => new Entry(term, index >>> 0, type, data, context),
    ),
  },
  {
    bug: 'keeps the buffers that it was given',
    cite: 'etcd-io/raft storage.go: entries belong to the caller once Append has returned',
    killer: 'append/buffers-stay-the-callers',
    change: () => {
      const given = new Map<string, Entry>();
      const key = ({ index, term }: Entry): string => `${String(index)}@${String(term)}`;
      return inGroups((storage) => ({
        write: async (batch) => {
          await storage.write(batch);
          for (const entry of batch.entries ?? []) given.set(key(entry), entry);
        },
        entries: async (low, high, maxBytes) =>
          (await storage.entries(low, high, maxBytes)).map((entry) => given.get(key(entry)) ?? entry),
      }));
    },
  },
  {
    bug: 'states a smaller bound on entries than it keeps to',
    cite: 'mulgadc/predastore#63: what could be written could not be restored',
    killer: 'large/beyond-the-limit',
    change: () => (engine) =>
      override(engine, { capabilities: { ...engine.capabilities, maxEntryBytes: 1024 * 1024 } }),
  },
  {
    bug: 'states a larger bound on entries than it can take',
    cite: 'baidu/braft: large_entry',
    killer: 'large/at-the-limit',
    change: () => (engine) => {
      const limit = 4 * 1024 * 1024;
      const change = inGroups((storage) => ({
        write: async (batch) => {
          const large = batch.entries?.find(({ data }) => data.length > limit);
          if (large === undefined) return storage.write(batch);
          return storage.write({ entries: [new Entry(0, large.index + 1_000_000)] });
        },
      }));
      return change(engine);
    },
  },
  {
    bug: 'says another version at every open',
    cite: 'Level/abstract-level: the manifest may not change after construction',
    killer: 'open/capabilities-are-constant',
    change: () => {
      let opened = 0;
      return (engine) =>
        override(engine, { capabilities: { ...engine.capabilities, engineVersion: String(++opened) } });
    },
  },
  {
    bug: 'keeps its identity in memory',
    cite: 'canonical/raft: metadata files lost or unknown at load',
    killer: 'identity/stamp-survives-reopen',
    change: () => (engine) => {
      let stamped = false;
      return override(engine, {
        stamp: async (identity) => {
          await engine.stamp(identity);
          stamped = true;
        },
        identity: async () => (stamped ? engine.identity() : undefined),
      });
    },
  },
  {
    bug: 'destroys nothing',
    cite: 'lni/dragonboat logdb: RemoveNodeData',
    killer: 'groups/destroy-removes-one',
    change: () => (engine) => override(engine, { destroyGroup: () => Promise.resolve() }),
  },
  {
    bug: 'skips what was compacted meanwhile, and gives the rest as if it were all',
    cite: 'tikv/raft-engine#288 and its rewrite bugs: a read beside a purge',
    killer: 'concurrency/read-beside-compaction',
    change: () =>
      inGroups((storage) => ({
        entries: async (low, high, maxBytes) => {
          const found: Entry[] = [];
          for (let index = low; index < high; index++) {
            const one = await storage.entries(index, index + 1, maxBytes).catch((error: unknown) => {
              if (isBalsaError(error, 'STORE_COMPACTED')) return [];
              throw error;
            });
            found.push(...one);
          }
          return found;
        },
      })),
  },
  {
    bug: 'always has more to clean up',
    cite: 'tikv/raft-engine: a group that blocks the purge for ever',
    killer: 'compaction/many-cycles',
    change: () => inGroups(() => ({ maintain: () => Promise.resolve(true) })),
  },
  {
    bug: 'counts entries that are compacted',
    cite: 'openbao/openbao#3342: the count of the log restarts and grows',
    killer: 'scale/stats-count',
    change: () =>
      inGroups((storage) => {
        let written = 0;
        return {
          write: async (batch) => {
            await storage.write(batch);
            written += batch.entries?.length ?? 0;
          },
          stats: async () => ({ ...(await storage.stats()), entryCount: written }),
        };
      }),
  },
  {
    bug: 'grows a little with every cycle of append and compact',
    cite: 'boltdb/bolt#640: the freelist grows, and with it every commit',
    killer: 'scale/cycles-stay-flat',
    change: () =>
      inGroups((storage) => {
        let leaked = 0;
        return {
          compactTo: async (index) => {
            await storage.compactTo(index);
            leaked += 32 * 1024;
          },
          stats: async () => {
            const stats = await storage.stats();
            return { ...stats, logBytes: stats.logBytes + leaked };
          },
        };
      }),
  },
  {
    bug: 'never gives space back',
    cite: 'sofastack/sofa-jraft#400 and #978; lni/dragonboat#372: 365 GiB used',
    killer: 'scale/space-comes-back',
    change: () =>
      inGroups((storage) => {
        let most = 0;
        return {
          stats: async () => {
            const stats = await storage.stats();
            most = Math.max(most, stats.logBytes);
            return { ...stats, logBytes: most };
          },
        };
      }),
  },
];
