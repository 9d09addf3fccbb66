import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const run = promisify(execFile);
const program = fileURLToPath(new URL('../dist/embed.js', import.meta.url));

test('the embedded service replicates, stops and goes on from its data', async () => {
  const directory = await mkdtemp(path.join(tmpdir(), 'balsa-embed-'));
  try {
    for (const count of [1, 2]) {
      const { stdout } = await run(process.execPath, [program, directory]);
      expect(stdout).toBe(`this program ran ${count} times\n`);
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
