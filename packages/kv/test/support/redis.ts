import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The first of these programs that there is. */
export function findProgram(...names: readonly string[]): string | undefined {
  return names.find((name) => spawnSync(name, ['--version']).status === 0);
}

/** Says, in the output of the test run, why something is skipped. */
export function skipReason(what: string): string {
  const reason = `skipped: no ${what} on this machine (apt-get install redis-server redis-tools)`;
  process.stderr.write(`${reason}\n`);
  return reason;
}

export interface RealRedis {
  /** Path of its socket. */
  readonly path: string;
  stop(): Promise<void>;
}

/** A Redis of its own, without persistence, on a socket in a directory that goes with it. */
export async function startRedis(program: string): Promise<RealRedis> {
  const directory = mkdtempSync(join(tmpdir(), 'balsa-kv-redis-'));
  const path = join(directory, 'redis.sock');
  const args = ['--port', '0', '--unixsocket', path, '--save', '', '--appendonly', 'no', '--dir', directory];
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const exited = new Promise<void>((resolve) => {
    child.on('exit', () => resolve());
  });
  let output = '';
  await new Promise<void>((resolve, reject) => {
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      if (/ready to accept connections/i.test(output)) resolve();
    });
    void exited.then(() => reject(new Error(`redis-server ended: ${output}`)));
  });
  await new Promise<void>((resolve, reject) => {
    const probe = connect({ path }, () => {
      probe.destroy();
      resolve();
    });
    probe.on('error', reject);
  });
  return {
    path,
    stop: async () => {
      child.kill('SIGKILL');
      await exited;
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
