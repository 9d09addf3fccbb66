import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Child } from './support/child.ts';
import { temporaryDirectory } from './support/index.ts';

const strace = spawnSync('strace', ['-V']).status === 0;

/** fsync and fdatasync calls between two marks of a trace. */
function between(trace: readonly string[], from: string, to: string): string[] {
  const [start, end] = [from, to].map((name) =>
    trace.findIndex((line) => line.includes(`balsa-mark-${name}`)),
  );
  return trace.slice(start, end).flatMap((line) => /\b(fsync|fdatasync)\(/.exec(line)?.[1] ?? []);
}

describe('system calls', () => {
  test.skipIf(!strace)(
    `one sync a write, shared by groups; a vote adds the watermark's${strace ? '' : ' (NOT RUN: strace is not installed; apt-get install strace)'}`,
    async () => {
      const directory = temporaryDirectory();
      const file = join(temporaryDirectory(), 'trace');
      const filter = 'trace=fsync,fdatasync,access,faccessat,faccessat2';
      const child = new Child('trace', directory, ['strace', '-f', '-qq', '-e', filter, '-o', file]);
      await child.ended();
      const trace = readFileSync(file, 'utf8').split('\n');
      expect(between(trace, 'single', 'shared'), 'twenty writes of one group').toHaveLength(20);
      expect(between(trace, 'shared', 'vote'), 'twenty times three groups in one turn').toHaveLength(20);
      expect(between(trace, 'vote', 'end').sort(), 'a write that changes term and vote').toEqual([
        'fdatasync',
        'fdatasync',
      ]);
    },
  );
});
