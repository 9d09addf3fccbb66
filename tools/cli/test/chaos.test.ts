/** Real engines and real sockets in one process: what the simulated network and disks cannot show. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createKvStateMachine, encodeCommand, storeKey, type KvResult, type KvStateMachine } from '@balsa/kv';
import { isBalsaError, type OrderedStore } from '@balsa/raft-core';
import { createNodeEnv, RaftNode } from '@balsa/raft-node';
import { openSqliteEngine } from '@balsa/storage-sqlite';
import { createTcpTransport, type TcpTransport } from '@balsa/transport-tcp';
import { expect, test } from 'vitest';
import { findFreePorts } from '@balsa/cluster';

const host = '127.0.0.1';
const ids = [1, 2, 3] as const;
const env = createNodeEnv();
const key = Buffer.from('tokens');

interface Site {
  readonly node: RaftNode<KvResult>;
  readonly machine: KvStateMachine;
  readonly store: OrderedStore;
  readonly transport: TcpTransport;
}

/** A generator of its own, so that a seed means the same plan everywhere. */
function dice(seed: number): (sides: number) => number {
  let state = (seed * 2_654_435_761) >>> 0 || 1;
  return (sides) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % sides;
  };
}

class Trial {
  readonly sites = new Map<number, Site>();
  readonly acknowledged: string[] = [];
  readonly refused: string[] = [];
  readonly #directory: string;
  readonly #ports: readonly number[];

  constructor(directory: string, ports: readonly number[]) {
    this.#directory = directory;
    this.#ports = ports;
  }

  async start(id: number): Promise<void> {
    const engine = await openSqliteEngine({ directory: join(this.#directory, String(id)), env });
    const machine = createKvStateMachine(engine.orderedStore('kv'));
    const members = ids.map((n) => ({ id: n, address: `${host}:${String(this.#ports[n - 1])}` }));
    const transport = createTcpTransport({ env, listen: { host, port: this.#ports[id - 1] ?? 0 } });
    const node = await RaftNode.start<KvResult>({
      id,
      engine,
      ownEngine: true,
      stateMachine: machine,
      transport,
      env,
      tickMs: 40,
      bootstrap: { clusterId: '00000000000000c5', members },
      compaction: { checkEveryEntries: 20, keepEntries: 10, snapshotIdleMs: 500 },
    });
    this.sites.set(id, { node, machine, store: machine.store, transport });
  }

  async stop(id: number): Promise<void> {
    const site = this.sites.get(id);
    this.sites.delete(id);
    await site?.node.stop();
  }

  async append(id: number, token: string): Promise<void> {
    const data = encodeCommand({ op: 'append', key, value: Buffer.from(`${token};`) });
    try {
      await this.sites.get(id)?.node.propose(data, { timeoutMs: 5000 });
      this.acknowledged.push(token);
    } catch (error) {
      if (isBalsaError(error) && error.outcome === 'refused') this.refused.push(token);
    }
  }

  /** A leader is known and leads: how many writes get through is not a matter of how long an election takes. */
  async untilLed(): Promise<void> {
    const [site] = this.sites.values();
    await site?.node.read({ timeoutMs: 120_000 });
  }

  /** Each node's tokens, read at a linearizable point. */
  async tokens(id: number): Promise<string[]> {
    const site = this.sites.get(id);
    await site?.node.read({ timeoutMs: 120_000 });
    const [value] = (await site?.store.getMany([storeKey(key)])) ?? [];
    return Buffer.from(value ?? [])
      .toString()
      .split(';')
      .filter((token) => token !== '');
  }
}

async function disturb(trial: Trial, down: Set<number>, roll: (sides: number) => number): Promise<void> {
  const id = 1 + roll(3);
  const [missing] = down;
  if (missing !== undefined) {
    await trial.start(missing);
    down.delete(missing);
    return;
  }
  const kind = roll(3);
  if (kind === 0) {
    const leader = [...trial.sites.values()].find(({ node }) => node.status().role === 'leader');
    await leader?.node.transferLeadership().catch(() => undefined);
    return;
  }
  down.add(id);
  // Without its network first: the others hear nothing of a farewell.
  if (kind === 1) await trial.sites.get(id)?.transport.stop();
  else await trial.stop(id);
}

const seeds = (process.env['BALSA_CHAOS_SEEDS'] ?? '1,2').split(',').map(Number);

test.each(seeds)(
  'seed %i, SQLite and TCP: what was acknowledged is there once, what was refused is not, all nodes are equal',
  async (seed) => {
    const roll = dice(seed);
    const directory = await mkdtemp(join(tmpdir(), 'balsa-chaos-'));
    const trial = new Trial(directory, await findFreePorts(host, 3));
    try {
      for (const id of ids) await trial.start(id);
      const down = new Set<number>();
      for (let step = 0; step < 10; step++) {
        await trial.untilLed();
        const writes = Array.from({ length: 25 }, (_, n) => {
          const up = [...trial.sites.keys()].filter((id) => !down.has(id));
          return trial.append(up[roll(up.length)] ?? 1, `${String(step)}.${String(n)}`);
        });
        const disturbing = disturb(trial, down, roll);
        await Promise.all([...writes, disturbing]);
        // One that lost its network is still running: it ends before it begins anew.
        for (const id of down) await trial.stop(id);
      }
      for (const id of down) await trial.start(id);
      const all = await Promise.all(ids.map((id) => trial.tokens(id)));
      for (const tokens of all) {
        expect(new Set(tokens).size).toBe(tokens.length);
        expect(trial.acknowledged.filter((token) => !tokens.includes(token))).toEqual([]);
        expect(trial.refused.filter((token) => tokens.includes(token))).toEqual([]);
      }
      const digests = await Promise.all(ids.map(async (id) => await trial.sites.get(id)?.machine.digest()));
      expect(new Set(digests.map((digest) => digest?.digest)).size).toBe(1);
      // Most of it got through: a cluster that refuses everything would pass what stands above.
      expect(trial.acknowledged.length).toBeGreaterThan(100);
    } finally {
      for (const id of [...trial.sites.keys()]) await trial.stop(id);
      await rm(directory, { recursive: true, force: true });
    }
  },
);
