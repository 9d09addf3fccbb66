/** Looks at everything and changes nothing: one line for each check, and all that a failing one has to say. */
import { cpus } from 'node:os';
import { runNode } from './process.mjs';

/** The slowest first, so that the last to finish is a short one. */
const checks = [
  ['lint', ['node_modules/eslint/bin/eslint.js', '--max-warnings=0', '.']],
  ['types of tests', ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.tests.json']],
  ['dead code', ['node_modules/knip/bin/knip.js', '--no-progress']],
  [
    'arrows',
    [
      'node_modules/dependency-cruiser/bin/dependency-cruise.mjs',
      '--config',
      '.dependency-cruiser.mjs',
      'packages',
      'test-suite',
      'tools',
      'examples',
    ],
  ],
  ['format', ['node_modules/prettier/bin/prettier.cjs', '--check', '--log-level', 'warn', '.']],
  ['packages', ['scripts/check-packages.mjs']],
  [
    'api docs',
    ['node_modules/typedoc/bin/typedoc', '--options', 'packages/raft-core/typedoc.json', '--emit', 'none'],
  ],
  ['error codes', ['scripts/check-error-codes.mjs']],
  ['errors page', ['scripts/errors-page.mjs']],
];

export async function verify(names) {
  const wanted = checks.filter(([name]) => names.length === 0 || names.includes(name));
  if (wanted.length === 0) {
    process.stdout.write(`no such check; there are: ${checks.map(([name]) => name).join(', ')}\n`);
    return 2;
  }
  const failed = [];
  const queue = [...wanted];
  const worker = async () => {
    for (let check = queue.shift(); check !== undefined; check = queue.shift()) {
      if (!(await runCheck(check))) failed.push(check[0]);
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, Math.min(2, cpus().length)) }, worker));
  process.stdout.write(
    failed.length === 0 ? 'verify: everything holds\n' : `verify: failed: ${failed.join(', ')}\n`,
  );
  return failed.length === 0 ? 0 : 1;
}

async function runCheck([name, args]) {
  const began = Date.now();
  let output = '';
  const code = await runNode(args, {
    capture: (text) => (output += text),
    env: { NO_COLOR: '1', FORCE_COLOR: '0' },
  });
  const seconds = ((Date.now() - began) / 1000).toFixed(1).padStart(6);
  process.stdout.write(`${code === 0 ? 'ok    ' : 'FAILED'} ${name.padEnd(16)} ${seconds} s\n`);
  if (code !== 0) process.stdout.write(`${output.trimEnd()}\n\n`);
  return code === 0;
}
