/** What somebody who writes a store for the first time gets wrong in the log, the states and the snapshots. */
import {
  BalsaError,
  entrySize,
  Entry,
  EntryType,
  isBalsaError,
  type ConfState,
  type HardState,
  type SnapshotMetadata,
  type StorageState,
  type WriteBatch,
} from '@balsa/raft-core';
import type { Change } from './memory-target.ts';
import type { Mutant } from './mutant.ts';
import { inGroups, override } from './override.ts';

/** As many a language and column keeps a number. */
const in32Bits = (value: number): number => value >>> 0;

const voters32 = (state: ConfState): ConfState => ({ ...state, voters: state.voters.map(in32Bits) });

/** Every opening reports something else than what is there. */
const reporting = (change: (state: StorageState) => StorageState) => (): Change =>
  inGroups((storage) => ({ open: async () => change(await storage.open()) }));

const writing = (change: (batch: WriteBatch) => WriteBatch) => (): Change =>
  inGroups((storage) => ({ write: (batch) => storage.write(change(batch)) }));

const ofEntries = (change: (entry: Entry) => Entry): (() => Change) =>
  writing(({ entries, ...rest }) => ({ ...rest, ...(entries && { entries: entries.map(change) }) }));

/** Whoever gives a snapshot its metadata, gives them changed. */
const describing = (change: (metadata: SnapshotMetadata) => SnapshotMetadata) => (): Change =>
  inGroups((storage) => ({
    createSnapshot: (metadata) => storage.createSnapshot(change(metadata)),
    receiveSnapshot: (metadata, resume) => storage.receiveSnapshot(change(metadata), resume),
  }));

const firstEntry = 'etcd-io/raft: entries returns at least one entry, whatever the limit';
const numbers = 'storage.md, case 30 and 31: indexes, terms and ids above 2^32';

export const naiveLogMutants: readonly Mutant[] = [
  {
    bug: 'gives nothing when the first entry alone is over the byte limit',
    cite: firstEntry,
    killer: 'read/limit-below-first',
    change: () =>
      inGroups((storage) => ({
        entries: async (low, high, maxBytes) => {
          const found = await storage.entries(low, high, maxBytes);
          return found[0] !== undefined && entrySize(found[0]) > maxBytes ? [] : found;
        },
      })),
  },
  {
    bug: 'calls entries that are compacted unavailable',
    cite: 'etcd-io/raft: ErrCompacted makes a leader send a snapshot, ErrUnavailable makes it wait',
    killer: 'read/outside-the-log',
    change: () =>
      inGroups((storage) => ({
        entries: (low, high, maxBytes) =>
          storage.entries(low, high, maxBytes).catch((error: unknown) => {
            if (!isBalsaError(error, 'STORE_COMPACTED')) throw error;
            throw new BalsaError('STORE_UNAVAILABLE', 'there is nothing');
          }),
      })),
  },
  {
    bug: 'keeps one object for each index, and changes it',
    cite: 'etcd-io/raft#442: a struct that was shared is changed',
    killer: 'read/result-survives-later-writes',
    change: () =>
      inGroups((storage) => {
        const objects = new Map<number, Entry>();
        return {
          entries: async (low, high, maxBytes) =>
            (await storage.entries(low, high, maxBytes)).map((found) => {
              const object = objects.get(found.index) ?? found;
              objects.set(found.index, object);
              return Object.assign(object, found);
            }),
        };
      }),
  },
  {
    bug: 'takes empty data for absent',
    cite: 'storage.md, case 25: a falsy test where a test for undefined was meant',
    killer: 'append/every-byte-value',
    change: () =>
      inGroups((storage) => ({
        entries: async (low, high, maxBytes) =>
          (await storage.entries(low, high, maxBytes)).map((found) => {
            const { term, index, type, data, context } = found;
            return data.length > 0
              ? found
              : ({ term, index, type, context, data: undefined } as unknown as Entry);
          }),
      })),
  },
  {
    bug: 'cuts payloads at two mebibytes',
    cite: 'storage.md, case 27: the limit of a column or of a packet of the backend',
    killer: 'large/at-the-limit',
    change: ofEntries(
      ({ term, index, type, data, context }) =>
        new Entry(term, index, type, data.subarray(0, 2 * 1024 * 1024), context),
    ),
  },
  {
    bug: 'keeps terms in 32 bits',
    cite: numbers,
    killer: 'append/around-index-1099511627776',
    change: ofEntries(
      ({ term, index, type, data, context }) => new Entry(in32Bits(term), index, type, data, context),
    ),
  },
  {
    bug: 'keeps the ids of members in 32 bits',
    cite: numbers,
    killer: 'conf-state/large-ids',
    change: writing(({ confState, ...rest }) => ({
      ...rest,
      ...(confState && { confState: { ...confState, state: voters32(confState.state) } }),
    })),
  },
  {
    bug: 'keeps the ids of members of a snapshot in 32 bits',
    cite: numbers,
    killer: 'conf-state/large-ids',
    change: describing((metadata) => ({ ...metadata, confState: voters32(metadata.confState) })),
  },
  {
    bug: 'loses the joint half of the conf state of a snapshot',
    cite: 'etcd-io/raft: ConfState in joint consensus has five fields, and a snapshot in the middle carries all',
    killer: 'snapshots/created-round-trip',
    change: describing((metadata) => ({
      ...metadata,
      confState: { ...metadata.confState, votersOutgoing: [], autoLeave: false },
    })),
  },
  {
    bug: 'takes the last index for that of the conf state when it is opened',
    cite: 'etcd-io/raft: conf entries between applied and committed are met again after a restart',
    killer: 'conf-state/round-trip',
    change: reporting((state) => ({ ...state, confState: { ...state.confState, index: state.lastIndex } })),
  },
  {
    bug: 'does not know the boundary term of an installed snapshot when it is opened',
    cite: 'NuRaft#668: the last term is read as 0 after a full compaction',
    killer: 'install/over-empty',
    change: reporting((state) =>
      state.pendingRestore === undefined
        ? state
        : { ...state, outline: { ...state.outline, boundary: { ...state.outline.boundary, term: 0 } } },
    ),
  },
  {
    bug: 'lowers a commit that is beyond the last entry',
    cite: 'CurvineIO/curvine#1368: hs.commit out of range, mended at the wrong end',
    killer: 'hard-state/commit-beyond-last',
    change: () =>
      inGroups((storage) => ({
        write: async (batch) => {
          try {
            await storage.write(batch);
          } catch (error) {
            const { hardState, entries } = batch;
            if (!isBalsaError(error, 'STORE_COMMIT_OUT_OF_RANGE') || hardState === undefined) throw error;
            const last = entries?.at(-1)?.index ?? (await storage.stats()).entryCount;
            await storage.write({ ...batch, hardState: { ...hardState, commit: last } });
          }
        },
      })),
  },
  {
    bug: 'compacts to the commit when it is asked for more',
    cite: 'eBay/NuRaft log_store: compact beyond the end makes the start last + 1',
    killer: 'compaction/beyond-commit',
    change: () =>
      inGroups((storage) => {
        let commit = 0;
        return {
          write: async (batch) => {
            await storage.write(batch);
            commit = batch.hardState?.commit ?? commit;
          },
          compactTo: (index) => storage.compactTo(Math.min(index, commit)),
        };
      }),
  },
  {
    bug: 'forgets the vote when a snapshot is installed',
    cite: 'tikv/raft-rs MemStorage: apply_snapshot makes a hard state of its own',
    killer: 'install/with-everything',
    change: writing((batch) =>
      batch.install === undefined || batch.hardState === undefined
        ? batch
        : { ...batch, hardState: { ...batch.hardState, vote: 0 } },
    ),
  },
  {
    bug: 'raises its term to that of an installed snapshot',
    cite: 'tikv/raft-rs MemStorage: apply_snapshot sets the term to the larger one',
    killer: 'install/twice',
    change: () =>
      inGroups((storage) => {
        let known: HardState = { term: 0, vote: 0, commit: 0 };
        return {
          write: async (batch) => {
            const stored = (await storage.listSnapshots()).find(({ id }) => id === batch.install);
            const { index = 0, term = 0 } = stored?.metadata ?? {};
            const raised = {
              ...known,
              term: Math.max(known.term, term),
              commit: Math.max(known.commit, index),
            };
            const hardState = batch.hardState ?? (stored === undefined ? undefined : raised);
            await storage.write({ ...batch, ...(hardState && { hardState }) });
            known = hardState ?? known;
          },
        };
      }),
  },
  {
    bug: 'removes the chunks of a received snapshot once it is installed',
    cite: 'tikv/tikv failpoints: a restart while a snapshot is applied finds its file gone',
    killer: 'snapshots/prune-spares-pending-restore',
    change: () => {
      const installed = new Set<string>();
      return inGroups((storage) => ({
        write: async (batch) => {
          await storage.write(batch);
          if (batch.install !== undefined) installed.add(batch.install);
        },
        openSnapshot: async (id) => {
          if (installed.has(id)) throw new BalsaError('STORE_SNAPSHOT_NOT_FOUND', `there is no ${id}`);
          return storage.openSnapshot(id);
        },
      }));
    },
  },
  {
    bug: 'prunes the newest snapshots and keeps the oldest',
    cite: 'hashicorp/raft file snapshots: the list that retention works on is newest first',
    killer: 'snapshots/prune',
    change: () =>
      inGroups((storage) => {
        const gone = new Set<string>();
        return {
          pruneSnapshots: async (keep) => {
            const ids = (await storage.listSnapshots()).map(({ id }) => id);
            for (const id of ids.slice(0, Math.max(0, ids.length - keep))) gone.add(id);
          },
          listSnapshots: async () => (await storage.listSnapshots()).filter(({ id }) => !gone.has(id)),
        };
      }),
  },
  {
    bug: 'reports the oldest snapshot when it is opened',
    cite: 'rqlite: the newest of the snapshots is what a restart goes by',
    killer: 'snapshots/newest-first',
    change: () =>
      inGroups((storage) => ({
        open: async () => ({ ...(await storage.open()), snapshot: (await storage.listSnapshots()).at(-1) }),
      })),
  },
  {
    bug: 'takes chunks after an abort, and drops them without a word',
    cite: 'hashicorp/raft snapshot sinks: Write after Cancel',
    killer: 'snapshots/abort',
    change: () =>
      inGroups((storage) => ({
        createSnapshot: async (metadata) => {
          const writer = await storage.createSnapshot(metadata);
          let aborted = false;
          return override(writer, {
            abort: async () => {
              aborted = true;
              await writer.abort();
            },
            write: async (chunk) => {
              if (!aborted) await writer.write(chunk);
            },
          });
        },
      })),
  },
  {
    bug: 'counts snapshots that are pruned',
    cite: 'tikv/tikv#10930: ten thousand snapshot files that no figure showed',
    killer: 'scale/stats-count',
    change: () =>
      inGroups((storage) => {
        let snapshotCount = 0;
        return {
          createSnapshot: async (metadata) => {
            const writer = await storage.createSnapshot(metadata);
            return override(writer, {
              commit: async (expected) => {
                const stored = await writer.commit(expected);
                snapshotCount++;
                return stored;
              },
            });
          },
          stats: async () => ({ ...(await storage.stats()), snapshotCount }),
        };
      }),
  },
  {
    bug: 'says that snapshots take no space',
    cite: 'tikv/raftstore: a total size cap works on this figure',
    killer: 'scale/stats-count',
    change: () =>
      inGroups((storage) => ({ stats: async () => ({ ...(await storage.stats()), snapshotBytes: 0 }) })),
  },
  ...(['context', 'type'] as const).map((field): Mutant => ({
    bug: `loses the ${field} of entries when it cleans up`,
    cite: 'tikv/raft-engine#160: rewriting what stays writes it otherwise',
    killer: 'compaction/housekeeping-changes-nothing-else',
    change: () =>
      inGroups((storage) => {
        let cleaned = false;
        return {
          maintain: async () => {
            cleaned = true;
            return storage.maintain();
          },
          entries: async (low, high, maxBytes) =>
            (await storage.entries(low, high, maxBytes)).map(({ term, index, type, data, context }) =>
              cleaned && field === 'context'
                ? new Entry(term, index, type, data)
                : new Entry(term, index, cleaned ? EntryType.Normal : type, data, context),
            ),
        };
      }),
  })),
];
