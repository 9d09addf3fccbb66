import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import type { ConformanceReport } from '@balsa/test-suite';
import { balsa, balsaWith, mainFile, temporaryFolder } from './processes.ts';

/** Inside the repository, so that what is written there finds the packages. */
const folderOfTests = fileURLToPath(new URL('..', import.meta.url));

const hanging = fileURLToPath(new URL('hanging-store.mjs', import.meta.url));

async function run(...args: readonly string[]): Promise<{
  code: number | null;
  stdout: string;
  stderr: string;
  report: ConformanceReport;
}> {
  await using folder = await temporaryFolder();
  const json = path.join(folder.path, 'report.json');
  const ended = await balsa('conformance', ...args, '--json', json);
  return { ...ended, report: JSON.parse(await readFile(json, 'utf8')) as ConformanceReport };
}

describe('balsa conformance', () => {
  test('reports a store that keeps the rules, level by level, and ends with 0', async () => {
    const { code, stdout, report } = await run('sqlite', '--level', 'core');
    expect(code).toBe(0);
    expect(stdout).toContain('grade B (of the part that was asked for)');
    const other = report.cases.filter(({ status }) => status !== 'passed');
    // The other side of a capability that SQLite has.
    expect(other.map(({ id, status }) => [id, status])).toEqual([
      ['capabilities/no-ordered-store', 'not-applicable'],
    ]);
    expect(report.levels.map(({ level }) => level)).toContain('core');
    expect(report.complete).toBe(false);
  });

  test('ends with 1 on a failure, and the command it prints replays that failure', async () => {
    const store = fileURLToPath(new URL('broken-store.mjs', import.meta.url));
    const { code, stdout, report } = await run(store, '--level', 'core');
    expect(code).toBe(1);
    expect(report.grade).toBe('F');
    const failed = report.cases.filter(({ status }) => status === 'failed');
    expect(failed.map(({ id }) => id)).toContain('read/limit-exact');
    const [, replay] =
      /run it again with:\n\s+npx balsa (conformance .*read\/limit-exact .*)/.exec(stdout) ?? [];
    const again = await balsa(...(replay ?? '').split(' '));
    expect(again.code).toBe(1);
    expect(again.stdout).toContain('FAIL read/limit-exact');
  });

  test('a store that acknowledges before it syncs fails, whichever engine is under it', async () => {
    const store = fileURLToPath(new URL('unsynced-store.mjs', import.meta.url));
    const cases = ['power/what-was-acknowledged-survives', 'capabilities/watermark-bounds-the-loss'];
    const { code, report } = await run(store, ...cases.flatMap((id) => ['--only', id]));
    expect(code).toBe(1);
    expect(report.cases.map(({ status }) => status)).toEqual(['failed', 'failed']);
  });

  test('a store that ends the process does not pass', async () => {
    const store = fileURLToPath(new URL('leaving-store.mjs', import.meta.url));
    const ended = await balsa('conformance', store);
    expect(ended.code).toBe(1);
    expect(ended.stderr).toContain('the process was ended from within');
  });

  test('a module that ends the process while it is imported is no store, and that is said', async () => {
    const store = fileURLToPath(new URL('leaving-import.mjs', import.meta.url));
    const ended = await balsa('conformance', store);
    expect(ended.stderr).toContain('the process was ended from within the import');
    expect(ended.code).toBe(2);
  });

  test('what a store throws where nobody can catch it fails the case, in the report as well', async () => {
    const store = fileURLToPath(new URL('stray-store.mjs', import.meta.url));
    const ids = ['open/fresh-store-is-empty', 'append/extends', 'append/gap-in-empty-log'];
    const { code, report } = await run(store, ...ids.flatMap((id) => ['--only', id]));
    expect(code).toBe(1);
    // A store that is synchronous inside may be through with several cases before Node tells of it.
    const reasons = report.cases.map(({ reason }) => reason).join('\n');
    expect(reasons).toMatch(/nobody handled it: telemetry at the import\n.*stray-store\.mjs:4/);
    expect(reasons).toMatch(/nobody handled it: telemetry of a write\n.*stray-store\.mjs:1\d/);
    expect(reasons).toContain('nobody could catch it: in a tick of its own');
    expect(report.grade).toBe('F');
  });

  test('a reader that has seen enough ends the run in good order, and leaves nothing behind', async () => {
    await using places = await temporaryFolder();
    const child = spawn(process.execPath, [mainFile, 'conformance', 'sqlite', '--level', 'core'], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, TMPDIR: places.path },
    });
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.stdout.once('data', () => child.stdout.destroy());
    expect(await once(child, 'close')).toEqual([141, null]);
    expect(stderr).toBe('');
    expect(await readdir(places.path)).toEqual([]);
  });

  test('a store that hangs fails twice, leaves nothing behind, and does not keep the run', async () => {
    await using places = await temporaryFolder();
    const json = path.join(places.path, 'report.json');
    const arguments_ = [hanging, '--level', 'core', '--timeout', '1', '--json', json];
    const ended = await balsaWith({ env: { BALSA_TEST_PLACES: places.path } }, 'conformance', ...arguments_);
    expect(ended.code).toBe(1);
    expect(ended.stdout).toContain('some call of the store never settles');
    const { cases } = JSON.parse(await readFile(json, 'utf8')) as ConformanceReport;
    expect(cases.filter(({ status }) => status === 'failed')).toHaveLength(2);
    expect(cases.at(-1)?.status).toBe('not-run');
    expect(await readdir(places.path)).toEqual(['report.json']);
  });

  test('a store that never gives the thread back is ended by the watchdog, which names the case', async () => {
    const store = fileURLToPath(new URL('looping-store.mjs', import.meta.url));
    const ended = await balsaWith(
      { timeout: 60_000 },
      'conformance',
      store,
      '--level',
      'core',
      '--timeout',
      '1',
    );
    expect(ended.stderr).toMatch(/FAIL [a-z]+\/[a-z-]+: a call of the store has kept the thread for 15 s/);
    expect(ended.code).not.toBe(0);
  });

  test('an interrupt cuts the case under way short, and what it made is removed', async () => {
    await using places = await temporaryFolder();
    const child = spawn(process.execPath, [mainFile, 'conformance', hanging, '--level', 'core'], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, BALSA_TEST_PLACES: places.path },
    });
    let stdout = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      // The first case writes nothing, the second hangs.
      if (stdout.includes('open/fresh-store-is-empty (')) child.kill('SIGINT');
    });
    expect(await once(child, 'close')).toEqual([130, null]);
    expect(stdout).toContain('the run was stopped before it');
    expect(stdout).not.toContain('FAIL');
    expect(await readdir(places.path)).toEqual([]);
  });

  test.each([
    ['--level', 'nope', 'Expected one of core'],
    ['--seed', 'x', 'Expected a whole number'],
    ['--timeout', '0', 'Expected 1 to 86400 seconds'],
    ['--json', '/no/such/directory/report.json', 'the report cannot be written'],
  ])('ends with 2 before it runs anything for %s %s', async (option, value, words) => {
    const ended = await balsa('conformance', 'memory', option, value);
    expect(ended.code).toBe(2);
    expect(ended.stderr).toContain(words);
    expect(ended.stdout).toBe('');
  });

  test.each([
    [
      'a syntax error',
      'export const a = 1;\nexport const target = { open( };',
      /Unexpected token '}'\n.*store\.mjs:2\n.*open\( }/,
    ],
    ['an error', 'const a = 1;\nthrow new Error("no server");', /: no server\n +at .*store\.mjs:2:7/],
    ['a wrong name', "import { nothing } from 'node:fs';", /does not provide an export named 'nothing'/],
    [
      'a missing file',
      "import './nothing.mjs';",
      /Cannot find module '.*nothing\.mjs' imported from .*store\.mjs\n$/,
    ],
    ['a missing package', "import 'there-is-none';", /Cannot find package.*run npm install in/],
    ['a text', "throw 'no server';", /it threw no server/],
  ])('says of a module with %s what is wrong and where', async (_, code, words) => {
    await using folder = await temporaryFolder();
    const store = path.join(folder.path, 'store.mjs');
    await writeFile(store, code);
    const ended = await balsa('conformance', store);
    expect(ended.stderr.replace(/\(?file:\/\//g, '')).toMatch(words);
    expect(ended.code).toBe(2);
  });

  test('lists its cases for machines, to stdout or into a file, and takes no report without a file', async () => {
    await using folder = await temporaryFolder();
    const ended = await balsa('conformance', '--list', '--json', '--level', 'power');
    expect(ended.code).toBe(0);
    const cases = JSON.parse(ended.stdout) as Record<string, unknown>[];
    expect(cases.length).toBeGreaterThan(5);
    expect(cases[0]).toEqual({
      id: expect.stringMatching(/^power\//) as string,
      level: 'power',
      title: expect.any(String) as string,
      needs: ['files', 'child'],
      long: false,
    });
    const file = path.join(folder.path, 'list.json');
    expect((await balsa('conformance', '--list', '--level', 'power', '--json', file)).stdout).toBe('');
    expect(JSON.parse(await readFile(file, 'utf8'))).toEqual(cases);
    const without = await balsa('conformance', 'memory', '--json');
    expect(without.code).toBe(2);
    expect(without.stderr).toContain('say into which file');
  });

  test.each([
    ['no-such-store', 'neither a known name'],
    [fileURLToPath(new URL('../dist/ports.js', import.meta.url)), 'neither a known name'],
    [fileURLToPath(new URL('../dist/options.js', import.meta.url)), 'does not export a target'],
  ])('ends with 2 for %s, which is no store', async (store, words) => {
    const ended = await balsa('conformance', store);
    expect(ended.code).toBe(2);
    expect(ended.stderr).toContain(words);
  });

  test.each([
    ['wroker=true', 'the engine sqlite has no option wroker; there are: worker'],
    ['worker=perhaps', 'the option worker of sqlite is true or false, not "perhaps"'],
  ])('ends with 2 for the option %s', async (option, words) => {
    const ended = await balsa('conformance', 'sqlite', '--option', option);
    expect(ended.code).toBe(2);
    expect(ended.stderr).toContain(words);
  });

  test('ends with 2 for a case that does not exist', async () => {
    const ended = await balsa('conformance', 'memory', '--only', 'no/such-case');
    expect(ended.code).toBe(2);
  });

  test('the starter passes levels core and durable as it is written', async () => {
    await using folder = await temporaryFolder();
    const at = path.join(folder.path, 'mine');
    const written = await balsa('conformance', '--init', at);
    expect(written.code).toBe(0);
    // Where it was written no package is installed; next to the tests they are.
    const near = path.join(folderOfTests, '.tmp', path.basename(folder.path));
    await cp(at, near, { recursive: true });
    await using _cleanup = { [Symbol.asyncDispose]: () => rm(near, { recursive: true }) };
    const { code, report } = await run(path.join(near, 'target.js'), '--level', 'core', '--level', 'durable');
    expect(code).toBe(0);
    expect(report.cases.filter(({ status }) => status === 'passed').length).toBeGreaterThan(100);
    const reasons = new Set(report.cases.flatMap(({ reason }) => reason ?? []));
    expect([...reasons].sort()).toEqual([
      'the target my store does not give: files',
      'the target my store does not give: ordered-store',
    ]);
  });

  test('does not write a starter over what is there', async () => {
    await using folder = await temporaryFolder();
    await writeFile(path.join(folder.path, 'precious'), 'mine');
    const ended = await balsa('conformance', '--init', folder.path);
    expect(ended.code).toBe(2);
    expect(ended.stderr).toContain('is not empty');
  });
});
