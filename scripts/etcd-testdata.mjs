#!/usr/bin/env node
/**
 * Runs etcd's data-driven tests against raft-core, byte for byte.
 *
 *   npm run etcd-testdata -- [DIR...]
 *
 * Every *.txt under each DIR (interaction, quorum and membership transcripts; the commands tell which). Without
 * DIR: packages/raft-core/testdata, and ../shared/etcd-raft-testdata and ../shared/raft-rs-testdata where they are.
 * Ends with the count of commands that passed and failed. Exit code 1 when a command's output differs, when a file
 * cannot be read, and when a DIR is not there or holds no transcript.
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

/** The transcripts under a directory; undefined, with the reason told, when there is nothing to run. */
function find(directory) {
  try {
    const files = transcripts(directory);
    if (files.length > 0) return files;
    throw new Error('there is no transcript (*.txt) in it');
  } catch (error) {
    const reason = error.code === 'ENOENT' ? 'it is not there' : error.message;
    console.error(`${directory} cannot be run: ${reason}`);
    return undefined;
  }
}

/** The text of a file, or why there is none. */
function read(file) {
  try {
    return { text: readFileSync(file, 'utf8') };
  } catch (error) {
    return { problem: error.message };
  }
}

async function main() {
  const { describeResult, runTranscript } = await import(pathToFileURL(driver).href);
  let passed = 0;
  let failed = 0;
  let missing = 0;
  for (const directory of directories()) {
    const files = find(directory);
    if (files === undefined) missing++;
    for (const file of files ?? []) {
      const name = relative(directory, file) || file;
      const { text, problem } = read(file);
      if (text === undefined) {
        failed++;
        console.log(`FAIL ${name}\n\n${file} cannot be read: ${problem}\n`);
        continue;
      }
      const results = runTranscript(text);
      const bad = results.filter((result) => !result.passed);
      passed += results.length - bad.length;
      failed += bad.length;
      console.log(
        `${bad.length === 0 ? 'ok  ' : 'FAIL'} ${name} (${results.length - bad.length} of ${results.length})`,
      );
      for (const result of bad) console.log(`\n${file}, ${describeResult(result)}\n`);
    }
  }
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0 && passed > 0 && missing === 0 ? 0 : 1;
}

process.exitCode = await main();
