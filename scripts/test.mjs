/** Runs every test, and ends with one line that a machine can read. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Complaint, runNode, say } from './process.mjs';

/** A real Redis is part of the tests: found, else installed where that can be done, else asked for. */
async function ensureRedis() {
  // From what was built: this runs after the build.
  const { ensureRedisServer } = await import('../packages/storage-redis/dist/testing/index.js');
  try {
    ensureRedisServer(say);
  } catch (error) {
    throw new Complaint(error.message);
  }
}

export async function test(args) {
  await ensureRedis();
  const folder = mkdtempSync(path.join(tmpdir(), 'balsa-test-'));
  const summary = path.join(folder, 'summary.json');
  try {
    const code = await runNode(
      [
        'node_modules/vitest/vitest.mjs',
        'run',
        '--reporter=default',
        '--reporter=./scripts/test-summary-reporter.mjs',
        ...args,
      ],
      { env: { BALSA_TEST_SUMMARY: summary } },
    );
    return conclude(summary, code);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function conclude(file, code) {
  let counts;
  try {
    counts = JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    process.stdout.write('the test run ended before it could be counted\n');
    return code || 1;
  }
  if (counts.skipped > 0) process.stdout.write(`${counts.skipped} skipped\n`);
  process.stdout.write(`${counts.passed} passed, ${counts.failed} failed\n`);
  return code || (counts.failed > 0 ? 1 : 0);
}
