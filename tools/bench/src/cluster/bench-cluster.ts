/** Three nodes in processes of their own on one engine, with all that is needed to load and to hurt them. */
import { ClusterClient, TestCluster, waitFor, type TestClusterOptions } from '@balsa/cluster';
import { randomHex64 } from '@balsa/raft-core';
import { PayloadPool } from '../measure/payload-pool.ts';
import type { Entrant, WorkloadContext } from '../workloads/context.ts';
import { LoadClient, openClients, type Address, type LoadedCluster } from './load.ts';

const ids = [1, 2, 3];
/** Between two tries while there is no leader, in milliseconds. */
const retryMs = 2;
/** A SET that is not answered within this is tried elsewhere, in milliseconds. */
const answerMs = 400;

export interface BenchMember {
  readonly pid: number;
  /** By name; undefined when it does not answer. */
  readonly metrics: () => Promise<ReadonlyMap<string, number> | undefined>;
}

export class BenchCluster implements LoadedCluster {
  readonly #cluster: TestCluster;
  readonly #client: ClusterClient;
  readonly #context: WorkloadContext;
  readonly #pool: PayloadPool;

  private constructor(cluster: TestCluster, client: ClusterClient, context: WorkloadContext) {
    this.#cluster = cluster;
    this.#client = client;
    this.#context = context;
    this.#pool = new PayloadPool(context.payload);
  }

  static async start(
    context: WorkloadContext,
    { source }: Entrant,
    directory: string,
    started: Pick<TestClusterOptions, 'program' | 'nodeArguments'> = {},
  ): Promise<BenchCluster> {
    const { env, signal } = context;
    const client = new ClusterClient();
    const options = Object.fromEntries(
      Object.entries(source.options).map(([key, value]) => [key, String(value)]),
    );
    const storages = ids.map(() => ({ name: source.name, options }));
    const cluster = new TestCluster({
      directory,
      clusterId: randomHex64(env),
      client,
      signal,
      storages,
      ...started,
    });
    const bench = new BenchCluster(cluster, client, context);
    try {
      await cluster.found(ids);
      await cluster.leader();
      return bench;
    } catch (error) {
      await bench.stop();
      throw error;
    }
  }

  /** Processes of nodes and of their servers. */
  get pids(): number[] {
    return this.#cluster
      .running()
      .flatMap(({ pid, server }) => (server === undefined ? [pid] : [pid, server.pid]));
  }

  /** The leader first. */
  async membersLeaderFirst(): Promise<BenchMember[]> {
    const { id: leader } = await this.#cluster.leader();
    return [...this.#cluster.running()]
      .sort((a, b) => Number(b.spec.id === leader) - Number(a.spec.id === leader))
      .map(({ pid, spec }) => ({ pid, metrics: () => this.#cluster.metrics(spec.id) }));
  }

  async leaderAddress(): Promise<Address> {
    const { id } = await this.#cluster.leader();
    return this.#addressOf(id);
  }

  /** So many connections to one node. */
  connect(address: Address, count: number): Promise<LoadClient[]> {
    return openClients(this.#context, count, (numbers) => LoadClient.open(address, this.#pool, numbers));
  }

  /**
   * Kills the leader and resolves with the milliseconds until a SET that was sent afterwards is accepted
   * by one of the others; then brings the killed one back.
   */
  async killLeader(): Promise<number> {
    const { id, status } = await this.#cluster.leader();
    const others = this.#cluster.running().filter(({ spec }) => spec.id !== id);
    const clients = await Promise.all(others.map(async ({ spec }) => (await this.connect(spec.resp, 1))[0]));
    const start = performance.now();
    await this.#cluster.kill(id);
    const stop = new AbortController();
    try {
      await Promise.any(
        clients.map((client, i) => this.#untilAccepted(client, others[i]?.spec.resp, stop.signal)),
      );
      const ms = performance.now() - start;
      await this.#cluster.start(id);
      await this.#cluster.leader(status.term);
      await this.#cluster.caughtUp(id);
      return ms;
    } finally {
      stop.abort();
      for (const client of clients) client?.close();
    }
  }

  async stop(): Promise<void> {
    this.#client.close();
    await this.#cluster.killAll();
  }

  /** Tries again and again; over a new connection when one does not answer. */
  async #untilAccepted(
    first: LoadClient | undefined,
    address: Address | undefined,
    stop: AbortSignal,
  ): Promise<void> {
    let client = first;
    while (!stop.aborted) {
      this.#context.signal.throwIfAborted();
      if (client?.usable !== true)
        client = address === undefined ? undefined : (await this.connect(address, 1))[0];
      const accepted = await Promise.race([
        client?.set().catch(() => false) ?? false,
        new Promise<undefined>((resolve) => {
          setTimeout(() => resolve(undefined), answerMs);
        }),
      ]);
      if (accepted === true) break;
      if (accepted === undefined) client?.close();
      await new Promise<void>((resolve) => setTimeout(resolve, retryMs));
    }
    client?.close();
  }

  #addressOf(id: number): Address {
    const node = this.#cluster.running().find(({ spec }) => spec.id === id);
    if (node === undefined) throw new Error(`node ${id} does not run`);
    return node.spec.resp;
  }

  /** Waits until the nodes have nothing left to do of what came before. */
  async settle(): Promise<void> {
    await waitFor(
      async () => {
        const { status } = await this.#cluster.leader();
        return status.applied >= status.commit ? true : undefined;
      },
      { what: 'the cluster to apply what it committed', timeoutMs: 30_000, signal: this.#context.signal },
    );
  }
}
