/** Three processes that do the least that replication can do: what a machine and its one disk give to any three. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { PayloadPool } from '../measure/payload-pool.ts';
import type { WorkloadContext } from '../workloads/context.ts';
import { keyNumbers, LoadClient, type Address, type LoadedCluster } from './load.ts';

const host = '127.0.0.1';

/** The program of one process: built, also when the sources run. */
function program(): string {
  const beside = fileURLToPath(new URL('./bare-node.js', import.meta.url));
  return existsSync(beside)
    ? beside
    : fileURLToPath(new URL('../../dist/cluster/bare-node.js', import.meta.url));
}

export class BareCluster implements LoadedCluster {
  readonly #context: WorkloadContext;
  readonly #pool: PayloadPool;
  readonly #children: ChildProcess[] = [];
  #address: Address = { host, port: 0 };

  private constructor(context: WorkloadContext) {
    this.#context = context;
    this.#pool = new PayloadPool(context.payload);
  }

  static async start(context: WorkloadContext, directory: string): Promise<BareCluster> {
    mkdirSync(directory, { recursive: true });
    const cluster = new BareCluster(context);
    try {
      const ports = [];
      for (const name of ['follower-1', 'follower-2'])
        ports.push(await cluster.#startOne(directory, name, []));
      cluster.#address = { host, port: await cluster.#startOne(directory, 'leader', ports) };
      return cluster;
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  /** The leader last. */
  get pids(): number[] {
    return this.#children.flatMap(({ pid }) => (pid === undefined ? [] : [pid]));
  }

  leaderAddress(): Promise<Address> {
    return Promise.resolve(this.#address);
  }

  async connect(address: Address, count: number): Promise<LoadClient[]> {
    const clients: LoadClient[] = [];
    const random = keyNumbers(this.#context.env.random());
    for (let n = 0; n < count; n++) clients.push(await LoadClient.open(address, this.#pool, random));
    return clients;
  }

  /** They have nothing to do that is not asked for. */
  settle(): Promise<void> {
    return Promise.resolve();
  }

  async stop(): Promise<void> {
    const ended = this.#children
      .filter((child) => child.exitCode === null && child.signalCode === null)
      .map((child) => once(child, 'exit'));
    // The leader first: it would complain of the others.
    for (const child of this.#children.toReversed()) child.kill('SIGKILL');
    await Promise.all(ended);
  }

  /** Resolves with the port that it listens on. */
  async #startOne(directory: string, name: string, ports: readonly number[]): Promise<number> {
    const child = fork(program(), [path.join(directory, name), ...ports.map(String)], { execArgv: [] });
    this.#children.push(child);
    const failed = once(child, 'exit').then(([code, signal]) => {
      throw new Error(`bare replication: ${name} ended with ${String(code ?? signal)} before it listened`);
    });
    const [port] = (await Promise.race([once(child, 'message'), failed])) as [number];
    // Whoever asked is answered; its end is expected from now on.
    failed.catch(() => undefined);
    return port;
  }
}
