/** Brings node_modules in line with package-lock.json, and says first what the machine lacks for it. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { Complaint, say } from './process.mjs';

const stampFile = 'node_modules/.balsa-lock-hash';
const oldestNode = [20, 19, 0];

export function checkNode() {
  const version = process.versions.node.split('.').map(Number);
  const place = version.findIndex((part, i) => part !== oldestNode[i]);
  if (place !== -1 && place < 3 && version[place] < oldestNode[place]) {
    throw new Complaint(
      `Node ${process.versions.node} is too old: ${oldestNode.join('.')} or later is needed (https://nodejs.org).`,
    );
  }
}

/** What an installation depends on: the lock, and the binary interface that SQLite was compiled for. */
function wantedStamp() {
  const lock = createHash('sha256').update(readFileSync('package-lock.json')).digest('hex');
  return `${lock} ${process.platform}-${process.arch}-${process.versions.modules}\n`;
}

function readText(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Whether node_modules, installed by other means than this script, holds what the lock says and works here. */
function matchesLock() {
  const text = readText('node_modules/.package-lock.json');
  if (text === undefined) return false;
  const installed = JSON.parse(text).packages;
  const wanted = JSON.parse(readFileSync('package-lock.json', 'utf8')).packages;
  for (const [place, entry] of Object.entries(wanted)) {
    if (!place.startsWith('node_modules/')) continue;
    if (entry.link === true) {
      if (!existsSync(place)) return false;
      continue;
    }
    const found = installed[place];
    if (
      found === undefined ? entry.optional !== true && entry.peer !== true : found.version !== entry.version
    ) {
      return false;
    }
  }
  const probe = "new (require('better-sqlite3'))(':memory:').close()";
  return spawnSync(process.execPath, ['-e', probe], { stdio: 'ignore' }).status === 0;
}

function answers(command, args = ['--version']) {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}

function installHint() {
  if (process.platform === 'darwin')
    return 'xcode-select --install   (and python3 from https://www.python.org)';
  if (answers('apt-get')) return 'sudo apt-get install python3 make g++';
  if (answers('dnf')) return 'sudo dnf install python3 make gcc-c++';
  if (answers('apk', ['--version'])) return 'sudo apk add python3 make g++';
  if (answers('pacman')) return 'sudo pacman -S python make gcc';
  return 'install them with the package manager of this system';
}

/** SQLite's binding is compiled during the installation; a missing compiler should not show as a page of node-gyp. */
function checkBuildTools() {
  if (process.platform === 'win32') return;
  const missing = [];
  if (!answers('python3')) missing.push('Python 3 (python3)');
  if (!['c++', 'g++', 'clang++'].some((name) => answers(name)))
    missing.push('a C++ compiler (c++, g++ or clang++)');
  if (!['make', 'gmake'].some((name) => answers(name))) missing.push('make');
  if (missing.length > 0) {
    throw new Complaint(
      `needed to compile SQLite's binding, and missing: ${missing.join(', ')}.\n  ${installHint()}`,
    );
  }
}

export async function ensureInstalled(run) {
  const stamp = wantedStamp();
  if (readText(stampFile) === stamp) return;
  if (!matchesLock()) {
    checkBuildTools();
    const began = Date.now();
    const seconds = () => `${Math.round((Date.now() - began) / 1000)} s`;
    say('installing dependencies with npm ci (one to two minutes: SQLite is compiled)');
    const ticker = setInterval(() => say(`still installing, ${seconds()}`), 15_000);
    // Warnings are left out: npm's remarks about its own configuration are none of the user's business here.
    const args = ['ci', '--no-audit', '--no-fund', '--loglevel=error'];
    const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
    const code = await run(npm, args, { quiet: true, group: process.platform !== 'win32' }).finally(() => {
      clearInterval(ticker);
    });
    if (code !== 0) throw new Complaint(`npm ci failed with exit code ${code}; its output stands above`);
    say(`installed in ${seconds()}`);
  }
  writeFileSync(stampFile, stamp);
}
