import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { temporaryDirectory } from './support/index.ts';

const strace = spawnSync('strace', ['-V']).status === 0;
const child = fileURLToPath(new URL('./support/child-main.mjs', import.meta.url));
const why = strace ? '' : ' (NOT RUN: strace is not installed; apt-get install strace)';

describe.skipIf(!strace)(`system calls${why}`, () => {
  let trace: readonly string[] = [];

  beforeAll(() => {
    const file = join(temporaryDirectory(), 'trace');
    const filter = 'trace=fsync,fdatasync,access,faccessat,faccessat2';
    const command = ['-f', '-qq', '-y', '-e', filter, '-o', file];
    const { status, stderr } = spawnSync(
      'strace',
      [...command, process.execPath, child, 'trace', temporaryDirectory()],
      { encoding: 'utf8' },
    );
    if (status !== 0) throw new Error(`the traced process failed: ${stderr}`);
    trace = readFileSync(file, 'utf8').split('\n');
  });

  /** Syncs between two marks: of the write-ahead log, and of the watermark. */
  function between(from: string, to: string): { readonly log: number; readonly watermark: number } {
    const [start, end] = [from, to].map((name) =>
      trace.findIndex((line) => line.includes(`balsa-mark-${name}"`)),
    );
    const syncs = trace.slice(start, end).filter((line) => /\bf(data)?sync\(/.test(line));
    const count = (part: string): number => syncs.filter((line) => line.includes(part)).length;
    return { log: count('.log>'), watermark: count('/watermark>') };
  }

  test('a write is one sync of the write-ahead log', () => {
    expect(between('single', 'shared')).toEqual({ log: 20, watermark: 0 });
  });

  test('what groups write in one turn shares its sync', () => {
    expect(between('shared', 'vote')).toEqual({ log: 20, watermark: 0 });
  });

  test('a change of term or vote syncs the watermark, too', () => {
    expect(between('vote', 'unsynced')).toEqual({ log: 1, watermark: 1 });
  });

  test('writes of an ordered store cost no sync, and one makes all of them durable', () => {
    expect(between('unsynced', 'sync')).toEqual({ log: 0, watermark: 0 });
    expect(between('sync', 'sweep')).toEqual({ log: 1, watermark: 1 });
  });

  test('a range is never deleted without a synced batch behind it', () => {
    expect(between('swept', 'end').log).toBe(1);
  });
});
