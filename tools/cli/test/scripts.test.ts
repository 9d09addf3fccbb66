/** The npm scripts that are scripts of the repository: what they are asked does not happen when it is not understood. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const script = fileURLToPath(new URL('../../../scripts/run.mjs', import.meta.url));
const zoo = fileURLToPath(new URL('../../zoo/dist/main.js', import.meta.url));

function run(...args: readonly string[]): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 20_000 });
  return { status, stdout, stderr };
}

test.each(['test', 'verify', 'fix', 'build', 'clean', 'etcd-testdata'])(
  'npm run %s -- --help says how it is used, and does nothing else',
  (name) => {
    for (const option of ['--help', '-h']) {
      const { status, stdout, stderr } = run(script, name, option);
      expect(stdout).toMatch(new RegExp(`^usage: npm run ${name} -- `));
      expect(stdout.split('\n').length).toBeLessThan(15);
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    }
  },
);

test('npm run zoo -- --help says how it is used', () => {
  const { status, stdout, stderr } = run(zoo, '--help');
  expect(stdout).toMatch(/^usage: npm run zoo -- /);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
});

test.each([
  ['clean', '--al'],
  ['fix', 'docs'],
  ['build', '--watch'],
])('npm run %s -- %s, which it does not take, is refused', (name, argument) => {
  const { status, stdout, stderr } = run(script, name, argument);
  expect(stderr).toContain(`npm run ${name} does not take ${argument}`);
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
});
