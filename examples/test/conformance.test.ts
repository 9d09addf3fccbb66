import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { orderedCases, storageCases } from '@balsa/test-suite';

const examples = fileURLToPath(new URL('..', import.meta.url));
const { resolve } = createRequire(import.meta.url);
const packageFile = (name: string, file: string): string =>
  path.join(path.dirname(resolve(`${name}/package.json`)), file);

/** Runs one example under its own runner, and gives what it printed. */
async function run(
  folder: string,
  nodeArguments: readonly string[],
): Promise<{ code: unknown; text: string }> {
  // What vitest tells its own processes would make another vitest think that it is one of them.
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(VITEST|NODE_|JEST|TEST$)/.test(name)),
  );
  const child = spawn(process.execPath, nodeArguments, {
    cwd: path.join(examples, folder),
    env: { ...env, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (more: string) => (text += more));
  child.stderr.setEncoding('utf8').on('data', (more: string) => (text += more));
  const [code] = (await once(child, 'close')) as [unknown];
  return { code, text };
}

/** Cases that a store in memory without further abilities passes. */
const passing = [...storageCases, ...orderedCases].filter(
  ({ needs = [], long }) => long !== true && needs.every((need) => need === 'ordered-store'),
).length;
const one = 'append/overwrites-conflicting-suffix';

// `capabilities/no-ordered-store` finds out as it runs that it does not apply; a runner without a way to skip then counts it.
test.each([
  ['conformance-node-test', ['--test', '--test-reporter=tap'], new RegExp(`# pass ${String(passing)}\\b`)],
  [
    'conformance-vitest',
    [packageFile('vitest', 'vitest.mjs'), 'run', '--reporter=verbose'],
    new RegExp(`${String(passing)} passed`),
  ],
  [
    'conformance-mocha',
    [packageFile('mocha', 'bin/mocha.js'), '--timeout', '300000', 'store.test.js'],
    new RegExp(`${String(passing)} passing`),
  ],
  [
    'conformance-jest',
    ['--experimental-vm-modules', packageFile('jest', 'bin/jest.js'), '--verbose'],
    new RegExp(`Tests: +(\\d+ skipped, )?${String(passing)} passed`),
  ],
] as const)('%s runs every case', async (folder, nodeArguments, count) => {
  const { code, text } = await run(folder, nodeArguments);
  expect(text).toMatch(count);
  expect(text).toContain(one);
  expect(text).toContain('not applicable');
  expect(code).toBe(0);
});
