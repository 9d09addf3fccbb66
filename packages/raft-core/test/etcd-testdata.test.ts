/** The command that runs transcripts: what it shows, how it counts, and what it says of directories that are no good. */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

const script = fileURLToPath(new URL('../../../scripts/etcd-testdata.mjs', import.meta.url));

const good = 'vote cfg=(1) votes=(y)\n----\nVoteWon\n';
const wrong = 'vote cfg=(1) votes=(y)\n----\nVoteLost\n';

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'balsa-transcripts-'));
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

function put(name: string, text: string): void {
  mkdirSync(join(folder, name, '..'), { recursive: true });
  writeFileSync(join(folder, name), text);
}

function run(...args: readonly string[]): Promise<Outcome> {
  const env = { ...process.env, INIT_CWD: folder };
  return new Promise((resolve) => {
    execFile(process.execPath, [script, ...args], { env }, (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr });
    });
  });
}

describe('npm run etcd-testdata -- DIR', () => {
  test('runs every file under the directory, counts commands, and succeeds when all pass', async () => {
    put('quorum/a.txt', `${good}\n${good}`);
    put('quorum/deeper/b.txt', good);
    put('README.md', 'no transcript');
    const { code, stdout, stderr } = await run('.');
    expect(stdout.trimEnd().split('\n')).toEqual([
      'ok   quorum/a.txt (2 of 2)',
      'ok   quorum/deeper/b.txt (1 of 1)',
      '3 passed, 0 failed',
    ]);
    expect([code, stderr]).toEqual([0, '']);
  });

  test('shows what differs, goes on behind it, and fails', async () => {
    put('quorum/a.txt', `${good}\n${wrong}`);
    put('quorum/b.txt', good);
    const { code, stdout } = await run(folder);
    expect(stdout).toContain('FAIL quorum/a.txt (1 of 2)');
    expect(stdout).toContain('line 5: vote cfg=(1) votes=(y)\n-VoteLost\n+VoteWon');
    expect(stdout).toContain('ok   quorum/b.txt (1 of 1)');
    expect(stdout.trimEnd().split('\n').at(-1)).toBe('2 passed, 1 failed');
    expect(code).toBe(1);
  });

  test.each([
    ['is not there', 'nowhere', 'it is not there'],
    ['holds no transcript', 'empty', 'there is no transcript (*.txt) in it'],
  ])('a directory that %s is told, and fails what else passes', async (_, name, reason) => {
    put('quorum/a.txt', good);
    mkdirSync(join(folder, 'empty'));
    const { code, stdout, stderr } = await run('quorum', name);
    expect(stderr).toContain(`${name} cannot be run: ${reason}`);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
    expect(stdout.trimEnd().split('\n').at(-1)).toBe('1 passed, 0 failed');
    expect(code).toBe(1);
  });

  test('a transcript that cannot be read counts as a failure, and the others are run', async () => {
    put('quorum/a.txt', good);
    mkdirSync(join(folder, 'quorum/b.txt'));
    const { code, stdout } = await run('quorum');
    expect(stdout).toMatch(/b\.txt cannot be read: EISDIR/);
    expect(stdout.trimEnd().split('\n').at(-1)).toBe('1 passed, 1 failed');
    expect(code).toBe(1);
  });

  test('a single file can be named', async () => {
    put('quorum/a.txt', good);
    expect((await run('quorum/a.txt')).stdout).toContain('1 passed, 0 failed');
  });
});
