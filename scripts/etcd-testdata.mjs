#!/usr/bin/env node
/**
 * Runs etcd's data-driven tests against raft-core, byte for byte.
 *
 *   npm run etcd-testdata -- [DIR...]
 *
 * Every *.txt under each DIR (interaction, quorum and membership transcripts; the commands tell which). Without
 * DIR: packages/raft-core/testdata, and ../shared/etcd-raft-testdata and ../shared/raft-rs-testdata where they are.
 * Exit code 1 when a command's output differs or when there is nothing to run.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const driver = join(root, 'packages/raft-core/dist/testing/index.js');

function directories() {
  // npm runs scripts in the repository, but says where it was called.
  const from = process.env.INIT_CWD ?? process.cwd();
  const given = process.argv.slice(2).map((path) => {
    const called = resolve(from, path);
    return existsSync(called) ? called : resolve(path);
  });
  if (given.length > 0) return given;
  const shared = ['etcd-raft-testdata', 'raft-rs-testdata'].map((name) => {
    const path = resolve(root, '../shared', name);
    if (!existsSync(path)) console.log(`${path} is not there: its transcripts are not run`);
    return path;
  });
  return [join(root, 'packages/raft-core/testdata'), ...shared].filter((path) => existsSync(path));
}

/** All transcripts under `path`, in order of name. */
function transcripts(path) {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path, { recursive: true })
    .filter((name) => name.endsWith('.txt'))
    .sort()
    .map((name) => join(path, name));
}

async function main() {
  const { describeResult, runTranscript } = await import(pathToFileURL(driver).href);
  let passed = 0;
  let failed = 0;
  for (const directory of directories()) {
    if (!existsSync(directory)) {
      console.error(`${directory} is not there`);
      return 1;
    }
    for (const file of transcripts(directory)) {
      const results = runTranscript(readFileSync(file, 'utf8'));
      const bad = results.filter((result) => !result.passed);
      passed += results.length - bad.length;
      failed += bad.length;
      const name = relative(directory, file) || file;
      console.log(
        `${bad.length === 0 ? 'ok  ' : 'FAIL'} ${name} (${results.length - bad.length} of ${results.length})`,
      );
      for (const result of bad) console.log(`\n${file}, ${describeResult(result)}\n`);
    }
  }
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0 && passed > 0 ? 0 : 1;
}

process.exitCode = await main();
