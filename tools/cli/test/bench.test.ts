import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

const main = fileURLToPath(new URL('../dist/main.js', import.meta.url));
const forgetful = fileURLToPath(new URL('../../bench/test/support/forgetful-store.mjs', import.meta.url));
/** As little as can be asked for. */
const little = ['--workload', 'append', '--batch', '1', '--rounds', '2', '--slice', '5'];

let directory = '';
beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'balsa-cli-bench-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function bench(args: readonly string[], interruptAt?: string): Promise<Ended> {
  const child = spawn(process.execPath, [main, 'bench', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (text: Buffer) => (stdout += text.toString()));
  child.stderr.on('data', (text: Buffer) => {
    stderr += text.toString();
    if (interruptAt !== undefined && stderr.includes(interruptAt)) child.kill('SIGINT');
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout, stderr };
}

describe('balsa bench', () => {
  test('measures, and writes its report as JSON and as a page', async () => {
    const [json, html] = [path.join(directory, 'out.json'), path.join(directory, 'out.html')];
    const { code, stdout } = await bench([
      'file',
      ...little,
      '--directory',
      directory,
      '--json',
      json,
      '--html',
      html,
    ]);
    expect(stdout).toMatch(/file .*: durable/);
    expect(stdout).toContain('floor: preallocated file');
    expect(JSON.parse(readFileSync(json, 'utf8'))).toMatchObject({ format: 'balsa-bench/1', complete: true });
    expect(readFileSync(html, 'utf8')).toContain('</html>');
    expect(code).toBe(0);
    expect(readdirSync(directory).sort()).toEqual(['out.html', 'out.json']);
  });

  test('ends with 1 when a store was refused a number', async () => {
    const { code, stdout } = await bench([forgetful, ...little, '--directory', directory]);
    expect(stdout).toMatch(/refused: gets no number, because it\s+acknowledges before it syncs/);
    expect(code).toBe(1);
  });

  test.concurrent.each([
    [['oracle'], 'there is no engine "oracle"'],
    [['memory', '--workload', 'speed'], 'there is no workload "speed"; there are: append'],
    [['sqlite:colour=red'], 'colour'],
    [['compare', '/nowhere/a.json', '/nowhere/b.json'], 'cannot be read as a report'],
  ])('ends with 2 for the wrong choice %j', async (args, text) => {
    const { code, stderr } = await bench(args);
    expect(stderr).toContain(text);
    expect(code).toBe(2);
  });

  test('stopped by Ctrl-C ends with 130, reports what it has and leaves nothing behind', async () => {
    const args = ['memory', 'sqlite', '--quick', '--workload', 'append', '--directory', directory];
    const { code, stdout } = await bench(args, 'append: batch 1,');
    expect(code).toBe(130);
    expect(stdout).toContain('Stopped before the end');
    expect(readdirSync(directory)).toEqual([]);
  });

  test('lists what there is for machines, to stdout or into a file', async () => {
    const { code, stdout } = await bench(['--list', '--json']);
    expect(code).toBe(0);
    const { workloads, stores } = JSON.parse(stdout) as { workloads: { name: string }[]; stores: string[] };
    expect(workloads.map(({ name }) => name)).toContain('append');
    expect(stores).toContain('sqlite');
    const file = path.join(directory, 'list.json');
    expect(await bench(['--list', '--json', file])).toMatchObject({ code: 0, stdout: '' });
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual({ workloads, stores });
  });

  test('makes no directory that is not there', async () => {
    const missing = path.join(directory, 'a', 'b');
    const { code, stderr } = await bench(['memory', ...little, '--directory', missing]);
    expect(stderr).toContain('there is no such directory');
    expect(code).toBe(2);
    expect(readdirSync(directory)).toEqual([]);
  });

  test('lists what there is', async () => {
    const { code, stdout } = await bench(['--list']);
    for (const name of ['append', 'cluster', 'sqlite', 'rocksdb']) expect(stdout).toContain(name);
    expect(code).toBe(0);
  });
});
