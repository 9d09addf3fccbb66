/** The command as a whole, for a few seconds. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import type { ChaosReport } from '../src/report.ts';

const mainFile = fileURLToPath(new URL('../dist/main.js', import.meta.url));

function chaos(...args: readonly string[]) {
  const child = spawn(process.execPath, [mainFile, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, stdout, stderr }));
  return { child, ended, progress: () => stderr };
}

test('a few seconds of faults end with a report in which all held', async () => {
  const { code, stdout, stderr } = await chaos(
    '--storage',
    'sqlite,file,sqlite',
    '--minutes',
    '0.1',
    '--json',
  ).ended;
  expect(code, stderr).toBe(0);
  const report = JSON.parse(stdout) as ChaosReport;
  expect(report).toMatchObject({
    ok: true,
    storages: ['sqlite', 'file', 'sqlite'],
    violations: [],
    digestsCompared: 3,
  });
  expect(Object.keys(report.faults).length).toBeGreaterThan(0);
  expect(report.tokens['acknowledged']).toBeGreaterThan(0);
});

test('Ctrl-C ends all of it, and nothing is left', async () => {
  const { child, ended, progress } = chaos('--minutes', '5');
  await expect.poll(progress).toContain('three nodes start');
  child.kill('SIGINT');
  const { code, stderr } = await ended;
  expect(code, stderr).toBe(130);
  expect(
    (await readdir(tmpdir())).filter((name) => name.startsWith('balsa-chaos-') && stderr.includes(name)),
  ).toEqual([]);
});

test('a storage that does not exist ends with 2', async () => {
  const { code, stderr } = await chaos('--storage', 'sqllite').ended;
  expect(code).toBe(2);
  expect(stderr).toContain('there is no engine "sqllite"');
});
