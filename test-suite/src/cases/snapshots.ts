/** Creating, receiving, listing, reading and pruning snapshots. */
import assert from 'node:assert/strict';
import { crc32, maxChunkBytes, type Storage } from '@balsa/raft-core';
import type { ConformanceCase } from '../case.ts';
import { readSnapshot, refuses, rejects, sameBytes, sameChunks, sameSnapshot } from '../check.ts';
import { bytes, create, hard, jointConf, meta, pattern, receive, run } from '../make.ts';

const chunks = [bytes('one'), pattern(5000), Uint8Array.of(0), pattern(70, 9)];
const total = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
const checksum = chunks.reduce((value, chunk) => crc32(chunk, value), 0);

const ids = async (storage: Storage): Promise<string[]> =>
  (await storage.listSnapshots()).map(({ id }) => id);

export const snapshotCases: readonly ConformanceCase[] = [
  ...(['created', 'received'] as const).map((origin): ConformanceCase => ({
    id: `snapshots/${origin}-round-trip`,
    title: `a snapshot that was ${origin} comes back: metadata, count, bytes, checksum and chunks`,
    level: 'durable',
    run: async (context) => {
      const { storage } = await context.group();
      const metadata = meta(12, 3, jointConf);
      const stored = await (origin === 'created' ? create : receive)(storage, metadata, chunks);
      const expected = { id: stored.id, metadata, origin, chunkCount: 4, bytes: total, checksum };
      sameSnapshot(stored, expected);
      sameSnapshot((await storage.listSnapshots())[0], expected);
      sameChunks(await readSnapshot(storage, stored.id), chunks);
      const again = await context.reopen();
      sameSnapshot(again.state.snapshot, expected);
      sameSnapshot((await again.storage.listSnapshots())[0], expected);
      sameChunks(await readSnapshot(again.storage, stored.id), chunks);
      assert.equal(again.state.pendingRestore, undefined);
    },
  })),
  {
    id: 'snapshots/not-listed-before-commit',
    title: 'a snapshot counts only once its commit has resolved',
    level: 'core',
    run: async (context) => {
      const { storage } = await context.group();
      const made = await storage.createSnapshot(meta(3, 1));
      const taken = await storage.receiveSnapshot(meta(4, 1));
      for (const writer of [made, taken]) await writer.write(bytes('part'));
      assert.deepEqual(await ids(storage), []);
      await refuses(() => storage.openSnapshot(made.id), 'STORE_SNAPSHOT_NOT_FOUND');
      await refuses(() => storage.openSnapshot(taken.id), 'STORE_SNAPSHOT_NOT_FOUND');
      await refuses(() => storage.write({ install: taken.id }), 'STORE_SNAPSHOT_NOT_FOUND');
      await made.commit();
      await taken.commit();
      assert.deepEqual(await ids(storage), [taken.id, made.id]);
    },
  },
  {
    id: 'snapshots/unfinished-are-gone-after-reopen',
    title: 'what was not committed is gone after reopening, and cannot be resumed',
    level: 'durable',
    run: async (context) => {
      const { storage } = await context.group();
      const kept = await create(storage, meta(2, 1));
      const made = await storage.createSnapshot(meta(3, 1));
      const taken = await storage.receiveSnapshot(meta(4, 1));
      for (const writer of [made, taken]) await writer.write(pattern(3000));
      const again = await context.reopen();
      assert.deepEqual(await ids(again.storage), [kept.id]);
      assert.equal(again.state.snapshot?.id, kept.id);
      await refuses(() => again.storage.receiveSnapshot(meta(4, 1), taken.id), 'STORE_SNAPSHOT_NOT_FOUND');
    },
  },
  {
    id: 'snapshots/abort',
    title: 'an aborted snapshot leaves nothing; aborting is idempotent, and a no-op after commit',
    level: 'durable',
    run: async (context) => {
      const { storage } = await context.group();
      const writer = await storage.createSnapshot(meta(3, 1));
      await writer.write(pattern(100));
      await writer.abort();
      await writer.abort();
      await refuses(() => writer.write(bytes('late')), 'STORE_SNAPSHOT_ABORTED');
      await refuses(() => writer.commit(), 'STORE_SNAPSHOT_ABORTED');
      assert.deepEqual(await ids(storage), []);
      const kept = await storage.createSnapshot(meta(3, 1));
      await kept.commit();
      await kept.abort();
      assert.deepEqual(await ids(storage), [kept.id]);
      assert.deepEqual(await ids((await context.reopen()).storage), [kept.id]);
    },
  },
  ...(['chunkCount', 'bytes', 'checksum'] as const).map((field): ConformanceCase => ({
    id: `snapshots/wrong-${field}-is-refused`,
    title: `a snapshot whose ${field} differs from what was announced is refused and aborted`,
    level: 'core',
    run: async (context) => {
      const { storage } = await context.group();
      const writer = await storage.receiveSnapshot(meta(5, 2));
      for (const chunk of chunks) await writer.write(chunk);
      const announced = { chunkCount: 4, bytes: total, checksum };
      await refuses(
        () => writer.commit({ ...announced, [field]: announced[field] + 1 }),
        'STORE_SNAPSHOT_INVALID',
      );
      assert.deepEqual(await ids(storage), []);
      await refuses(() => writer.write(bytes('late')), 'STORE_SNAPSHOT_ABORTED');
    },
  })),
  {
    id: 'snapshots/announced-as-it-is',
    title: 'a snapshot that is what was announced is taken',
    level: 'core',
    run: async (context) => {
      const { storage } = await context.group();
      const writer = await storage.receiveSnapshot(meta(5, 2));
      for (const chunk of chunks) await writer.write(chunk);
      await writer.commit({ chunkCount: 4, bytes: total, checksum });
      sameChunks(await readSnapshot(storage, writer.id), chunks);
    },
  },
  {
    id: 'snapshots/newest-first',
    title: 'the list goes from the highest index down, of one index the latest first',
    level: 'durable',
    run: async (context) => {
      const { storage } = await context.group();
      const made: string[] = [];
      for (const index of [5, 100, 20, 9, 20]) made.push((await create(storage, meta(index, 1))).id);
      const order = [1, 4, 2, 3, 0].map((n) => made[n]);
      assert.deepEqual(await ids(storage), order);
      const again = await context.reopen();
      assert.deepEqual(await ids(again.storage), order);
      assert.equal(again.state.snapshot?.id, order[0]);
    },
  },
  {
    id: 'snapshots/prune',
    title: 'pruning keeps the newest ones and removes the others for good',
    level: 'durable',
    run: async (context) => {
      const { storage } = await context.group();
      const made: string[] = [];
      for (const index of [1, 2, 3, 4, 5]) made.push((await create(storage, meta(index, 1))).id);
      for (const keep of [-1, 1.5, Number.NaN])
        await rejects(() => storage.pruneSnapshots(keep), `keeping ${String(keep)} snapshots`);
      await storage.pruneSnapshots(9);
      assert.equal((await ids(storage)).length, 5);
      await storage.pruneSnapshots(2);
      assert.deepEqual(await ids(storage), [made[4], made[3]]);
      await refuses(() => storage.openSnapshot(made[0] ?? ''), 'STORE_SNAPSHOT_NOT_FOUND');
      const again = await context.reopen();
      assert.deepEqual(await ids(again.storage), [made[4], made[3]]);
      await again.storage.pruneSnapshots(0);
      assert.deepEqual(await ids(again.storage), []);
      assert.equal((await context.reopen()).state.snapshot, undefined);
    },
  },
  {
    id: 'snapshots/prune-spares-pending-restore',
    title: 'a snapshot whose restore is pending is never pruned; once restored it is',
    level: 'durable',
    run: async (context) => {
      const { storage } = await context.group();
      const pending = await receive(storage, meta(7, 1), chunks);
      await storage.write({ install: pending.id });
      const newer = await create(storage, meta(9, 1));
      await storage.pruneSnapshots(0);
      assert.deepEqual(await ids(storage), [pending.id]);
      assert.notEqual(newer.id, pending.id);
      const again = await context.reopen();
      sameChunks(await readSnapshot(again.storage, pending.id), chunks);
      await again.storage.write({ restored: pending.id });
      await again.storage.pruneSnapshots(0);
      assert.deepEqual(await ids(again.storage), []);
    },
  },
  {
    id: 'snapshots/reader-outlives-prune',
    title: 'an open reader reads to the end although the snapshot is pruned meanwhile',
    level: 'core',
    run: async (context) => {
      const { storage } = await context.group();
      const old = await create(storage, meta(3, 1), chunks);
      const one = await storage.openSnapshot(old.id);
      const two = await storage.openSnapshot(old.id);
      const read = [await one.chunk(0)];
      await create(storage, meta(9, 1));
      await storage.pruneSnapshots(1);
      let slices = 0;
      while (await storage.maintain()) assert.ok(++slices < 10_000, 'maintain never says that it is done');
      await one.close();
      for (const n of [1, 2, 3]) read.push(await two.chunk(n));
      sameChunks(read, chunks);
      await two.close();
      await rejects(() => two.chunk(0), 'a closed reader reads no more');
    },
  },
  {
    id: 'snapshots/any-order-of-chunks',
    title: 'chunks can be read in any order and again, and there is none beyond the last',
    level: 'core',
    run: async (context) => {
      const { storage } = await context.group();
      const reader = await storage.openSnapshot((await create(storage, meta(3, 1), chunks)).id);
      for (const n of [3, 0, 2, 2, 1, 0]) sameBytes(await reader.chunk(n), chunks[n], `chunk ${String(n)}`);
      for (const n of [4, -1, 1.5, Number.NaN])
        await rejects(() => reader.chunk(n), `chunk ${String(n)} of 4`);
      await reader.close();
    },
  },
  {
    id: 'snapshots/resume',
    title: 'an unfinished reception is resumed where it stopped, and only with the same metadata',
    level: 'core',
    run: async (context) => {
      const { storage } = await context.group();
      const first = await storage.receiveSnapshot(meta(5, 2));
      assert.equal(first.chunkCount, 0);
      for (const chunk of chunks.slice(0, 2)) await first.write(chunk);
      await refuses(() => storage.receiveSnapshot(meta(5, 3), first.id), 'STORE_SNAPSHOT_INVALID');
      await refuses(() => storage.receiveSnapshot(meta(5, 2), 'no-such'), 'STORE_SNAPSHOT_NOT_FOUND');
      const second = await storage.receiveSnapshot(meta(5, 2), first.id);
      assert.equal(second.id, first.id);
      assert.equal(second.chunkCount, 2);
      for (const chunk of chunks.slice(2)) await second.write(chunk);
      await second.commit({ chunkCount: 4, bytes: total, checksum });
      sameChunks(await readSnapshot(storage, second.id), chunks);
      await refuses(() => storage.receiveSnapshot(meta(5, 2), first.id), 'STORE_SNAPSHOT_NOT_FOUND');
    },
  },
  {
    id: 'snapshots/several-writers',
    title: 'several snapshots can be written at once, beside log writes and compactions',
    level: 'core',
    run: async (context) => {
      const { storage } = await context.group();
      await storage.write({ entries: run(1, 9, 1), hardState: hard(1, 9) });
      const writers = [await storage.createSnapshot(meta(4, 1)), await storage.receiveSnapshot(meta(20, 2)), await storage.createSnapshot(meta(6, 1))]; // prettier-ignore
      assert.equal(new Set(writers.map(({ id }) => id)).size, 3);
      for (let n = 0; n < 4; n++) {
        await Promise.all([
          ...writers.map((writer, w) => writer.write(pattern(1000, 10 * w + n))),
          storage.write({ entries: run(10 + n, 10 + n, 1) }),
          storage.compactTo(n + 1),
        ]);
      }
      for (const [w, writer] of writers.entries()) {
        await writer.commit();
        sameChunks(await readSnapshot(storage, writer.id), [0, 1, 2, 3].map((n) => pattern(1000, 10 * w + n))); // prettier-ignore
      }
    },
  },
  {
    id: 'snapshots/buffers-stay-the-callers',
    title:
      'a chunk buffer may be used again as soon as its write has resolved, and a chunk read may be changed',
    level: 'core',
    run: async (context) => {
      const { storage } = await context.group();
      const writer = await storage.createSnapshot(meta(3, 1));
      const buffer = new Uint8Array(500);
      for (const n of [1, 2, 3]) {
        buffer.fill(n);
        await writer.write(buffer.subarray(0, 100 * n));
      }
      const stored = await writer.commit();
      const expected = [1, 2, 3].map((n) => new Uint8Array(100 * n).fill(n));
      const read = await readSnapshot(storage, stored.id);
      sameChunks(read, expected);
      for (const chunk of read) chunk.fill(0);
      sameChunks(await readSnapshot(storage, stored.id), expected);
    },
  },
  {
    id: 'snapshots/largest-chunk',
    title: 'a chunk of the largest size is taken, one byte more is refused and leaves the writer usable',
    level: 'core',
    run: async (context) => {
      const { storage } = await context.group();
      const writer = await storage.createSnapshot(meta(3, 1));
      const large = pattern(maxChunkBytes);
      await writer.write(large);
      await refuses(() => writer.write(new Uint8Array(maxChunkBytes + 1)), 'INVALID_ARGUMENT');
      await writer.write(bytes('after'));
      const stored = await writer.commit();
      sameChunks(await readSnapshot(storage, stored.id), [large, bytes('after')]);
    },
  },
  {
    id: 'snapshots/no-chunks',
    title: 'a snapshot without any chunk is a snapshot',
    level: 'durable',
    run: async (context) => {
      const { storage } = await context.group();
      const stored = await create(storage, meta(3, 1), []);
      assert.deepEqual([stored.chunkCount, stored.bytes, stored.checksum], [0, 0, 0]);
      sameChunks(await readSnapshot((await context.reopen()).storage, stored.id), []);
    },
  },
  {
    id: 'snapshots/ids',
    title: 'ids are safe in a file name and never given twice, also after pruning and reopening',
    level: 'durable',
    run: async (context) => {
      const seen = new Set<string>();
      let { storage } = await context.group();
      for (let round = 0; round < 3; round++) {
        for (const make of [create, receive, create]) {
          const { id } = await make(storage, meta(5, 1));
          assert.match(id, /^[\w.-]{1,120}$/);
          assert.ok(!seen.has(id), `id ${id} was given twice`);
          seen.add(id);
        }
        await storage.pruneSnapshots(0);
        ({ storage } = await context.reopen());
      }
    },
  },
];
