/** A whole cluster in one process, in virtual time: memory disks, a memory network, one seed. */
import {
  LogLevel,
  type Logger,
  type NodeId,
  type Storage,
  type Transport,
  type WriteBatch,
} from '@balsa/raft-core';
import {
  createMemoryDisk,
  openMemoryEngine,
  type MemoryDisk,
  type MemorySchedule,
} from '@balsa/raft-core/memory';
import {
  createMemoryNetwork,
  createVirtualEnv,
  memoryAddress,
  type MemoryNetwork,
  type VirtualEnv,
} from '@balsa/transport-memory';
import { RaftNode, type Member, type NodeStatus, type RaftNodeOptions } from '../src/index.ts';
import { bytesOf, MachineDisk, TestMachine } from './machine.ts';

export const clusterId = '00000000000000c1';

export interface Site {
  readonly id: NodeId;
  disk: MemoryDisk;
  machineDisk: MachineDisk;
  machine: TestMachine;
  node: RaftNode<string>;
  /** Batches that reached the storage of this run. */
  writes: WriteBatch[];
  /** Writes asked for from now on wait until the returned function is called. */
  hangWrites: () => () => void;
}

export interface ClusterOptions {
  readonly seed?: number;
  readonly size?: number;
  readonly persistent?: boolean;
  readonly node?: Partial<RaftNodeOptions<string>>;
  readonly schedule?: MemorySchedule;
  /** Virtual milliseconds that a write takes before it has effect, at most. Default: one microtask. */
  readonly writeMs?: number;
  /** Stores and transports are given what a thread would be: structured clones. */
  readonly postsWrites?: boolean;
}

export function member(id: NodeId): Member {
  return { id, address: memoryAddress(id) };
}

export class Cluster {
  readonly env: VirtualEnv;
  readonly network: MemoryNetwork;
  readonly logs: string[] = [];
  readonly sites = new Map<NodeId, Site>();
  readonly initial: readonly NodeId[];
  readonly #disks = new Map<NodeId, MemoryDisk>();
  readonly #options: ClusterOptions;

  constructor(options: ClusterOptions = {}) {
    this.#options = options;
    const seed = options.seed ?? 1;
    const log: Logger = {
      enabled: (level) => level >= LogLevel.Warn,
      log: (level, text) => {
        if (level >= LogLevel.Warn) this.logs.push(text);
      },
    };
    this.env = createVirtualEnv({ seed, log });
    this.network = createMemoryNetwork({ env: this.env, seed, latencyMs: [1, 3] });
    this.initial = Array.from({ length: options.size ?? 3 }, (_, i) => i + 1);
  }

  static async start(options: ClusterOptions = {}): Promise<Cluster> {
    const cluster = new Cluster(options);
    for (const id of cluster.initial) await cluster.startNode(id);
    return cluster;
  }

  get bootstrap(): NonNullable<RaftNodeOptions<string>['bootstrap']> {
    return { clusterId, members: this.initial.map(member) };
  }

  /** Starts, or starts again, on the disks that the node has. */
  async startNode(id: NodeId, extra: Partial<RaftNodeOptions<string>> = {}): Promise<Site> {
    const old = this.sites.get(id);
    const disk = this.#disks.get(id) ?? old?.disk ?? createMemoryDisk();
    this.#disks.delete(id);
    const machineDisk = old?.machineDisk ?? new MachineDisk();
    const machine = new TestMachine(machineDisk, this.#options.persistent ?? true);
    const writes: WriteBatch[] = [];
    const schedule = this.#options.schedule ?? this.#slowDisk();
    const engine = openMemoryEngine({ disk, ...(schedule !== undefined && { schedule }) });
    const group = engine.group.bind(engine);
    const gate: Gate = { closed: undefined };
    engine.group = (name) => recording(this.#posting(group(name)), writes, gate);
    const founding =
      extra.join === undefined && this.initial.includes(id) ? { bootstrap: this.bootstrap } : {};
    const starting = RaftNode.start<string>({
      id,
      engine,
      ownEngine: true,
      stateMachine: machine,
      transport: this.#transport(id),
      env: this.env,
      ...founding,
      ...this.#options.node,
      ...extra,
    });
    const node = await this.do(starting);
    const site = { id, disk, machineDisk, machine, node, writes, hangWrites: () => shut(gate) };
    this.sites.set(id, site);
    return site;
  }

  /** The next start of the node is on this disk. */
  keepDisk(id: NodeId, disk: MemoryDisk): void {
    this.#disks.set(id, disk);
    this.sites.delete(id);
  }

  #posting(storage: Storage): Storage {
    if (this.#options.postsWrites !== true) return storage;
    const write = storage.write.bind(storage);
    storage.write = (batch) => write(structuredClone(batch));
    return storage;
  }

  #transport(id: NodeId): Transport {
    const transport = this.network.transport(id);
    if (this.#options.postsWrites !== true) return transport;
    const send = transport.send.bind(transport);
    transport.send = (group, messages) => {
      send(group, structuredClone(messages));
    };
    return transport;
  }

  #slowDisk(): MemorySchedule | undefined {
    const { writeMs } = this.#options;
    if (writeMs === undefined) return undefined;
    return ({ kind, phase }) => {
      if (kind !== 'write' || phase !== 'before') return undefined;
      return new Promise((resolve) => this.env.setTimer(this.env.random() * writeMs, resolve));
    };
  }

  /** Power cut: process, unsynced state and network gone at once. */
  async crash(id: NodeId): Promise<void> {
    const site = this.site(id);
    this.network.crash(id);
    site.disk.crash();
    site.machineDisk.crash();
    await this.do(site.node.stop());
  }

  async stop(): Promise<void> {
    for (const site of this.sites.values()) await this.do(site.node.stop());
  }

  site(id: NodeId): Site {
    const site = this.sites.get(id);
    if (site === undefined) throw new Error(`no node ${String(id)}`);
    return site;
  }

  node(id: NodeId): RaftNode<string> {
    return this.site(id).node;
  }

  status(id: NodeId): NodeStatus {
    return this.node(id).status();
  }

  /** Moves time until `promise` settles, and gives what it gives. */
  async do<T>(promise: Promise<T>, maxMs = 60_000): Promise<T> {
    let settled = false;
    const mark = (): void => {
      settled = true;
    };
    promise.then(mark, mark);
    await this.env.runUntil(() => settled, maxMs, 'the promise settled');
    return await promise;
  }

  async until(condition: () => boolean, what: string, maxMs = 60_000): Promise<void> {
    await this.env.runUntil(condition, maxMs, what);
  }

  /** The one leader that `among` agree on. */
  async leader(among: readonly NodeId[] = [...this.sites.keys()]): Promise<NodeId> {
    const agreed = (): NodeId | undefined => {
      const leaders = new Set(among.map((id) => this.status(id).leader));
      const [leader] = leaders;
      return leaders.size === 1 &&
        leader !== undefined &&
        among.includes(leader) &&
        this.status(leader).role === 'leader'
        ? leader
        : undefined;
    };
    await this.until(() => agreed() !== undefined, `nodes ${among.join(', ')} agree on a leader`);
    return agreed() ?? 0;
  }

  async propose(id: NodeId, text: string): Promise<string> {
    return await this.do(this.node(id).propose(bytesOf(text)));
  }

  async converged(among: readonly NodeId[], texts: readonly string[]): Promise<void> {
    const same = (id: NodeId): boolean => this.site(id).machine.texts.join('\n') === texts.join('\n');
    await this.until(() => among.every(same), `nodes ${among.join(', ')} hold ${String(texts.length)} texts`);
  }
}

interface Gate {
  closed: Promise<void> | undefined;
}

function shut(gate: Gate): () => void {
  let open: () => void = () => undefined;
  gate.closed = new Promise((resolve) => {
    open = resolve;
  });
  return () => {
    gate.closed = undefined;
    open();
  };
}

function recording(storage: Storage, writes: WriteBatch[], gate: Gate): Storage {
  const write = storage.write.bind(storage);
  storage.write = (batch) => {
    writes.push(batch);
    return gate.closed === undefined ? write(batch) : gate.closed.then(() => write(batch));
  };
  return storage;
}

/** What a promise rejects with: its code, or what else it was. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'resolved';
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
}
