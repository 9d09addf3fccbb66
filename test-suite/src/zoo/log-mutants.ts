/** Stores whose log side has one bug each. */
import {
  Entry,
  isBalsaError,
  NoLimit,
  type ErrorCode,
  type SnapshotMetadata,
  type Storage,
} from '@balsa/raft-core';
import { create } from '../make.ts';
import { inGroups, override } from './override.ts';
import type { Mutant } from './mutant.ts';

/** The whole log as it can be read: the refusal of a memory store says where it begins. */
async function readAll(storage: Storage): Promise<Entry[]> {
  for (let first = 1; ;) {
    try {
      const { entryCount } = await storage.stats();
      return await storage.entries(first, first + entryCount, NoLimit);
    } catch (error) {
      if (!isBalsaError(error, 'STORE_COMPACTED')) throw error;
      first = Math.max(first + 1, Number(error.details['firstIndex']));
    }
  }
}

/** Says "done" where the contract wants a refusal with `code`. */
async function swallow(work: Promise<void>, code: ErrorCode): Promise<void> {
  await work.catch((error: unknown) => {
    if (!isBalsaError(error, code)) throw error;
  });
}

export const logMutants: readonly Mutant[] = [
  {
    bug: 'keeps the tail behind a shorter suffix',
    cite: 'databendlabs/openraft examples/log-rocks: the range to truncate excludes the last key, which survives',
    killer: 'append/shorter-suffix-leaves-no-ghost',
    change: () =>
      inGroups((storage) => ({
        write: async (batch) => {
          const end = batch.entries?.at(-1);
          const tail =
            end === undefined ? [] : (await readAll(storage)).filter(({ index }) => index > end.index);
          await storage.write(batch);
          const term = Math.max(0, end?.term ?? 0);
          await storage.write({
            entries: tail.map((old) => new Entry(Math.max(term, old.term), old.index, old.type, old.data)),
          });
        },
      })),
  },
  {
    bug: 'finds the overwritten tail again when it is reopened',
    cite: 'tikv/raft-engine: a stale batch at the tail of a recycled file',
    killer: 'reopen/no-ghost-tail',
    change: () => {
      let longest: readonly Entry[] = [];
      return inGroups((storage) => ({
        write: async (batch) => {
          await storage.write(batch);
          const log = await readAll(storage);
          if (log.length > longest.length) longest = log;
        },
        open: async () => {
          const state = await storage.open();
          const ghosts = longest.filter(({ index }) => index > state.lastIndex);
          const term = (await readAll(storage)).at(-1)?.term ?? 0;
          await storage.write({
            entries: ghosts.map((old) => new Entry(Math.max(term, old.term), old.index, old.type, old.data)),
          });
          return state;
        },
      }));
    },
  },
  {
    bug: 'skips entries that it has already, and so does not truncate behind them',
    cite: 'tikv/raft-rs storage tests: append of what is there truncates behind it',
    killer: 'append/identical-rewrite',
    change: () =>
      inGroups((storage) => ({
        write: async (batch) => {
          const log = new Map((await readAll(storage)).map((old) => [old.index, old.term]));
          const known = batch.entries?.every(({ index, term }) => log.get(index) === term) === true;
          await storage.write(known ? { ...batch, entries: [] } : batch);
        },
      })),
  },
  {
    bug: 'forgets the boundary term when it is reopened',
    cite: 'ROCm/spur#368: the last purged id was not persisted; no controller starts after its first purge',
    killer: 'reopen/boundary-term',
    change: () =>
      inGroups((storage) => ({
        open: async () => {
          const state = await storage.open();
          const { index } = state.outline.boundary;
          return { ...state, outline: { ...state.outline, boundary: { index, term: 0 } } };
        },
      })),
  },
  {
    bug: 'is off by one at the byte limit',
    cite: 'etcd-io/raft storage tests: limits of exactly two entries, and of one byte less',
    killer: 'read/limit-exact',
    change: () =>
      inGroups((storage) => ({
        entries: (low, high, maxBytes) => storage.entries(low, high, Math.max(0, maxBytes - 1)),
      })),
  },
  {
    bug: 'gives a shorter answer instead of STORE_UNAVAILABLE',
    cite: 'sofastack/sofa-jraft: a failed read looks like an entry that is not there',
    killer: 'read/outside-the-log',
    change: () =>
      inGroups((storage) => ({
        entries: async (low, high, maxBytes) => {
          for (let end = high; ; end--) {
            try {
              return await storage.entries(low, end, maxBytes);
            } catch (error) {
              if (end <= low || !isBalsaError(error, 'STORE_UNAVAILABLE')) throw error;
            }
          }
        },
      })),
  },
  {
    bug: 'orders indexes as decimal text',
    cite: 'lni/dragonboat logdb: tests of the order of keys',
    killer: 'append/decimal-lengths',
    change: () =>
      inGroups((storage) => ({
        entries: async (low, high, maxBytes) =>
          (await storage.entries(low, high, maxBytes)).sort((a, b) =>
            String(a.index) < String(b.index) ? -1 : 1,
          ),
      })),
  },
  {
    bug: 'hands out its own buffers',
    cite: 'etcd-io/raft storage.go: what a read gave is appended to by the caller',
    killer: 'read/result-is-the-callers',
    change: () => {
      const cache = new Map<string, Entry>();
      return inGroups((storage) => ({
        entries: async (low, high, maxBytes) =>
          (await storage.entries(low, high, maxBytes)).map((entry) => {
            const key = `${String(entry.index)}@${String(entry.term)}`;
            const cached = cache.get(key) ?? entry;
            cache.set(key, cached);
            return cached;
          }),
      }));
    },
  },
  {
    bug: 'reads a range in two steps, so that a write comes between',
    cite: 'baidu/braft: multi_read_single_modify_thread_safe',
    killer: 'concurrency/read-beside-overwrite',
    change: () =>
      inGroups((storage) => ({
        entries: async (low, high, maxBytes) => {
          const middle = low + Math.floor((high - low) / 2);
          if (maxBytes !== NoLimit || middle === low) return storage.entries(low, high, maxBytes);
          const front = await storage.entries(low, middle, maxBytes);
          for (let turn = 0; turn < 10; turn++) await Promise.resolve();
          return [...front, ...(await storage.entries(middle, high, maxBytes))];
        },
      })),
  },
  {
    bug: 'writes the entries before it looks at the hard state',
    cite: 'CurvineIO/curvine#1368: hs.commit out of range at every boot',
    killer: 'atomicity/refused-commit-beyond-last',
    change: () =>
      inGroups((storage) => ({
        write: async ({ entries = [], ...rest }) => {
          await storage.write({ entries });
          await storage.write(rest);
        },
      })),
  },
  {
    bug: 'drops a second write silently while one is in flight',
    cite: 'databendlabs/openraft examples/log-rocks: completions of overlapping appends reorder',
    killer: 'atomicity/one-write-at-a-time',
    change: () =>
      inGroups((storage) => ({ write: (batch) => swallow(storage.write(batch), 'STORE_WRITE_IN_FLIGHT') })),
  },
  {
    bug: 'loses the index of the conf state',
    cite: 'etcd-io/raft: conf entries between applied and committed are met again after a restart',
    killer: 'conf-state/round-trip',
    change: () =>
      inGroups((storage) => ({
        open: async () => {
          const state = await storage.open();
          return { ...state, confState: { ...state.confState, index: 0 } };
        },
      })),
  },
  {
    bug: 'ignores a compaction that it should refuse for a membership change',
    cite: 'databendlabs/openraft#1828: a fully purged log is a dead end',
    killer: 'compaction/conf-unrecorded',
    change: () =>
      inGroups((storage) => ({
        compactTo: (index) => swallow(storage.compactTo(index), 'STORE_CONF_UNRECORDED'),
      })),
  },
  {
    bug: 'ignores a compaction beyond the commit',
    cite: 'eBay/HomeStore#446: compaction beyond the last entry was asserted',
    killer: 'compaction/beyond-commit',
    change: () =>
      inGroups((storage) => ({
        compactTo: (index) => swallow(storage.compactTo(index), 'STORE_COMPACT_OUT_OF_RANGE'),
      })),
  },
  {
    bug: 'lists a snapshot before it is committed',
    cite: 'databendlabs/openraft examples/sm-rocks: a snapshot written in place, neither synced nor renamed',
    killer: 'snapshots/not-listed-before-commit',
    change: () =>
      inGroups((storage) => ({
        createSnapshot: async (metadata) => {
          await create(storage, metadata, []);
          return storage.createSnapshot(metadata);
        },
      })),
  },
  {
    bug: 'does not compare a snapshot with what was announced',
    cite: 'hashicorp/raft file snapshots: Open hashes the whole file again',
    killer: 'snapshots/wrong-checksum-is-refused',
    change: () =>
      inGroups((storage) => ({
        receiveSnapshot: async (metadata, resume) => {
          const writer = await storage.receiveSnapshot(metadata, resume);
          return override(writer, { commit: () => writer.commit() });
        },
      })),
  },
  {
    bug: 'forgets that a restore is pending',
    cite: 'tikv/tikv failpoints: a restart while a snapshot is applied',
    killer: 'install/restored',
    change: () =>
      inGroups((storage) => ({
        open: async () => ({ ...(await storage.open()), pendingRestore: undefined }),
      })),
  },
  {
    bug: 'takes a snapshot that is out of date for installed',
    cite: 'CurvineIO/curvine#1601: a snapshot older than the first index leaves the node stuck',
    killer: 'install/out-of-date',
    change: () =>
      inGroups((storage) => ({
        write: (batch) => swallow(storage.write(batch), 'STORE_SNAPSHOT_OUT_OF_DATE'),
      })),
  },
  {
    bug: 'prunes by the order of creation instead of the index',
    cite: 'hashicorp/raft file snapshots: ordering by term and index',
    killer: 'snapshots/newest-first',
    change: () => {
      const order: string[] = [];
      return inGroups((storage) => ({
        createSnapshot: async (metadata) => {
          const writer = await storage.createSnapshot(metadata);
          order.unshift(writer.id);
          return writer;
        },
        listSnapshots: async () =>
          (await storage.listSnapshots()).sort((a, b) => order.indexOf(a.id) - order.indexOf(b.id)),
      }));
    },
  },
  {
    bug: 'stays usable after close',
    cite: 'canonical/raft: appends during close',
    killer: 'close/later-calls-are-refused',
    change: () => inGroups(() => ({ close: () => Promise.resolve() })),
  },
  {
    bug: 'loses a vote in rare circumstances that no single case thinks of',
    cite: 'RedisLabs/redisraft#14 and #42: found by random histories only',
    killer: 'model/group-histories',
    change: () =>
      inGroups((storage) => ({
        open: async () => {
          const state = await storage.open();
          const { hardState, outline } = state;
          const rare =
            outline.runs.length >= 2 && outline.boundary.index >= 3 && hardState.commit === state.lastIndex;
          return rare ? { ...state, hardState: { ...hardState, vote: 0 } } : state;
        },
      })),
  },
  {
    bug: 'gives snapshots at one index the same metadata object, the first one',
    cite: 'lni/dragonboat: several groups in one log database',
    killer: 'groups/names-never-mix',
    change: () => {
      const first = new Map<number, SnapshotMetadata>();
      return inGroups((storage) => ({
        createSnapshot: (metadata) => {
          if (!first.has(metadata.index)) first.set(metadata.index, metadata);
          return storage.createSnapshot(first.get(metadata.index) ?? metadata);
        },
      }));
    },
  },
];
