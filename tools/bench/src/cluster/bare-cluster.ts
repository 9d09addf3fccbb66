/** Three processes that do the least that replication can do: what a machine and its one disk give to any three. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { builtProgram } from '../built.ts';
import { PayloadPool } from '../measure/payload-pool.ts';
import type { WorkloadContext } from '../workloads/context.ts';
import { killAll, pidsOf } from './children.ts';
import { LoadClient, openClients, type Address, type LoadedCluster } from './load.ts';

const host = '127.0.0.1';

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
    return pidsOf(this.#children);
  }

  leaderAddress(): Promise<Address> {
    return Promise.resolve(this.#address);
  }

  connect(address: Address, count: number): Promise<LoadClient[]> {
    return openClients(this.#context, count, (numbers) => LoadClient.open(address, this.#pool, numbers));
  }

  /** They have nothing to do that is not asked for. */
  settle(): Promise<void> {
    return Promise.resolve();
  }

  /** The leader first: it would complain of the others. */
  stop(): Promise<void> {
    return killAll(this.#children.toReversed());
  }

  /** Resolves with the port that it listens on. */
  async #startOne(directory: string, name: string, ports: readonly number[]): Promise<number> {
    const child = fork(
      builtProgram('cluster/bare-node.js'),
      [path.join(directory, name), ...ports.map(String)],
      { execArgv: [] },
    );
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
