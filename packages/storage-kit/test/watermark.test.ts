import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Watermark, nodeFileSystem, type FileSystem, type WatermarkOptions } from '@balsa/storage-kit';
import { describe, expect, test } from 'vitest';
import { temporaryDirectory, watch } from './support/index.ts';

const identity = '0123456789abcdef';

function options(
  fs: FileSystem = nodeFileSystem,
  lag = 10,
  directory = temporaryDirectory(),
): WatermarkOptions {
  return { fs, directory, name: 'watermark', lag };
}

async function reopen(given: WatermarkOptions): Promise<number | undefined> {
  const watermark = await Watermark.open(given);
  await watermark?.close();
  return watermark?.sequence;
}

function flip(directory: string, offset: number): void {
  const path = join(directory, 'watermark');
  const bytes = readFileSync(path);
  bytes[offset] = (bytes[offset] ?? 0) ^ 1;
  writeFileSync(path, bytes);
}

describe('the watermark', () => {
  test('is undefined where there is no file, and 0 when it is new', async () => {
    const given = options();
    expect(await Watermark.open(given)).toBeUndefined();
    const made = await Watermark.create(given, identity);
    expect([made.identity, made.sequence]).toEqual([identity, 0]);
    await made.close();
    expect(await reopen(given)).toBe(0);
  });

  test('is found again at the highest sequence it was told, over many closings', async () => {
    const given = options();
    await (await Watermark.create(given, identity)).close();
    for (let last = 0; last < 60; last += 3) {
      const watermark = await Watermark.open(given);
      expect(watermark?.sequence).toBe(last);
      for (let i = 1; i <= 3; i++) await watermark?.advance(last + i, i === 2);
      await watermark?.close();
    }
    expect(await reopen(given)).toBe(60);
  });

  test('is not synced for an ordinary write, and never trails by more than the lag', async () => {
    const fs = watch();
    const watermark = await Watermark.create(options(fs, 10), identity);
    fs.done.length = 0;
    for (let sequence = 1; sequence <= 100; sequence++) {
      await watermark.advance(sequence, false);
      expect(sequence - watermark.durableSequence).toBeLessThan(10);
    }
    expect(fs.done.filter((what) => what === 'dataSync watermark')).toHaveLength(10);
    await watermark.close();
  });

  test('is written before an ordinary write returns, where the file system can', async () => {
    const given = options();
    const watermark = await Watermark.create(given, identity);
    const copy = temporaryDirectory();
    for (let sequence = 1; sequence <= 3; sequence++) {
      expect(watermark.advance(sequence, false)).toBeUndefined();
      writeFileSync(join(copy, 'watermark'), readFileSync(join(given.directory, 'watermark')));
      expect(await reopen(options(nodeFileSystem, 10, copy))).toBe(sequence);
    }
    await watermark.close();
  });

  test('that cannot be written at once says so to that call and to every later one', async () => {
    const fs: FileSystem = {
      ...nodeFileSystem,
      open: async (path, mode) => {
        const handle = await nodeFileSystem.open(path, mode);
        return Object.assign(handle, {
          writeNow: () => {
            throw Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC' });
          },
        });
      },
    };
    const watermark = await Watermark.create(options(fs), identity);
    for (let sequence = 1; sequence <= 2; sequence++) {
      await expect(watermark.advance(sequence, false)).rejects.toMatchObject({
        code: 'STORE_UNKNOWN_OUTCOME',
      });
    }
    await expect(watermark.close()).rejects.toMatchObject({ code: 'STORE_UNKNOWN_OUTCOME' });
  });

  test('is durable when it has to be', async () => {
    const watermark = await Watermark.create(options(), identity);
    await watermark.advance(1, true);
    expect(watermark.durableSequence).toBe(1);
    await Promise.all([watermark.advance(2, true), watermark.advance(3, true), watermark.advance(4, true)]);
    expect(watermark.durableSequence).toBe(4);
    await watermark.close();
  });

  test('keeps the synced slot whole while the other one is written: a torn write costs only what was not synced', async () => {
    const given = options();
    const watermark = await Watermark.create(given, identity);
    await watermark.advance(5, true);
    const synced = readFileSync(join(given.directory, 'watermark'));
    for (let sequence = 6; sequence < 12; sequence++) {
      watermark.advance(sequence, false)?.catch(() => undefined);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await watermark.close();
    // Slot 1 held 5 durably; everything until the sync of the closing went to slot 0.
    expect(readFileSync(join(given.directory, 'watermark')).subarray(4096)).toEqual(synced.subarray(4096));
    flip(given.directory, 15);
    expect(await reopen(given)).toBe(5);
  });

  test('with both slots damaged is STORE_CORRUPT, never 0', async () => {
    const given = options();
    const watermark = await Watermark.create(given, identity);
    await watermark.advance(7, true);
    await watermark.close();
    flip(given.directory, 3);
    expect(await reopen(given)).toBe(7);
    flip(given.directory, 4096 + 20);
    await expect(Watermark.open(given)).rejects.toMatchObject({ code: 'STORE_CORRUPT' });
  });

  test('that cannot be written makes the outcome unknown, also for later writes', async () => {
    const fs = watch();
    const watermark = await Watermark.create(options(fs), identity);
    fs.failing.add('dataSync watermark');
    await expect(watermark.advance(1, true)).rejects.toMatchObject({ code: 'STORE_UNKNOWN_OUTCOME' });
    fs.failing.clear();
    await expect(watermark.advance(2, false)).rejects.toMatchObject({ code: 'STORE_UNKNOWN_OUTCOME' });
    await expect(watermark.close()).rejects.toMatchObject({ code: 'STORE_UNKNOWN_OUTCOME' });
  });
});
