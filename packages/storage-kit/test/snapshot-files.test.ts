import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { EmptyConfState, maxChunkBytes, type SnapshotMetadata, type StoredSnapshot } from '@balsa/raft-core';
import {
  SnapshotDirectory,
  crc32,
  groupHash,
  nodeFileSystem,
  type FileSystem,
  type SnapshotFiles,
} from '@balsa/storage-kit';
import { describe, expect, test } from 'vitest';
import { temporaryDirectory, watch } from './support/index.ts';

const metadata = (index: number): SnapshotMetadata => ({
  index,
  term: 2,
  confState: { ...EmptyConfState, voters: [1, 2] },
});

function openAll(
  path: string,
  fs: FileSystem = nodeFileSystem,
  isKnown?: (hash: string) => boolean,
): Promise<SnapshotDirectory> {
  return SnapshotDirectory.open({ fs, path, random: Math.random }, isKnown);
}

async function openGroup(path: string, group = 'g', fs?: FileSystem): Promise<SnapshotFiles> {
  return (await openAll(path, fs)).group(group);
}

const chunk = (n: number, length = 10 + ((n * 31) % 500)): Uint8Array => new Uint8Array(length).fill(n);

async function store(
  files: SnapshotFiles,
  index: number,
  chunks: readonly Uint8Array[],
): Promise<StoredSnapshot> {
  const writer = await files.create(metadata(index));
  for (const one of chunks) await writer.write(one);
  return writer.commit();
}

describe('snapshot files', () => {
  test('give every chunk back, in order and at random, after a reopening', async () => {
    const path = temporaryDirectory();
    const chunks = [
      ...Array.from({ length: 300 }, (_, n) => chunk(n)),
      new Uint8Array(0),
      chunk(7, maxChunkBytes),
    ];
    const stored = await store(await openGroup(path), 5, chunks);
    expect(stored).toMatchObject({
      chunkCount: 302,
      checksum: crc32(Buffer.concat(chunks)),
      origin: 'created',
    });
    const files = await openGroup(path);
    expect(files.list()).toEqual([stored]);
    const reader = await files.openSnapshot(stored.id);
    for (const n of [301, 0, 63, 64, 65, 300, 128, 299, 1]) expect(await reader.chunk(n)).toEqual(chunks[n]);
    for (let n = 0; n < chunks.length; n++) expect((await reader.chunk(n)).length).toBe(chunks[n]?.length);
    await expect(reader.chunk(302)).rejects.toMatchObject({ code: 'OUT_OF_RANGE' });
    await reader.close();
  });

  test('are synced before they get their name, and the name before the commit resolves', async () => {
    const path = temporaryDirectory();
    const fs = watch();
    const files = await openGroup(path, 'g', fs);
    fs.done.length = 0;
    const { id } = await store(files, 5, [chunk(1)]);
    const kinds = fs.done.map((what) => what.split(' ')[0]);
    expect(kinds).toEqual(['write', 'write', 'write', 'sync', 'rename', 'syncDirectory']);
    expect(fs.done.at(-2)).toBe(`rename ${groupHash('g')}.${id}.snap`);
  });

  test('a failed sync or rename aborts and leaves nothing', async () => {
    for (const operation of ['sync', 'rename', 'syncDirectory'] as const) {
      const path = temporaryDirectory();
      const fs = watch();
      const files = await openGroup(path, 'g', fs);
      const writer = await files.create(metadata(5));
      const name = `${groupHash('g')}.${writer.id}.snap`;
      fs.failing.add(
        {
          sync: `sync ${name}.tmp`,
          rename: `rename ${name}`,
          syncDirectory: `syncDirectory ${basename(path)}`,
        }[operation],
      );
      await expect(writer.commit(), operation).rejects.toMatchObject({ code: 'STORE_IO' });
      await expect(writer.write(chunk(1))).rejects.toMatchObject({ code: 'STORE_SNAPSHOT_ABORTED' });
      expect(files.list()).toEqual([]);
      expect(readdirSync(path)).toEqual([]);
    }
  });

  test('are verified against what was announced', async () => {
    const path = temporaryDirectory();
    const files = await openGroup(path);
    const writer = await files.receive(metadata(5));
    await writer.write(chunk(1));
    await expect(writer.commit({ chunkCount: 2, bytes: 41, checksum: 0 })).rejects.toMatchObject({
      code: 'STORE_SNAPSHOT_INVALID',
    });
    expect(readdirSync(path)).toEqual([]);
  });

  test('an unfinished one is resumed within the life of the process, only with the same metadata', async () => {
    const files = await openGroup(temporaryDirectory());
    const writer = await files.receive(metadata(5));
    await writer.write(chunk(1));
    const resumed = await files.receive(metadata(5), writer.id);
    expect(resumed.chunkCount).toBe(1);
    await expect(files.receive(metadata(6), writer.id)).rejects.toMatchObject({
      code: 'STORE_SNAPSHOT_INVALID',
    });
    await resumed.commit();
    await expect(files.receive(metadata(5), writer.id)).rejects.toMatchObject({
      code: 'STORE_SNAPSHOT_NOT_FOUND',
    });
  });

  test('opening removes temporaries and files of unknown groups, and nothing else', async () => {
    const path = temporaryDirectory();
    const [mine, other] = [await openGroup(path, 'mine'), await openGroup(path, 'other')];
    await store(mine, 5, [chunk(1)]);
    await store(other, 5, [chunk(1)]);
    const unfinished = await mine.receive(metadata(9));
    await unfinished.write(chunk(2));
    for (const name of ['README', 'x.snap', 'x.snap.tmp']) writeFileSync(join(path, name), 'not ours');
    expect(readdirSync(path)).toHaveLength(6);
    const directory = await openAll(path, nodeFileSystem, (hash) => hash === groupHash('mine'));
    expect(
      readdirSync(path)
        .filter((name) => !name.startsWith(groupHash('mine')))
        .sort(),
    ).toEqual(['README', 'x.snap', 'x.snap.tmp']);
    expect((await directory.group('mine')).list()).toHaveLength(1);
    expect((await directory.group('other')).list()).toEqual([]);
    await unfinished.abort();
  });

  test('names are safe and apart, whatever the group is called', async () => {
    const path = temporaryDirectory();
    const names = ['../../etc', 'a/b', 'a', 'A', '\ud800', '\ud801', '\ufffd', '', '*', 'nul\0'];
    for (const [i, name] of names.entries()) await store(await openGroup(path, name), i + 1, [chunk(i)]);
    expect(readdirSync(path)).toHaveLength(names.length);
    for (const [i, name] of names.entries()) {
      expect((await openGroup(path, name)).list().map((stored) => stored.metadata.index)).toEqual([i + 1]);
    }
  });

  test('pruning keeps the newest and the pinned, and a reader of a pruned one goes on', async () => {
    const path = temporaryDirectory();
    const files = await openGroup(path);
    const stored: StoredSnapshot[] = [];
    for (const index of [3, 9, 5, 5]) stored.push(await store(files, index, [chunk(index)]));
    expect(files.list().map((one) => one.id)).toEqual([1, 3, 2, 0].map((i) => stored[i]?.id));
    const reader = await files.openSnapshot(stored[2]?.id ?? '');
    await files.prune(1, new Set([stored[0]?.id ?? '']));
    expect(files.list().map((one) => one.metadata.index)).toEqual([9, 3]);
    expect(readdirSync(path)).toHaveLength(2);
    expect(await reader.chunk(0)).toEqual(chunk(5));
    await reader.close();
    await expect(files.openSnapshot(stored[2]?.id ?? '')).rejects.toMatchObject({
      code: 'STORE_SNAPSHOT_NOT_FOUND',
    });
  });

  test('one flipped bit anywhere is an error, never other bytes', async () => {
    const path = temporaryDirectory();
    const chunks = [chunk(1), chunk(2), chunk(3)];
    const stored = await store(await openGroup(path), 5, chunks);
    const [name = ''] = readdirSync(path);
    const file = join(path, name);
    const whole = readFileSync(file);
    for (let offset = 0; offset < whole.length; offset += 3) {
      const damaged = Buffer.from(whole);
      damaged[offset] = (damaged[offset] ?? 0) ^ (1 << (offset % 8));
      writeFileSync(file, damaged);
      const files = await openGroup(path);
      const read = async (): Promise<Uint8Array[]> => {
        const reader = await files.openSnapshot(stored.id);
        try {
          return [await reader.chunk(0), await reader.chunk(1), await reader.chunk(2)];
        } finally {
          await reader.close();
        }
      };
      // Either the ends are damaged and it is not listed, or the chunk is and is not given.
      await expect(read(), `byte ${String(offset)}`).rejects.toMatchObject({
        code: files.damaged().length === 1 ? 'STORE_SNAPSHOT_NOT_FOUND' : 'STORE_CORRUPT',
      });
    }
  });

  test('truncated anywhere, or under the name of another, is damaged', async () => {
    const path = temporaryDirectory();
    await store(await openGroup(path), 5, [chunk(1), chunk(2)]);
    const [name = ''] = readdirSync(path);
    const whole = readFileSync(join(path, name));
    for (const length of [0, 5, 40, whole.length - 60, whole.length - 1]) {
      writeFileSync(join(path, name), whole.subarray(0, length));
      const files = await openGroup(path);
      expect([files.list().length, files.damaged().length], String(length)).toEqual([0, 1]);
    }
    writeFileSync(join(path, name.replace(groupHash('g'), groupHash('h'))), whole);
    expect((await openGroup(path, 'h')).damaged()).toHaveLength(1);
  });
});
