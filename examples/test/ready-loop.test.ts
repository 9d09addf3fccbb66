import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const run = promisify(execFile);
const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

test('the Ready loop replicates in both modes', async () => {
  const { stdout } = await run(process.execPath, [at('../dist/ready-loop.js')]);
  const lines = ['synchronous', 'asynchronous'].flatMap((mode) =>
    [1, 2, 3].map((id) => `${mode}: member ${String(id)} says hello world\n`),
  );
  expect(stdout).toBe(lines.join(''));
});

test('the README of raft-core shows the program as it is', () => {
  const program = readFileSync(at('../src/ready-loop.ts'), 'utf8');
  const readme = readFileSync(at('../../packages/raft-core/README.md'), 'utf8');
  expect(readme).toContain(`\`\`\`ts\n${program}\`\`\`\n`);
});
