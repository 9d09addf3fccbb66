/** Where a real server comes from: the PATH, else the package manager, else the user, who is told how. */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import path from 'node:path';
import { BalsaError } from '@balsa/raft-core';

const programs = ['redis-server', 'valkey-server'] as const;

/** A package manager gets this long, in milliseconds. */
const installMs = 5 * 60_000;

/** Absolute paths of the servers that there are: the one that `BALSA_REDIS_SERVER` names, then those on the PATH. */
export function findRedisServers(searchPath: string = process.env['PATH'] ?? ''): string[] {
  const folders = searchPath.split(path.delimiter).filter((folder) => folder !== '');
  const candidates = programs.flatMap((program) => folders.map((folder) => path.join(folder, program)));
  const wanted = process.env['BALSA_REDIS_SERVER'];
  return [...(wanted === undefined ? [] : [path.resolve(wanted)]), ...candidates].filter(isProgram);
}

/** The first of `findRedisServers`, undefined when there is none. */
export function findRedisServer(searchPath?: string): string | undefined {
  return findRedisServers(searchPath)[0];
}

/** What `--version` says, as `[major, minor]`; undefined when it says nothing of the kind. */
export function versionOf(program: string): readonly [number, number] | undefined {
  const { stdout } = spawnSync(program, ['--version'], { encoding: 'utf8' });
  const [, major, minor] = /\bv=(\d+)\.(\d+)/.exec(stdout) ?? [];
  return major === undefined ? undefined : [Number(major), Number(minor)];
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

/** What a person has to do. */
function howToInstall(): string {
  if (process.platform === 'darwin') return 'brew install redis';
  if (process.platform === 'win32') return 'install Redis in WSL, and run there';
  return 'sudo apt-get install redis-server   (or: dnf install redis, apk add redis, pacman -S redis)';
}

/**
 * The server's program; installed with apt-get where this process may do that and none is found.
 * `STORE_IO`, saying what to do, where it cannot. `say` hears about an installation before it begins.
 */
export function ensureRedisServer(say: (text: string) => void = () => undefined): string {
  const found = findRedisServer();
  if (found !== undefined) return found;
  const missing = 'no Redis server was found: neither redis-server nor valkey-server is on the PATH';
  const mayInstall = process.platform === 'linux' && process.getuid?.() === 0 && hasAptGet();
  if (!mayInstall) throw new BalsaError('STORE_IO', `${missing}.\n  ${howToInstall()}`);
  say('installing redis-server with apt-get (up to a minute)');
  const failure = aptGet(['update', '-q']) ?? aptGet(['install', '-y', '-q', 'redis-server']);
  const installed = findRedisServer();
  if (failure === undefined && installed !== undefined) return installed;
  throw new BalsaError(
    'STORE_IO',
    `${missing}, and apt-get could not install one: ${failure ?? 'it is still not there'}.\n  ${howToInstall()}`,
  );
}

function hasAptGet(): boolean {
  return spawnSync('apt-get', ['--version'], { stdio: 'ignore' }).status === 0;
}

/** What went wrong, if something did. */
function aptGet(args: readonly string[]): string | undefined {
  // Without a run level the package's own service is not started: only the program is wanted.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
  const result = spawnSync('apt-get', args, { env, encoding: 'utf8', timeout: installMs });
  if (result.status === 0) return undefined;
  const reason = result.error?.message ?? result.stderr.trim().split('\n').at(-1) ?? '';
  return `apt-get ${args.join(' ')} ended with ${String(result.status)}: ${reason}`;
}
