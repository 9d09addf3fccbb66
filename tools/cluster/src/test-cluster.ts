/** A cluster of node processes on free ports of this machine, and what can be done to it. For the demo and for trials. */
import { rm } from 'node:fs/promises';
import path from 'node:path';
import type { NodeStatus } from '@balsa/raft-node';
import {
  fetchDigest,
  fetchMetrics,
  fetchStatus,
  isReady,
  postMemberChange,
  postTransfer,
  type Digest,
  type MemberChange,
} from './node-http.ts';
import { NodeProcess, type NodeSpec } from './node-process.ts';
import { findFreePorts } from './ports.ts';
import { waitFor } from './wait.ts';
import { CommandFailure } from './failure.ts';
import { formatHostPort, type ClusterMember } from './addresses.ts';
import type { ClusterClient } from './cluster-client.ts';
import type { Network } from './network.ts';
import type { NodeStorage } from './node-storage.ts';

const host = '127.0.0.1';
const defaultPatienceMs = 30_000;
/** Reads under way at once. */
const readsAtOnce = 64;

export interface TestClusterOptions {
  readonly directory: string;
  readonly clusterId: string;
  readonly client: ClusterClient;
  readonly signal: AbortSignal;
  /** Further arguments of each `balsa serve`. */
  readonly nodeArguments?: readonly string[];
  /** Of the founding members, in their order. Default: SQLite. */
  readonly storages?: readonly NodeStorage[];
  /** Stands between the nodes. Default: they talk to each other directly. */
  readonly network?: Network;
  /** JavaScript file of the `balsa` command. Default: that of the installed @balsa/cli. */
  readonly program?: string;
  /** Data directory of a node. Default: node-ID below `directory`. */
  readonly directoryOf?: (id: number) => string;
  /** Longest wait for anything that a healthy cluster does in a few seconds, in milliseconds. Default 30 s. */
  readonly patienceMs?: number;
}

export interface Leader {
  readonly id: number;
  readonly status: NodeStatus;
}

export class TestCluster {
  readonly #options: TestClusterOptions;
  readonly #specs = new Map<number, NodeSpec>();
  /** Where the others dial each node: the proxy before it, where there is one. */
  readonly #addresses = new Map<number, string>();
  readonly #processes = new Map<number, NodeProcess>();

  constructor(options: TestClusterOptions) {
    this.#options = options;
  }

  /** Nodes that run now, by id. */
  running(): readonly NodeProcess[] {
    return [...this.#processes.values()].filter((node) => node.running);
  }

  async found(ids: readonly number[]): Promise<void> {
    const ports = await findFreePorts(host, ids.length * 3);
    for (const [i, id] of ids.entries()) await this.#place(id, ports[i * 3] ?? 0);
    const members = this.#members();
    for (const [i, id] of ids.entries())
      this.#describe(id, ports.slice(i * 3, i * 3 + 3), members, 'bootstrap', this.#options.storages?.[i]);
    await Promise.all(ids.map((id) => this.start(id)));
  }

  /** Starts an empty node that waits to be added. */
  async startJoining(id: number, storage?: NodeStorage): Promise<void> {
    const ports = await findFreePorts(host, 3);
    const members = this.#members();
    await this.#place(id, ports[0] ?? 0);
    this.#describe(id, ports, members, 'join', storage);
    await this.start(id);
  }

  async start(id: number): Promise<void> {
    const spec = this.#spec(id);
    const node = await NodeProcess.start(spec);
    this.#processes.set(id, node);
    if (this.#options.signal.aborted) node.killNow();
    await node.ready();
    this.#options.client.connect(id, spec.resp);
  }

  /** SIGKILL. */
  async kill(id: number): Promise<void> {
    const node = this.#processes.get(id);
    await node?.kill();
    this.#options.client.disconnect(id);
  }

  /** SIGSTOP: it stands still, with its connections open. */
  pause(id: number): void {
    this.#processes.get(id)?.pause();
  }

  resume(id: number): void {
    this.#processes.get(id)?.resume();
  }

  /** Kills it and removes its data. Its id is not used again. */
  async wipe(id: number): Promise<void> {
    await this.kill(id);
    await rm(this.#spec(id).directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
    this.#options.network?.detach(id);
    this.#specs.delete(id);
    this.#addresses.delete(id);
    this.#processes.delete(id);
  }

  /** Where the others dial it. */
  addressOf(id: number): string {
    const address = this.#addresses.get(id);
    if (address === undefined) throw new CommandFailure(`There is no node ${id}.`);
    return address;
  }

  /** The engine of node `id`; undefined when none was named. */
  storageOf(id: number): NodeStorage | undefined {
    return this.#spec(id).storage;
  }

  directoryOf(id: number): string {
    return this.#spec(id).directory;
  }

  /** The process of node `id`, which may have ended. */
  processOf(id: number): NodeProcess | undefined {
    return this.#processes.get(id);
  }

  /** Ids of all nodes that are not wiped, running or not. */
  ids(): readonly number[] {
    return [...this.#specs.keys()];
  }

  status(id: number): Promise<NodeStatus | undefined> {
    return fetchStatus(this.#spec(id).http);
  }

  /** See {@link fetchMetrics}. */
  metrics(id: number): Promise<ReadonlyMap<string, number> | undefined> {
    return fetchMetrics(this.#spec(id).http);
  }

  /** Digests of all running nodes at one applied index. Resolves once they are at the same; writes must have ended. */
  digestsAtOneIndex(): Promise<Digest[]> {
    const nodes = this.running();
    return this.wait('all nodes to be at the same index', async () => {
      const found = await Promise.all(nodes.map(({ spec }) => fetchDigest(spec.http)));
      const present = found.filter((one) => one !== undefined);
      const alike = present.every((one) => one.appliedIndex === present[0]?.appliedIndex);
      return alike && present.length === nodes.length ? present : undefined;
    });
  }

  /** As {@link digestsAtOneIndex}, the digests alone; they are equal unless nodes differ. */
  async equalDigests(): Promise<string[]> {
    return (await this.digestsAtOneIndex()).map(({ digest }) => digest);
  }

  /** Values as node `id` gives them, in the order of the keys; each is asked for until it is answered. */
  async readThrough(id: number, keys: readonly string[]): Promise<(string | null)[]> {
    const values: (string | null)[] = [];
    for (let i = 0; i < keys.length; i += readsAtOnce) {
      values.push(
        ...(await Promise.all(keys.slice(i, i + readsAtOnce).map((key) => this.#readOne(id, key)))),
      );
    }
    return values;
  }

  /** Waits until some node leads in a term above `aboveTerm`, and serves. */
  leader(aboveTerm = 0): Promise<Leader> {
    return this.wait('a leader', async () => {
      for (const { spec } of this.running()) {
        const status = await fetchStatus(spec.http);
        if (status?.role === 'leader' && status.term > aboveTerm && (await isReady(spec.http))) {
          return { id: spec.id, status };
        }
      }
      return undefined;
    });
  }

  /** Waits until node `id` has applied what the leader had committed when this was called. */
  async caughtUp(id: number): Promise<void> {
    const { status } = await this.leader();
    await this.wait(`node ${id} to catch up to index ${status.commit}`, async () => {
      const mine = await this.status(id);
      return mine !== undefined && mine.applied >= status.commit ? true : undefined;
    });
  }

  /** Asks the leader, and asks again while there is none or it cannot yet. */
  async change(change: MemberChange): Promise<void> {
    let last: unknown;
    await this.wait(`the change "${change.change} ${change.id}"`, async () => {
      const { id } = await this.leader();
      try {
        await postMemberChange(this.#spec(id).http, change);
        return true;
      } catch (error) {
        last = error;
        return (await this.#isMade(change)) ? true : undefined;
      }
    }).catch((error: unknown) => {
      throw new CommandFailure(`${(error as Error).message} ${last instanceof Error ? last.message : ''}`, {
        cause: last,
      });
    });
  }

  /** Asks for leadership to go to node `to`; whether it does is the cluster's affair. */
  async transfer(to: number): Promise<void> {
    const { id } = await this.leader();
    if (id !== to) await postTransfer(this.#spec(id).http, to);
  }

  wait<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
    const { patienceMs = defaultPatienceMs, signal } = this.#options;
    return waitFor(look, { what, timeoutMs: patienceMs, signal });
  }

  /** Ends every process and waits for it. */
  async killAll(): Promise<void> {
    await Promise.all([...this.#processes.values()].map((node) => node.kill()));
  }

  killAllNow(): void {
    for (const node of this.#processes.values()) node.killNow();
  }

  async #readOne(id: number, key: string): Promise<string | null> {
    const { text } = await this.wait(`node ${id} to read ${key}`, async () => {
      const result = await this.#options.client.get(key, id);
      return result.ok ? result : undefined;
    });
    return text;
  }

  /** An answer may have been lost on its way although the change was made. */
  async #isMade({ change, id }: MemberChange): Promise<boolean> {
    const { status } = await this.leader();
    const { voters, learners } = status.confState;
    if (change === 'promote') return voters.includes(id);
    if (change === 'add-learner') return voters.includes(id) || learners.includes(id);
    return !voters.includes(id) && !learners.includes(id);
  }

  #spec(id: number): NodeSpec {
    const spec = this.#specs.get(id);
    if (spec === undefined) throw new CommandFailure(`There is no node ${id}.`);
    return spec;
  }

  #members(): ClusterMember[] {
    return [...this.#addresses].map(([id, address]) => ({ id, address }));
  }

  async #place(id: number, port: number): Promise<void> {
    const own = { host, port };
    this.#addresses.set(id, formatHostPort((await this.#options.network?.attach(id, own)) ?? own));
  }

  #describe(
    id: number,
    ports: readonly number[],
    members: readonly ClusterMember[],
    mode: NodeSpec['mode'],
    storage: NodeStorage | undefined,
  ): void {
    const { directory, clusterId, program } = this.#options;
    const [raft = 0, resp = 0, http = 0] = ports;
    this.#specs.set(id, {
      id,
      clusterId,
      directory: this.#options.directoryOf?.(id) ?? path.join(directory, `node-${id}`),
      logFile: path.join(directory, 'logs', `node-${id}.log`),
      raft: { host, port: raft },
      resp: { host, port: resp },
      http: { host, port: http },
      members,
      mode,
      extra: this.#options.nodeArguments ?? [],
      ...(storage === undefined ? {} : { storage }),
      ...(program === undefined ? {} : { program }),
    });
  }
}
