/** One machine: its disk, its clock, and the process that runs on it, if any. */
import {
  BalsaError,
  isBalsaError,
  ReadOnlyOption,
  type Engine,
  type NodeId,
  type OrderedStore,
  type RaftCore,
} from '@balsa/raft-core';
import { openMemoryEngine } from '@balsa/raft-core/memory';
import { createKvStateMachine, type KvResult } from '@balsa/kv';
import { RaftNode, type Member } from '@balsa/raft-node';
import { openFileEngine } from '@balsa/storage-file';
import { memoryAddress } from '@balsa/transport-memory';
import { ObservedMachine } from '../judge/observed-machine.ts';
import { ObservedStorage } from '../judge/observed-storage.ts';
import { ObservedTransport } from '../judge/observed-transport.ts';
import { Chance } from './chance.ts';
import type { Owner } from './clock.ts';
import { Disk } from './disk.ts';
import { countInputs } from './inputs.ts';
import type { Survival } from './inode.ts';
import { MachineClock, nodeEnv } from './node-env.ts';
import type { Surroundings } from './surroundings.ts';
import { replacedBesideMaintenance, tidying } from './tidying.ts';

export const clusterId = '00000000000000c1';

/** Virtual milliseconds in which a process that goes on has only messages to deal with. */
const wakingMs = 0.01;

export type HostState = 'down' | 'starting' | 'running' | 'retired';

export class Host {
  readonly id: NodeId;
  readonly disk: Disk;
  readonly clock: MachineClock;
  state: HostState = 'down';
  /** What is stored was damaged behind the node's back: it may refuse to start. */
  damaged = false;
  /** Whether any node ever counted it a member. */
  wasMember: boolean;
  node: RaftNode<KvResult> | undefined;
  store: OrderedStore | undefined;
  core: RaftCore | undefined;
  readonly #cluster: Surroundings<Host>;
  readonly #chance: Chance;
  /** Whether it founded the cluster; others join. */
  readonly #founding: boolean;
  #life: Owner;
  #lives = 0;
  #errorsBefore = 0;
  /** Ends of paths and of sleep: what waits to be delivered, in order. */
  readonly #inbox: { readonly from: NodeId; readonly deliver: () => void }[] = [];
  #wakers: (() => void)[] = [];
  #draining = false;

  constructor(cluster: Surroundings<Host>, id: NodeId, founding: boolean) {
    this.id = id;
    this.#cluster = cluster;
    this.#founding = founding;
    this.wasMember = founding;
    this.#life = { id, alive: false, paused: false };
    this.#chance = Chance.of(cluster.plan.seed, `node ${id}`);
    this.clock = new MachineClock(cluster.clock, this.#chance.between(0, 1e6));
    this.disk = new Disk({
      clock: cluster.clock,
      chance: Chance.of(cluster.plan.seed, `disk ${id}`),
      syncMs: cluster.plan.syncMs,
      onCall: (what, path) => {
        cluster.onDisk(id, what, path);
      },
      onTrouble: (what, count) => {
        cluster.coverage.count('fault', what, count);
      },
    });
  }

  get member(): Member {
    return { id: this.id, address: memoryAddress(this.id) };
  }

  get paused(): boolean {
    return this.#life.paused;
  }

  get life(): number {
    return this.#lives;
  }

  // --- process

  /** Begins to start; the state says how it went. */
  start(): void {
    if (this.state !== 'down') return;
    this.state = 'starting';
    this.#lives++;
    this.#errorsBefore = this.disk.counts.errors;
    this.#life = { id: this.id, alive: true, paused: false };
    this.#cluster.onLife(this.id, 'starts');
    const life = this.#life;
    this.#start(life).catch((error: unknown) => {
      if (life.alive) this.#failed(life, error, 'cannot start');
    });
  }

  /** The process dies at once; with `power` so does the machine. */
  kill(power?: Survival): void {
    if (this.state === 'retired') return;
    this.#endLife();
    if (power === undefined) this.disk.kill();
    else this.disk.losePower(power);
    this.state = 'down';
  }

  retire(): void {
    this.kill();
    this.state = 'retired';
  }

  pause(): void {
    this.#life.paused = true;
  }

  /** With `messagesFirst` it is given what has arrived before what its own timers and its disk have for it. */
  resume(messagesFirst = false): void {
    if (!this.#life.paused) return;
    this.#cluster.clock.resume(this.#life, messagesFirst ? wakingMs : 0);
    this.flush();
    for (const wake of this.#wakers.splice(0)) wake();
  }

  /** Delivers what waited and need not wait any longer, each as an event of its own. */
  flush(): void {
    if (this.#draining || !this.#life.alive) return;
    this.#draining = true;
    this.#cluster.clock.set(this.#life, 0, () => {
      this.#draining = false;
      const at = this.#inbox.findIndex(({ from }) => !this.#cluster.isClogged(from, this.id));
      if (at < 0) return;
      const [parcel] = this.#inbox.splice(at, 1);
      this.flush();
      parcel?.deliver();
    });
  }

  #endLife(): void {
    this.#life.alive = false;
    this.#life.paused = false;
    this.#cluster.network.crash(this.id);
    this.#cluster.judge.detach(this.id);
    this.#inbox.length = 0;
    this.#wakers = [];
    this.#draining = false;
    this.node = undefined;
    this.store = undefined;
    this.core = undefined;
  }

  async #start(life: Owner): Promise<void> {
    const { plan, judge } = this.#cluster;
    const env = nodeEnv({
      clock: this.#cluster.clock,
      machine: this.clock,
      owner: life,
      chance: Chance.of(plan.seed, `life ${this.id}.${this.#lives}`),
      onLog: (_, text) => {
        this.#cluster.onLog(this.id, text);
      },
    });
    const engine = await openFileEngine({
      directory: '/data',
      env,
      fs: this.disk.fileSystem(life),
      segmentBytes: plan.segmentBytes,
      watermarkLag: plan.watermarkLag,
    });
    const site = judge.site(this.id);
    const plain = plan.volatileState ? openMemoryEngine().orderedStore('kv') : engine.orderedStore('kv');
    const store = plan.gatherChanges > 100 ? plain : this.#slowed(plain, life);
    const machine = createKvStateMachine(store, {
      persistent: !plan.volatileState,
      snapshotChunkBytes: plan.chunkBytes,
      gather: { maxChanges: plan.gatherChanges },
    });
    const node = await RaftNode.start<KvResult>({
      id: this.id,
      engine: this.#observed(engine),
      ownEngine: true,
      stateMachine: new ObservedMachine(machine, judge, this.#cluster.applied, site),
      transport: this.#transport(),
      env,
      ...this.#membership(),
      ...this.#settings(),
      onCore: (core) => {
        this.core = core;
        countInputs(core, this.#cluster.coverage);
        judge.attach(this.id, core);
      },
    });
    this.node = node;
    this.store = machine.store;
    this.state = 'running';
    this.#listen(node);
    // The life before may have died between recording a membership and telling of it.
    const { index, state } = judge.site(this.id).model.confState;
    this.#cluster.learnMembership(index, state);
    void node.stopped.then((error) => {
      if (life.alive) this.#failed(life, error ?? new Error('it stopped without being asked to'), 'stops');
    });
  }

  /** Writes take their time, as in a database on another thread; what is applied meanwhile gathers. */
  #slowed(store: OrderedStore, life: Owner): OrderedStore {
    const write = store.write.bind(store);
    store.write = async (batch) => {
      const ms = this.#chance.skewed(0.05, 30);
      await new Promise<void>((resolve) => this.#cluster.clock.set(life, ms, resolve));
      await write(batch);
    };
    return store;
  }

  #listen(node: RaftNode<KvResult>): void {
    node.on('membership', ({ index, confState }) => {
      this.#cluster.judge.checkConf(this.id, index, confState);
      this.#cluster.onMembership(this.id, index, confState);
    });
    node.on('snapshot', (progress) => {
      this.#cluster.onSnapshot(this.id, progress);
    });
    node.on('compacted', () => {
      this.#cluster.coverage.count('state', 'compaction');
    });
  }

  #membership(): object {
    const { founders } = this.#cluster;
    if (!this.#founding) return { join: { clusterId } };
    return { bootstrap: { clusterId, members: founders } };
  }

  #settings(): object {
    const { plan, rolledOut } = this.#cluster;
    return {
      electionTick: plan.electionTick,
      heartbeatTick: plan.heartbeatTick,
      preVote: plan.mixedPreVote ? rolledOut || this.#chance.happens(0.5) : plan.preVote,
      checkQuorum: plan.checkQuorum,
      readOnlyOption: plan.leaseReads ? ReadOnlyOption.LeaseBased : ReadOnlyOption.Safe,
      ...(this.#cluster.tracer !== undefined && { tracer: this.#cluster.tracer }),
      limits: {
        maxMessageBytes: plan.maxMessageBytes,
        maxInflightMessages: plan.maxInflightMessages,
        entryCacheBytes: plan.entryCacheBytes,
      },
      compaction: {
        checkEveryEntries: plan.checkEveryEntries,
        keepEntries: plan.keepEntries,
        maintainEveryMs: plan.maintainEveryMs,
        snapshotIdleMs: 5000,
      },
    };
  }

  #observed(engine: Engine): Engine {
    const { judge, plan, coverage } = this.#cluster;
    const site = judge.site(this.id);
    const group = engine.group.bind(engine);
    engine.group = (name) => {
      const storage = new ObservedStorage(group(name), judge, site);
      if (!plan.tidies) return storage;
      return tidying(storage, {
        chance: this.#chance,
        lastIndex: () => site.model.last,
        onMet: () => {
          coverage.count('state', replacedBesideMaintenance);
        },
      });
    };
    return engine;
  }

  #transport(): ObservedTransport {
    const { network, judge } = this.#cluster;
    return new ObservedTransport(network.transport(this.id), {
      judge,
      site: judge.site(this.id),
      onSend: (message) => {
        this.#cluster.onSend(this.id, message);
      },
      onReceive: (message) => {
        this.#cluster.onReceive(this.id, message);
      },
      lateMs: () => this.#lateMs(),
      later: (ms, deliver) => {
        this.#cluster.coverage.count('state', 'message late');
        this.#cluster.clock.set(this.#life, ms, deliver);
      },
      deliver: (from, deliver) => {
        this.#deliver(from, deliver);
      },
      silent: () => this.#cluster.plan.silentCuts && this.#cluster.cuts.any,
      awake: () => (this.paused ? new Promise((resolve) => this.#wakers.push(resolve)) : Promise.resolve()),
    });
  }

  #lateMs(): number {
    const { late } = this.#cluster;
    return late > 0 && this.#chance.happens(late) ? this.#chance.skewed(20, 8000) : 0;
  }

  #deliver(from: NodeId, deliver: () => void): void {
    const waits =
      this.paused ||
      this.#cluster.isClogged(from, this.id) ||
      this.#inbox.some((parcel) => parcel.from === from);
    if (waits) this.#inbox.push({ from, deliver });
    else deliver();
  }

  /** A node may stop because of its disk, or refuse what is damaged; anything else is a bug. */
  #failed(life: Owner, error: unknown, what: string): void {
    const known = isBalsaError(error) ? `${error.code}: ${error.message}` : String(error);
    const excused =
      isBalsaError(error) &&
      error.code !== 'INVARIANT_BROKEN' &&
      (this.damaged || this.disk.counts.errors > this.#errorsBefore);
    if (!excused) {
      const stack = causesOf(error);
      this.#cluster.judge.complain('I16 Robustness', `node ${this.id} ${what}: ${known}`, stack);
    }
    this.#cluster.coverage.count('error', isBalsaError(error) ? error.code : 'without a code');
    this.#cluster.onLife(this.id, `${what}: ${known}`);
    if (!life.alive) return;
    this.kill();
    // What is damaged is not started again: its machine is replaced.
    if (this.damaged) this.retire();
    else this.#cluster.onStoppedByItself(this);
  }
}

function causesOf(error: unknown): string[] {
  const lines: string[] = [];
  for (let one = error; one instanceof Error && lines.length < 40; one = one.cause) {
    lines.push(...(one.stack ?? one.message).split('\n').slice(0, 12));
    if (one instanceof BalsaError && Object.keys(one.details).length > 0)
      lines.push(JSON.stringify(one.details));
  }
  return lines;
}
