/** Stores that keep snapshots wrongly. */
import {
  EmptyConfState,
  isBalsaError,
  maxChunkBytes,
  type ConfState,
  type SnapshotWriter,
} from '@balsa/raft-core';
import { inGroups, override } from './override.ts';
import type { Mutant } from './mutant.ts';

export const snapshotMutants: readonly Mutant[] = [
  {
    bug: 'gives a snapshot the newest conf state instead of its own',
    cite: 'etcd-io/etcd#8091: a snapshot that does not hold what its metadata say',
    killer: 'snapshots/created-round-trip',
    change: () =>
      inGroups((storage) => {
        let newest: ConfState = EmptyConfState;
        return {
          write: async (batch) => {
            await storage.write(batch);
            newest = batch.confState?.state ?? newest;
          },
          createSnapshot: (metadata) => storage.createSnapshot({ ...metadata, confState: newest }),
        };
      }),
  },
  {
    bug: 'keeps the chunks that it was given instead of copies',
    cite: 'hashicorp/raft-wal: tests that decoding copies',
    killer: 'snapshots/buffers-stay-the-callers',
    change: () =>
      inGroups((storage) => {
        const keeping = (writer: SnapshotWriter): SnapshotWriter => {
          const chunks: Uint8Array[] = [];
          return override(writer, {
            write: async (chunk) => void chunks.push(chunk),
            commit: async (expected) => {
              for (const chunk of chunks) await writer.write(chunk);
              return writer.commit(expected);
            },
          });
        };
        return {
          createSnapshot: async (metadata) => keeping(await storage.createSnapshot(metadata)),
          receiveSnapshot: async (metadata, resume) =>
            keeping(await storage.receiveSnapshot(metadata, resume)),
        };
      }),
  },
  {
    bug: 'resumes a reception whatever the metadata',
    cite: 'lni/dragonboat transport: ChunkFromANewLeaderIsIgnored, OutOfDateChunk',
    killer: 'snapshots/resume',
    change: () =>
      inGroups((storage) => {
        const known = new Map<string, SnapshotWriter>();
        return {
          receiveSnapshot: async (metadata, resume) => {
            const old = resume === undefined ? undefined : known.get(resume);
            if (old !== undefined) return old;
            const writer = await storage.receiveSnapshot(metadata, resume);
            known.set(writer.id, writer);
            return writer;
          },
        };
      }),
  },
  {
    bug: 'takes chunks of any size',
    cite: 'canonical/raft#143: a snapshot has to fit in memory',
    killer: 'snapshots/largest-chunk',
    change: () =>
      inGroups((storage) => ({
        createSnapshot: async (metadata) => {
          const writer = await storage.createSnapshot(metadata);
          return override(writer, { write: (chunk) => writer.write(chunk.subarray(0, maxChunkBytes)) });
        },
        receiveSnapshot: async (metadata, resume) => {
          const writer = await storage.receiveSnapshot(metadata, resume);
          return override(writer, { write: (chunk) => writer.write(chunk.subarray(0, maxChunkBytes)) });
        },
      })),
  },
  {
    bug: 'names a snapshot by its index alone',
    cite: 'tikv/raftstore snapshots: keys of region, term and index, with prefixes for generation and reception',
    killer: 'snapshots/ids',
    change: () =>
      inGroups((storage) => ({
        createSnapshot: async (metadata) => {
          const writer = await storage.createSnapshot(metadata);
          const id = `snapshot-${String(metadata.index)}`;
          return override(writer, {
            id,
            commit: async (expected) => ({ ...(await writer.commit(expected)), id }),
          });
        },
      })),
  },
  {
    bug: 'pulls a snapshot away from under its reader',
    cite: 'tikv/tikv: registered uses protect a snapshot from deletion',
    killer: 'snapshots/reader-outlives-prune',
    change: () =>
      inGroups((storage) => ({
        openSnapshot: async (id) => {
          const reader = await storage.openSnapshot(id);
          return override(reader, { chunk: async (n) => (await storage.openSnapshot(id)).chunk(n) });
        },
      })),
  },
  {
    bug: 'removes a snapshot whose restore is pending',
    cite: 'baidu/braft#461: the log was trimmed and the snapshot not there; the node could not boot',
    killer: 'snapshots/prune-spares-pending-restore',
    change: () => {
      const gone = new Set<string>();
      return inGroups((storage) => ({
        pruneSnapshots: async (keep) => {
          for (const { id } of (await storage.listSnapshots()).slice(keep)) gone.add(id);
          await storage.pruneSnapshots(keep);
        },
        listSnapshots: async () => (await storage.listSnapshots()).filter(({ id }) => !gone.has(id)),
      }));
    },
  },
  {
    bug: 'keeps what was not committed when it closes',
    cite: 'rqlite/rqlite: temporary directories of snapshots are removed at open',
    killer: 'snapshots/unfinished-are-gone-after-reopen',
    change: () => (engine) => {
      const writers: SnapshotWriter[] = [];
      const recording = inGroups((storage) => ({
        createSnapshot: async (metadata) => {
          const writer = await storage.createSnapshot(metadata);
          writers.push(writer);
          return writer;
        },
      }));
      return override(recording(engine), {
        close: async () => {
          for (const writer of writers.splice(0)) {
            await writer.commit().catch((error: unknown) => {
              if (!isBalsaError(error)) throw error;
            });
          }
          await engine.close();
        },
      });
    },
  },
  {
    bug: 'keeps a snapshot that was aborted',
    cite: 'tikv/tikv#16976: snapshots leak when sending fails',
    killer: 'snapshots/abort',
    change: () =>
      inGroups((storage) => ({
        createSnapshot: async (metadata) => {
          const writer = await storage.createSnapshot(metadata);
          return override(writer, {
            abort: async () => {
              await writer.commit().catch((error: unknown) => {
                if (!isBalsaError(error)) throw error;
              });
            },
          });
        },
      })),
  },
];
