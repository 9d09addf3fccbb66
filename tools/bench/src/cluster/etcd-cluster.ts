/** Three etcd processes on loopback with their data on the disk under test: the rival of a cluster of ours. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import path from 'node:path';
import { findFreePorts, waitFor } from '@balsa/cluster';
import { PayloadPool } from '../measure/payload-pool.ts';
import type { WorkloadContext } from '../workloads/context.ts';
import { killAll, pidsOf } from './children.ts';
import { EtcdClient } from './etcd-client.ts';
import { openClients, type Address, type LoadedCluster } from './load.ts';

const host = '127.0.0.1';
const names = ['etcd-1', 'etcd-2', 'etcd-3'];
const patienceMs = 30_000;

export class EtcdUnusable extends Error {}

/** What `program` says that it is: `etcd 3.4.23`. Throws `EtcdUnusable`. */
export function etcdVersion(program: string): string {
  const { stdout, error } = spawnSync(program, ['--version'], { encoding: 'utf8' });
  const version = /^etcd Version: (\S+)/m.exec(stdout)?.[1];
  if (version !== undefined) return `etcd ${version}`;
  const why = error === undefined ? 'it does not say its version as etcd does' : error.message;
  throw new EtcdUnusable(`--etcd ${program}: ${why}; give the path of etcd's server, 3.4 or later`);
}

export class EtcdCluster implements LoadedCluster {
  readonly #context: WorkloadContext;
  readonly #children: ChildProcess[];
  readonly #addresses: readonly Address[];
  readonly #pool: PayloadPool;
  readonly #killNow: () => void;

  private constructor(
    context: WorkloadContext,
    children: ChildProcess[],
    addresses: readonly Address[],
    killNow: () => void,
  ) {
    this.#context = context;
    this.#children = children;
    this.#addresses = addresses;
    this.#pool = new PayloadPool(context.payload);
    this.#killNow = killNow;
  }

  static async start(context: WorkloadContext, program: string, directory: string): Promise<EtcdCluster> {
    const ports = await findFreePorts(host, names.length * 2);
    const url = (port: number | undefined): string => `http://${host}:${port}`;
    const cluster = names.map((name, i) => `${name}=${url(ports[i])}`).join(',');
    mkdirSync(directory, { recursive: true });
    const children: ChildProcess[] = [];
    // Not even a run that ends at once leaves one behind.
    const killNow = (): void => {
      for (const child of children) child.kill('SIGKILL');
    };
    process.once('exit', killNow);
    for (const [i, name] of names.entries()) {
      const [peer, client] = [url(ports[i]), url(ports[names.length + i])];
      const log = openSync(path.join(directory, `${name}.log`), 'a');
      const args = [
        ...['--name', name, '--data-dir', path.join(directory, name)],
        ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer],
        ...['--listen-client-urls', client, '--advertise-client-urls', client],
        ...['--initial-cluster', cluster, '--initial-cluster-state', 'new'],
        ...['--logger', 'zap', '--log-outputs', 'stderr', '--log-level', 'error'],
      ];
      const child = spawn(program, args, { stdio: ['ignore', log, log], detached: true });
      closeSync(log);
      // What cannot be started has no leader, either: that is found below, and its log says why.
      child.on('error', () => undefined);
      children.push(child);
    }
    const addresses = names.map((_, i) => ({ host, port: ports[names.length + i] ?? 0 }));
    const started = new EtcdCluster(context, children, addresses, killNow);
    try {
      await started.leaderAddress();
      return started;
    } catch (error) {
      await started.stop();
      throw error;
    }
  }

  get pids(): number[] {
    return pidsOf(this.#children);
  }

  leaderAddress(): Promise<Address> {
    const look = async (): Promise<Address | undefined> => {
      const leads = await Promise.all(this.#addresses.map(isLeader));
      return this.#addresses.find((_, i) => leads[i]);
    };
    return waitFor(look, {
      what: 'etcd to have a leader',
      timeoutMs: patienceMs,
      signal: this.#context.signal,
    });
  }

  connect(address: Address, count: number): Promise<EtcdClient[]> {
    return openClients(this.#context, count, (numbers) => EtcdClient.open(address, this.#pool, numbers));
  }

  async settle(): Promise<void> {
    await this.leaderAddress();
  }

  async stop(): Promise<void> {
    await killAll(this.#children);
    process.off('exit', this.#killNow);
  }
}

async function isLeader({ port }: Address): Promise<boolean> {
  try {
    const answer = await fetch(`http://${host}:${port}/v3/maintenance/status`, {
      method: 'POST',
      body: '{}',
    });
    const { header, leader } = (await answer.json()) as {
      readonly header?: { readonly member_id?: string };
      readonly leader?: string;
    };
    return leader !== undefined && leader === header?.member_id;
  } catch {
    // Not up yet.
    return false;
  }
}
