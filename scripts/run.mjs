#!/usr/bin/env node
/**
 * Every command of the repository, from a bare clone: checks the machine, installs and builds what is
 * missing, then runs. Uses nothing but Node's own modules, because it runs before anything is installed.
 *
 *   node scripts/run.mjs <command> [arguments]
 *
 * What it says about itself goes to stderr, so that the stdout of a command with --json stays clean.
 */
import { checkNode, ensureInstalled } from './install.mjs';
import { complaintOf, helpOf } from './usage.mjs';
import { build, fail, repositoryRoot, run, runNode, say, stopWithNpm } from './process.mjs';

const commands = {
  start: () => cli('start'),
  demo: () => cli('demo'),
  test: async (args) => (await import('./test.mjs')).test(args),
  verify: async (args) => (await import('./verify.mjs')).verify(args),
  fix: async () => (await import('./fix.mjs')).fix(),
  build: async () => 0,
  soak: (args) => runNode(['tools/soak/dist/main.js', ...args], { ipc: true }),
  bench: () => cli('bench'),
  'bench:core': (args) => runNode(['tools/bench/dist/main.js', 'core', ...args]),
  simulate: (args) => runNode(['--max-semi-space-size=64', 'tools/simulator/dist/cli/main.js', ...args]),
  museum: (args) => runNode(['tools/simulator/dist/museum/main.js', ...args]),
  chaos: (args) => runNode(['tools/chaos/dist/main.js', ...args], { ipc: true }),
  zoo: (args) => runNode(['tools/zoo/dist/main.js', ...args]),
  'docs:api': (args) =>
    runNode(['node_modules/typedoc/bin/typedoc', '--options', 'packages/raft-core/typedoc.json', ...args]),
  'etcd-testdata': (args) => runNode(['scripts/etcd-testdata.mjs', ...args]),
};

function cli(command) {
  return runNode(['tools/cli/dist/main.js', command, ...rest], { ipc: true });
}

const [name = '', ...rest] = process.argv.slice(2);

/** Decided before anything is installed, built or removed. */
function answered() {
  const help = helpOf(name, rest);
  if (help !== undefined) {
    process.stdout.write(help);
    return 0;
  }
  const complaint = complaintOf(name, rest);
  if (complaint === undefined) return undefined;
  say(complaint);
  return 2;
}

async function main() {
  const code = answered();
  if (code !== undefined) return code;
  process.chdir(repositoryRoot);
  checkNode();
  stopWithNpm();
  // Cleaning must work in a tree that cannot be installed or built.
  if (name === 'clean') return (await import('./clean.mjs')).clean(rest);
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (command === undefined) {
    say(
      `unknown command ${JSON.stringify(name)}; there are: ${[...Object.keys(commands), 'clean'].join(', ')}`,
    );
    return 2;
  }
  await ensureInstalled(run);
  const built = await build();
  return built === 0 ? command(rest) : built;
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error) => fail(error),
);
