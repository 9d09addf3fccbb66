import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Disk, everything } from '../src/power/disk.ts';
import { readTree } from '../src/power/directory.ts';
import { findShim } from '../src/shim/compile.ts';
import { readTrace, type TraceOperation } from '../src/shim/trace.ts';

/** What Redis does: a stream for the file, a forked child that writes another, names that move between directories. */
const program = `
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
  mkdir("inner", 0755);
  FILE *stream = fopen("moved", "w");
  fprintf(stream, "by stdio %d", 7);
  fflush(stream);
  fsync(fileno(stream));
  fclose(stream);
  rename("moved", "inner/kept");
  int inner = open("inner", O_RDONLY);
  fsync(inner);
  close(inner);
  int file = open("shared", O_CREAT | O_WRONLY, 0644);
  if (fork() == 0) {
    int own = open("childs", O_CREAT | O_WRONLY, 0644);
    write(own, "child", 5);
    write(file, "both", 4);
    _exit(0);
  }
  wait(NULL);
  write(file, "parent", 6);
  /* As libuv closes: the descriptor is a pipe's next. */
  syscall(SYS_close, file);
  int ends[2];
  pipe(ends);
  write(ends[1], "not a file", 10);
  return 0;
}
`;

describe.runIf(process.platform === 'linux')('the shim', () => {
  let place: string;
  let directory: string;
  let operations: TraceOperation[];

  beforeAll(async () => {
    place = realpathSync(mkdtempSync(join(tmpdir(), 'balsa-shim-test-')));
    directory = join(place, 'data');
    mkdirSync(directory);
    writeFileSync(join(place, 'program.c'), `#include <sys/stat.h>\n${program}`);
    execFileSync('cc', ['-w', '-o', join(place, 'program'), join(place, 'program.c')]);
    const shim = await findShim();
    if (!('path' in shim)) throw new Error(shim.missing);
    const trace = join(place, 'trace');
    execFileSync(join(place, 'program'), {
      cwd: directory,
      env: { LD_PRELOAD: shim.path, BALSA_SHIM_DIR: directory, BALSA_SHIM_TRACE: trace },
    });
    operations = readTrace(trace);
  });

  afterAll(() => {
    rmSync(place, { recursive: true, force: true });
  });

  test('sees streams, forked children and moves between directories: its record explains what lies there', () => {
    const disk = new Disk(directory);
    for (const operation of operations) disk.apply(operation);
    const shown = (tree: ReturnType<typeof readTree>): unknown =>
      [...tree].map(([path, bytes]) => [path, bytes?.toString()]);
    expect(shown(disk.after(everything))).toEqual(shown(readTree(directory)));
    expect(readFileSync(join(directory, 'inner', 'kept'), 'utf8')).toBe('by stdio 7');
    expect(readFileSync(join(directory, 'shared'), 'utf8')).toBe('bothparent');
  });

  test('sees the sync of a stream by its descriptor', () => {
    expect(operations).toContainEqual(
      expect.objectContaining({ op: 'sync', path: join(directory, 'moved') }),
    );
  });

  test('does not take a pipe for the file whose descriptor it got', () => {
    const written = operations.flatMap((one) => (one.op === 'write' ? [one.data.toString()] : []));
    expect(written).not.toContain('not a file');
  });
});
