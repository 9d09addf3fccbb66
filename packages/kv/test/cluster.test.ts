/** The service on real nodes: three of them, memory disks and a memory network, real sockets for the clients. */
import { isBalsaError, type Engine } from '@balsa/raft-core';
import { createMemoryDisk, openMemoryEngine, type MemoryDisk } from '@balsa/raft-core/memory';
import { createNodeEnv, RaftNode } from '@balsa/raft-node';
import { createMemoryNetwork, memoryAddress, type MemoryNetwork } from '@balsa/transport-memory';
import { describe, expect, test } from 'vitest';
import {
  createKvStateMachine,
  KvClient,
  startKvServer,
  type KvResult,
  type KvServer,
  type KvStateMachine,
} from '../src/index.ts';
import { onEnd } from './support/server.ts';

interface Site {
  readonly node: RaftNode<KvResult>;
  readonly server: KvServer;
  readonly machine: KvStateMachine;
  readonly engine: Engine;
  stop(): Promise<void>;
}

class Cluster {
  readonly env = createNodeEnv();
  readonly network: MemoryNetwork = createMemoryNetwork({ env: this.env, seed: 1, latencyMs: [0, 1] });
  readonly disks = new Map<number, MemoryDisk>();
  readonly sites = new Map<number, Site>();
  readonly #ids: readonly number[];

  constructor(size: number) {
    this.#ids = Array.from({ length: size }, (_, i) => i + 1);
  }

  static async start(size: number): Promise<Cluster> {
    const cluster = new Cluster(size);
    onEnd(async () => {
      for (const site of cluster.sites.values()) await site.stop();
    });
    for (const id of cluster.#ids) await cluster.startSite(id);
    await cluster.leader();
    return cluster;
  }

  async startSite(id: number): Promise<Site> {
    const disk = this.disks.get(id) ?? createMemoryDisk();
    this.disks.set(id, disk);
    const engine = openMemoryEngine({ disk });
    const machine = createKvStateMachine(engine.orderedStore('kv'));
    const node = await RaftNode.start<KvResult>({
      id,
      engine,
      ownEngine: true,
      stateMachine: machine,
      transport: this.network.transport(id),
      env: this.env,
      tickMs: 10,
      requestTimeoutMs: 2000,
      bootstrap: {
        clusterId: '00000000000000aa',
        members: this.#ids.map((each) => ({ id: each, address: memoryAddress(each) })),
      },
    });
    const server = await startKvServer({
      node,
      stateMachine: machine,
      env: this.env,
      resp: { port: 0 },
      http: { port: 0 },
      limits: { drainMs: 50, readTimeoutMs: 300, writeTimeoutMs: 1000 },
    });
    const stop = async (): Promise<void> => {
      this.sites.delete(id);
      await server.stop();
      await node.stop();
    };
    const site: Site = { node, server, machine, engine, stop };
    this.sites.set(id, site);
    return site;
  }

  async leader(): Promise<number> {
    for (;;) {
      for (const [id, { node }] of this.sites) if (node.status().role === 'leader') return id;
      await this.pause();
    }
  }

  pause(): Promise<void> {
    return new Promise((resolve) => {
      this.env.setTimer(5, resolve);
    });
  }

  client(ids: readonly number[] = this.#ids, retries = 20): KvClient {
    const addresses = ids.flatMap((id) => this.sites.get(id)?.server.respAddress ?? []);
    const client = new KvClient({ addresses, env: this.env, retries, callTimeoutMs: 5000 });
    onEnd(() => client.close());
    return client;
  }
}

describe('the service on a cluster', () => {
  test('takes writes and linearizable reads on every node, and the nodes end up byte for byte alike', async () => {
    const cluster = await Cluster.start(3);
    const clients = [1, 2, 3].map((id) => cluster.client([id]));
    for (let round = 1; round <= 20; round += 1) {
      await Promise.all(clients.map((client) => client.incr('n')));
      // What one node has answered, every other shows at once.
      for (const client of clients) expect(await client.getText('n')).toBe(String(3 * round));
    }
    const machines = [...cluster.sites.values()].map((site) => site.machine);
    while (new Set(machines.map((machine) => machine.appliedIndex)).size > 1) await cluster.pause();
    const digests = await Promise.all(machines.map((machine) => machine.digest()));
    expect(new Set(digests.map((digest) => JSON.stringify(digest))).size).toBe(1);
  });

  test('loses no acknowledged write and repeats none when the leader goes away', async () => {
    const cluster = await Cluster.start(3);
    const leader = await cluster.leader();
    const followers = [1, 2, 3].filter((id) => id !== leader);
    const clients = [...followers, leader].map((id) => cluster.client([id, ...followers]));
    let [acknowledged, unknown] = [0, 0];
    let stopped = false;
    const work = clients.map(async (client) => {
      for (let i = 0; i < 60; i += 1) {
        if (i === 20 && !stopped) {
          stopped = true;
          await cluster.sites.get(leader)?.stop();
        }
        try {
          await client.incr('n');
          acknowledged += 1;
        } catch (problem) {
          if (!isBalsaError(problem)) throw problem;
          if (problem.outcome === 'unknown') unknown += 1;
        }
      }
    });
    await Promise.all(work);
    const sum = Number(await cluster.client(followers).getText('n'));
    expect(acknowledged).toBeGreaterThan(60);
    expect(sum).toBeGreaterThanOrEqual(acknowledged);
    expect(sum).toBeLessThanOrEqual(acknowledged + unknown);
  });

  test('without a majority is not ready, says why, and refuses reads rather than answer old values', async () => {
    const cluster = await Cluster.start(3);
    await cluster.client().set('a', '1');
    const leader = await cluster.leader();
    for (const id of [1, 2, 3]) if (id !== leader) await cluster.sites.get(id)?.stop();
    const http = `http://127.0.0.1:${String(cluster.sites.get(leader)?.server.httpAddress?.port)}`;
    let ready = await fetch(`${http}/readyz`);
    while (ready.status === 200) {
      await cluster.pause();
      ready = await fetch(`${http}/readyz`);
    }
    expect(await ready.text()).toMatch(/leader/);
    const problem: unknown = await cluster
      .client([leader], 0)
      .get('a')
      .catch((caught: unknown) => caught);
    expect(isBalsaError(problem) && problem.retryable).toBe(true);
    expect((await fetch(`${http}/livez`)).status).toBe(200);
  });

  test('of one node goes on where it was after a power cut', async () => {
    const cluster = await Cluster.start(1);
    for (let i = 0; i < 30; i += 1) await cluster.client().incr('n');
    cluster.network.crash(1);
    cluster.disks.get(1)?.crash();
    await cluster.sites.get(1)?.stop();
    await cluster.startSite(1);
    await cluster.leader();
    expect(await cluster.client([1]).incr('n')).toBe(31n);
  });

  test('feeds a new member by a snapshot or the log, over HTTP, until it is alike', async () => {
    const cluster = await Cluster.start(3);
    await cluster.client().mset(Array.from({ length: 500 }, (_, i) => [`k${String(i)}`, String(i)] as const));
    const leader = cluster.sites.get(await cluster.leader());
    const http = `http://127.0.0.1:${String(leader?.server.httpAddress?.port)}`;
    const body = JSON.stringify({ change: 'add-learner', id: 4, address: memoryAddress(4) });
    const added = await fetch(`${http}/members`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    });
    expect(await added.json()).toMatchObject({ confState: { voters: [1, 2, 3], learners: [4] } });
    const engine = openMemoryEngine();
    const machine = createKvStateMachine(engine.orderedStore('kv'));
    const node = await RaftNode.start<KvResult>({
      id: 4,
      engine,
      ownEngine: true,
      stateMachine: machine,
      transport: cluster.network.transport(4),
      env: cluster.env,
      tickMs: 10,
      join: { clusterId: '00000000000000aa' },
    });
    onEnd(() => node.stop());
    while (machine.appliedIndex < (leader?.machine.appliedIndex ?? 0)) await cluster.pause();
    expect(await machine.digest()).toEqual(await leader?.machine.digest());
  });
});
