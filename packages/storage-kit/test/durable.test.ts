import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { crc32 as plainCrc32 } from '@balsa/raft-core';
import { crc32, nodeFileSystem, writeFileDurably } from '@balsa/storage-kit';
import { describe, expect, test } from 'vitest';
import { temporaryDirectory, watch } from './support/index.ts';

describe('a file written durably', () => {
  test('is synced, then renamed, then its directory is synced', async () => {
    const directory = temporaryDirectory();
    const fs = watch();
    await writeFileDurably(fs, directory, 'f', new Uint8Array([1, 2, 3]));
    expect(fs.done.slice(1)).toEqual([
      'write f.tmp',
      'sync f.tmp',
      'rename f',
      `syncDirectory ${basename(directory)}`,
    ]);
    expect([...readFileSync(join(directory, 'f'))]).toEqual([1, 2, 3]);
  });

  test('leaves the old contents when it fails, says where, and succeeds over what was left', async () => {
    const directory = temporaryDirectory();
    writeFileSync(join(directory, 'f'), 'old');
    const fs = watch();
    fs.failing.add('sync f.tmp');
    await expect(writeFileDurably(fs, directory, 'f', new Uint8Array(3))).rejects.toMatchObject({
      code: 'STORE_IO',
      details: { path: join(directory, 'f') },
    });
    expect(readFileSync(join(directory, 'f'), 'utf8')).toBe('old');
    fs.failing.clear();
    await writeFileDurably(fs, directory, 'f', new Uint8Array(3));
    expect(readdirSync(directory)).toEqual(['f']);
  });
});

describe('the file system of Node', () => {
  test('writes several buffers at a place and reads no further than the end', async () => {
    const path = join(temporaryDirectory(), 'f');
    const handle = await nodeFileSystem.open(path, 'create');
    await handle.write([new Uint8Array([1]), new Uint8Array(0), new Uint8Array([2, 3])], 2);
    const buffer = new Uint8Array(10).fill(9);
    expect(await handle.read(buffer, 1)).toBe(4);
    expect([...buffer]).toEqual([0, 1, 2, 3, 9, 9, 9, 9, 9, 9]);
    await handle.close();
    await handle.close();
    await expect(nodeFileSystem.open(path, 'create')).rejects.toMatchObject({ code: 'EEXIST' });
    expect(await nodeFileSystem.size(`${path}-missing`)).toBeUndefined();
  });
});

describe('the checksum', () => {
  test('is that of the core, and empty input leaves it as it is', () => {
    const bytes = new TextEncoder().encode('123456789');
    expect(crc32(bytes)).toBe(0xcbf43926);
    expect(crc32(bytes, 77)).toBe(plainCrc32(bytes, 77));
    expect(crc32(new Uint8Array(0), 77)).toBe(77);
    expect(crc32(bytes.subarray(4, 4), 77)).toBe(77);
  });
});
