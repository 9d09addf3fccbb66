/** A store whose data a server holds, as a target: the example of one that gives `processes`. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { Harness, ServerProcesses, Target } from '@balsa/test-suite';
import { builtBeside, filesBelow } from '../place.ts';
import { openServedEngine } from './client.ts';
import type { Served } from './server.ts';

const built = (name: string): string => builtBeside(import.meta.url, name);

class ServedProcess implements ServerProcesses {
  readonly #served: Served;
  #server: ChildProcess | undefined;
  #gone: Promise<void> = Promise.resolve();

  constructor(served: Served) {
    this.#served = served;
  }

  pid(): number | undefined {
    return this.#server?.pid;
  }

  async start(extraEnv: Readonly<Record<string, string>> = {}): Promise<void> {
    const server = spawn(process.execPath, [built('server.js')], {
      env: { ...process.env, NODE_OPTIONS: '', ...extraEnv, BALSA_SERVED: JSON.stringify(this.#served) },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#server = server;
    this.#gone = new Promise((resolve) => {
      server.once('close', () => {
        if (this.#server === server) this.#server = undefined;
        resolve();
      });
    });
    const ready = new Promise<void>((resolve) =>
      createInterface(server.stdout).once('line', () => resolve()),
    );
    const ended = this.#gone.then(() => {
      throw new Error('the server ended before it was ready');
    });
    await Promise.race([ready, ended]);
    // Its later end is no failure of its start.
    ended.catch(() => undefined);
  }

  async stop(): Promise<void> {
    this.#server?.kill('SIGTERM');
    await this.#gone;
  }

  async restart(extraEnv?: Readonly<Record<string, string>>): Promise<void> {
    await this.stop();
    await this.start(extraEnv);
  }
}

/** `fault` is one of ../file/broken-file-system.ts, in the server. */
export function servedTarget(name: string, fault?: string): Target {
  return {
    name,
    abilities: ['files', 'child', 'processes'],
    create: async (): Promise<Harness> => {
      const place = await mkdtemp(path.join(tmpdir(), 'balsa-served-'));
      const directory = path.join(place, 'data');
      const socket = path.join(place, 'socket');
      const processes = new ServedProcess({ directory, socket, ...(fault !== undefined && { fault }) });
      await processes.start();
      return {
        directory,
        files: () => filesBelow(directory),
        child: { module: built('client.js'), export: 'openServedEngine', argument: { socket } },
        processes,
        open: () => openServedEngine({ socket }),
        destroy: async () => {
          await processes.stop();
          await rm(place, { recursive: true, force: true });
        },
      };
    },
  };
}
