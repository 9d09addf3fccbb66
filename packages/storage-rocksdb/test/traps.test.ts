/**
 * Traps of the binding that this package is pinned to, and that the store does not fall into. Where a test
 * of the binding itself fails, the binding was mended: binding.ts need not go around it any more.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { entry, openEngine, openGroup, temporaryDirectory } from './support/index.ts';

const strace = spawnSync('strace', ['-V']).status === 0;
const child = fileURLToPath(new URL('./support/traps-main.mjs', import.meta.url));
const why = strace ? '' : ' (NOT RUN: strace is not installed; apt-get install strace)';

describe.skipIf(!strace)(`the binding${why}`, () => {
  test('does not sync a put, a del or a clear that asks for it, and syncs a batch', () => {
    const file = join(temporaryDirectory(), 'trace');
    const options = [
      '-f',
      '-qq',
      '-y',
      '-e',
      'trace=fsync,fdatasync,access,faccessat,faccessat2',
      '-o',
      file,
    ];
    const command = [...options, process.execPath, child, join(temporaryDirectory(), 'db')];
    const { status, stderr } = spawnSync('strace', command, { encoding: 'utf8' });
    expect(status, stderr).toBe(0);
    const trace = readFileSync(file, 'utf8').split('\n');
    const marks = ['put', 'del', 'clear', 'batch', 'end'];
    const at = marks.map((name) => trace.findIndex((line) => line.includes(`balsa-mark-${name}"`)));
    const syncs = marks
      .slice(0, -1)
      .map((_, i) => trace.slice(at[i], at[i + 1]).filter((line) => /\bf(data)?sync\(.*\.log>/.test(line)));
    expect(syncs.map((lines) => lines.length)).toEqual([0, 0, 0, 20]);
  });
});

/** All of the write-ahead log that is there. */
function logOf(directory: string): Buffer {
  const path = join(directory, 'db');
  const names = readdirSync(path).filter((name) => name.endsWith('.log'));
  return Buffer.concat(names.map((name) => readFileSync(join(path, name))));
}

describe('the write-ahead log of the store', () => {
  test('is not compressed: what is written stands in it as it is', async () => {
    const directory = temporaryDirectory();
    const storage = await openGroup(await openEngine(directory));
    const text = 'as easy to compress as anything can be, ';
    const data = new TextEncoder().encode(text.repeat(500));
    await storage.write({ entries: [entry(1, 1, data)] });
    const log = logOf(directory);
    expect(log.length).toBeGreaterThan(data.length);
    // A record is cut where a block of 32 KiB ends: all but one or two stand whole.
    expect(log.toString('latin1').split(text).length - 1).toBeGreaterThan(497);
  });
});
