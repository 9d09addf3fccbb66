/** Snapshots that are being written: what ends them, what does not, and that a finished one is final. */
import assert from 'node:assert/strict';
import type { Storage } from '@balsa/raft-core';
import type { ConformanceCase } from '../case.ts';
import { readSnapshot, refuses, rejects, sameChunks, sameSnapshot } from '../check.ts';
import { bytes, create, hard, meta, pattern, receive, run } from '../make.ts';

const indexes = async (storage: Storage): Promise<number[]> =>
  (await storage.listSnapshots()).map(({ metadata }) => metadata.index);

export const snapshotWriterCases: readonly ConformanceCase[] = [
  {
    id: 'snapshots/committed-is-final',
    title: 'a snapshot that was committed takes no more chunks, and a second commit makes no second one',
    level: 'durable',
    run: async (context) => {
      const { storage } = await context.group();
      const writer = await storage.createSnapshot(meta(3, 1));
      await writer.write(bytes('one'));
      const stored = await writer.commit();
      await rejects(() => writer.write(bytes('late')), 'a chunk after the commit');
      // Whether it rejects or says the same again: there is one, and it is as it was.
      await writer.commit().catch(() => undefined);
      assert.equal((await storage.listSnapshots()).length, 1);
      sameSnapshot((await storage.listSnapshots())[0], stored);
      sameChunks(await readSnapshot(storage, stored.id), [bytes('one')]);
      const again = await context.reopen();
      assert.equal((await again.storage.listSnapshots()).length, 1);
      sameSnapshot(again.state.snapshot, stored);
      sameChunks(await readSnapshot(again.storage, stored.id), [bytes('one')]);
    },
  },
  {
    id: 'snapshots/aborted-is-not-resumed',
    title: 'a reception that was aborted, by its caller or for what it held, cannot be resumed',
    level: 'core',
    run: async (context) => {
      const { storage } = await context.group();
      const aborted = await storage.receiveSnapshot(meta(5, 2));
      await aborted.write(bytes('part'));
      await aborted.abort();
      await refuses(() => storage.receiveSnapshot(meta(5, 2), aborted.id), 'STORE_SNAPSHOT_NOT_FOUND');
      const wrong = await storage.receiveSnapshot(meta(5, 2));
      await wrong.write(bytes('part'));
      await refuses(() => wrong.commit({ chunkCount: 2, bytes: 4, checksum: 0 }), 'STORE_SNAPSHOT_INVALID');
      await refuses(() => storage.receiveSnapshot(meta(5, 2), wrong.id), 'STORE_SNAPSHOT_NOT_FOUND');
      assert.deepEqual(await indexes(storage), []);
    },
  },
  {
    id: 'snapshots/unfinished-outlive-housekeeping',
    title: 'pruning, housekeeping and installing end no snapshot that is being written',
    level: 'core',
    run: async (context) => {
      const { storage } = await context.group();
      await storage.write({ entries: run(1, 9, 1), hardState: hard(1, 9) });
      await create(storage, meta(2, 1));
      const made = await storage.createSnapshot(meta(4, 1));
      const taken = await storage.receiveSnapshot(meta(30, 2));
      for (const writer of [made, taken]) await writer.write(pattern(2000, 1));
      await storage.pruneSnapshots(0);
      let slices = 0;
      while (await storage.maintain()) assert.ok(++slices < 10_000, 'maintain never says that it is done');
      const { id } = await receive(storage, meta(20, 2));
      await storage.write({ install: id });
      await storage.write({ restored: id });
      await storage.pruneSnapshots(0);
      const resumed = await storage.receiveSnapshot(meta(30, 2), taken.id);
      assert.equal(resumed.chunkCount, 1);
      for (const writer of [made, resumed]) {
        await writer.write(pattern(500, 2));
        const { id: stored } = await writer.commit();
        sameChunks(await readSnapshot(storage, stored), [pattern(2000, 1), pattern(500, 2)]);
      }
      assert.deepEqual(await indexes(storage), [30, 4]);
    },
  },
  {
    id: 'snapshots/empty-chunks',
    title: 'a chunk of no bytes is a chunk: it is counted and comes back at its place',
    level: 'durable',
    run: async (context) => {
      const { storage } = await context.group();
      const chunks = [bytes(''), bytes('one'), bytes(''), bytes(''), bytes('two'), bytes('')];
      const stored = await create(storage, meta(3, 1), chunks);
      assert.deepEqual([stored.chunkCount, stored.bytes], [6, 6]);
      sameChunks(await readSnapshot(storage, stored.id), chunks);
      sameChunks(await readSnapshot((await context.reopen()).storage, stored.id), chunks);
    },
  },
  {
    id: 'snapshots/prune-beside-pending-restore',
    title: 'pruning keeps the newest as asked for, and a pending restore besides when it is not among them',
    level: 'durable',
    run: async (context) => {
      const { storage } = await context.group();
      const pending = await receive(storage, meta(5, 1));
      await storage.write({ install: pending.id });
      for (const index of [1, 7, 9, 8]) await create(storage, meta(index, 1));
      await storage.pruneSnapshots(3);
      assert.deepEqual(await indexes(storage), [9, 8, 7, 5], 'three, and the pending one');
      await storage.pruneSnapshots(1);
      assert.deepEqual(await indexes(storage), [9, 5], 'one, and the pending one');
      const newest = await receive(storage, meta(12, 1));
      await storage.write({ install: newest.id });
      await storage.pruneSnapshots(1);
      assert.deepEqual(await indexes(storage), [12], 'the pending one is the newest');
      assert.deepEqual(await indexes((await context.reopen()).storage), [12]);
    },
  },
  {
    id: 'snapshots/stay-in-their-group',
    title: 'a snapshot is not opened, resumed or installed through another group',
    level: 'core',
    run: async (context) => {
      const { storage } = await context.group('a');
      const other = (await context.group('b')).storage;
      const first = await other.receiveSnapshot(meta(4, 1));
      await first.abort();
      const unfinished = await storage.receiveSnapshot(meta(5, 2));
      const stored = await receive(storage, meta(6, 2));
      // Ids are of one group: the same one may be another snapshot's in another.
      const known = new Set((await other.listSnapshots()).map(({ id }) => id));
      assert.equal(known.size, 0);
      await refuses(() => other.openSnapshot(stored.id), 'STORE_SNAPSHOT_NOT_FOUND');
      await refuses(() => other.write({ install: stored.id }), 'STORE_SNAPSHOT_NOT_FOUND');
      await refuses(() => other.receiveSnapshot(meta(5, 2), unfinished.id), 'STORE_SNAPSHOT_NOT_FOUND');
      await unfinished.write(bytes('goes on'));
      await unfinished.commit();
      assert.deepEqual(await indexes(storage), [6, 5]);
    },
  },
];
