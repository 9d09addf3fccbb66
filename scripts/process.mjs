/** Child processes of the scripts: signals are passed on, exit codes come back, nothing is left behind. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const repositoryRoot = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

/** After a signal a child has this long before it is killed, in milliseconds. */
const graceMs = 8_000;

/** A failure of the machine or its user, told in one message without a stack. */
export class Complaint extends Error {}

export function say(text) {
  process.stderr.write(`balsa: ${text}\n`);
}

export function fail(error) {
  say(error instanceof Complaint ? error.message : (error?.stack ?? String(error)));
  process.exitCode = 1;
}

const running = new Map();
let stopping = false;

function deliver(child, group, signal) {
  try {
    if (group) process.kill(-child.pid, signal);
    else child.kill(signal);
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}

function stopAll(signal) {
  // With nothing to wait for, the signal means what it always means.
  if (running.size === 0) process.exit(128 + constants.signals[signal]);
  for (const [child, group] of running) {
    deliver(child, group, signal);
    if (!stopping) setTimeout(() => deliver(child, group, 'SIGKILL'), graceMs).unref();
  }
  stopping = true;
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => stopAll(signal));

/**
 * The processes above this one up to npm: the parent and, where npm's shell stays in between, the one above
 * it. Where there is no /proc, the parent alone.
 */
function ancestors() {
  const parent = process.ppid;
  try {
    const isShellOfNpm = readFileSync(`/proc/${parent}/cmdline`, 'utf8').includes('scripts/run.mjs');
    if (!isShellOfNpm) return `${parent}`;
    // Behind the name in parentheses: state, then parent.
    const stat = readFileSync(`/proc/${parent}/stat`, 'utf8');
    return `${parent} ${stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]}`;
  } catch {
    return `${parent}`;
  }
}

/** npm killed with SIGKILL cannot pass anything on; what it started notices that it is gone, and stops. */
export function stopWithNpm() {
  if (process.env.npm_lifecycle_event === undefined || process.platform === 'win32') return;
  const before = ancestors();
  setInterval(() => {
    if (ancestors() !== before) stopAll('SIGTERM');
  }, 500).unref();
}

// A reader that has seen enough, as `head` does, ends the command without a stack.
process.stdout.on('error', (error) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(141);
});

/**
 * Runs a program and resolves with its exit code (128 + n after signal n).
 * - `quiet`: what it writes to stdout goes to stderr.
 * - `group`: it leads a process group, and signals reach its own children too.
 * - `ipc`: it has a channel to this process, whose end tells it that this process died.
 * - `capture`: called with its output instead of showing it.
 */
export function run(command, args, { quiet = false, group = false, ipc = false, capture, env } = {}) {
  if (stopping) return Promise.resolve(130);
  const output = capture ? 'pipe' : undefined;
  const child = spawn(command, args, {
    cwd: repositoryRoot,
    env: { ...process.env, ...env },
    detached: group,
    stdio: [
      group || capture ? 'ignore' : 'inherit',
      output ?? (quiet ? 2 : 'inherit'),
      output ?? 'inherit',
      ...(ipc ? ['ipc'] : []),
    ],
  });
  if (capture)
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', capture);
  running.set(child, group);
  return new Promise((resolve, reject) => {
    child.on('error', (error) => {
      running.delete(child);
      reject(new Complaint(`cannot run ${command}: ${error.message}`));
    });
    child.on('close', (code, signal) => {
      running.delete(child);
      resolve(code ?? 128 + (constants.signals[signal] ?? 0));
    });
  });
}

export function runNode(args, options) {
  return run(process.execPath, args, options);
}

/** A build that takes longer than this is worth a word, in milliseconds. */
const quietMs = 1_500;

/** Compiles what changed; silent and quick when nothing did. */
export async function build() {
  const began = Date.now();
  const seconds = () => `${Math.round((Date.now() - began) / 1000)} s`;
  const first = setTimeout(() => say('compiling what changed (up to a minute the first time)'), quietMs);
  const ticker = setInterval(() => say(`still compiling, ${seconds()}`), 15_000);
  const compiler = ['node_modules/typescript/bin/tsc', '-b'];
  const code = await runNode(compiler, { quiet: true, group: true }).finally(() => {
    clearTimeout(first);
    clearInterval(ticker);
  });
  // What was stopped has not failed.
  if (code !== 0 && !stopping) say('the build failed; the errors stand above');
  return code;
}
