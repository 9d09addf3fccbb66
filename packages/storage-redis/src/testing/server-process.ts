/** One life of a server as a child process that cannot outlive this one. */
import { spawn, type ChildProcess } from 'node:child_process';
import { Socket } from 'node:net';
import { BalsaError } from '@balsa/raft-core';

/** Of what the server says, so much is kept for error messages, in UTF-16 units. */
const keptOutput = 8192;

const living = new Set<ChildProcess>();

process.on('exit', () => {
  for (const child of living) child.kill('SIGKILL');
});

export class ServerProcess {
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #exited: Promise<void>;
  #guardian: ChildProcess | undefined;
  #output = '';
  #running = true;

  private constructor(child: ChildProcess, pid: number) {
    this.pid = pid;
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#output = (this.#output + text).slice(-keptOutput);
      });
    }
    living.add(child);
    this.#exited = new Promise((resolve) => {
      child.once('exit', () => {
        this.#running = false;
        living.delete(child);
        this.#guardian?.kill('SIGKILL');
        resolve();
      });
    });
    this.#guardian = guard(pid);
  }

  static spawn(program: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<ServerProcess> {
    return new Promise((resolve, reject) => {
      // A terminal's Ctrl-C is for this process, which ends its server after the store.
      const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
      child.once('error', (cause) => {
        reject(new BalsaError('STORE_IO', `cannot run ${program}: ${cause.message}`, { cause }));
      });
      child.once('spawn', () => {
        if (child.pid !== undefined) resolve(new ServerProcess(child, child.pid));
      });
    });
  }

  get running(): boolean {
    return this.#running;
  }

  /** The end of what it said. */
  get output(): string {
    return this.#output.trim();
  }

  /** Resolves when the process is gone. */
  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    if (this.#running) {
      this.#child.kill(signal);
      // A stopped process would not see any other signal.
      this.#child.kill('SIGCONT');
    }
    await this.#exited;
  }

  signal(signal: NodeJS.Signals): void {
    if (this.#running) this.#child.kill(signal);
  }
}

/** A shell that waits for this process to end, however it ends, and then ends the server. */
function guard(pid: number): ChildProcess | undefined {
  if (process.platform === 'win32') return undefined;
  const guardian = spawn('/bin/sh', ['-c', 'read -r _; kill -9 "$0"', String(pid)], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  guardian.on('error', () => undefined);
  guardian.stdin.on('error', () => undefined);
  // Neither keeps the event loop alive: an open pipe is all that is needed.
  guardian.unref();
  if (guardian.stdin instanceof Socket) guardian.stdin.unref();
  return guardian;
}
