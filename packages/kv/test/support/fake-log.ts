import {
  EmptyConfState,
  type BalsaError,
  type ConfState,
  type LogIndex,
  type NodeId,
} from '@balsa/raft-core';
import type { CallOptions, Member, NodeMetrics, NodeStatus } from '@balsa/raft-node';
import type { KvResult, KvStateMachine, ReplicatedLog } from '../../src/index.ts';

const empty = { bounds: [1, 10], counts: [1, 2, 3], sum: 60, count: 6 };

/** One node that agrees with itself: a proposal is applied as soon as the batch before it is. */
export class FakeLog implements ReplicatedLog {
  readonly machine: KvStateMachine;
  /** Sizes of the batches applied: how much was shared. */
  readonly batches: number[] = [];
  readonly changes: string[] = [];
  readCalls = 0;
  proposeCalls = 0;
  /** When set, a proposal does what this says instead of being applied at once. */
  onPropose: ((data: Uint8Array) => BalsaError | undefined | Promise<BalsaError | undefined>) | undefined;
  onRead: (() => Promise<void>) | undefined;
  ready: { ok: boolean; reason: string } = { ok: true, reason: '' };
  #index: LogIndex = 0;
  #queue: { data: Uint8Array; resolve: (r: KvResult) => void; reject: (e: unknown) => void }[] = [];
  #applying = false;
  failure: unknown;

  constructor(machine: KvStateMachine) {
    this.machine = machine;
  }

  async open(): Promise<this> {
    this.#index = (await this.machine.open()).appliedIndex;
    return this;
  }

  async propose(data: Uint8Array, _options?: CallOptions): Promise<KvResult> {
    this.proposeCalls += 1;
    const refusal = this.onPropose?.(data);
    if (refusal !== undefined) {
      const problem = await refusal;
      if (problem !== undefined) throw problem;
    }
    return new Promise((resolve, reject) => {
      this.#queue.push({ data, resolve, reject });
      if (!this.#applying) void this.#drain();
    });
  }

  async #drain(): Promise<void> {
    this.#applying = true;
    await Promise.resolve();
    while (this.#queue.length > 0) {
      const batch = this.#queue.splice(0);
      const commands = batch.map(({ data }) => ({ index: ++this.#index, term: 1, data }));
      this.batches.push(batch.length);
      try {
        const results = await this.machine.apply({ commands, appliedIndex: this.#index });
        batch.forEach((each, i) => {
          const result = results[i];
          if (result !== undefined) each.resolve(result);
        });
      } catch (problem) {
        this.failure = problem;
        for (const each of batch) each.reject(problem);
      }
    }
    this.#applying = false;
  }

  async read(): Promise<LogIndex> {
    this.readCalls += 1;
    await this.onRead?.();
    return this.#index;
  }

  status(): NodeStatus {
    return {
      id: 1,
      group: 'main',
      clusterId: '00000000000000aa',
      role: 'leader',
      learner: false,
      term: 3,
      vote: 1,
      leader: 1,
      leaderAddress: '127.0.0.1:7201',
      commit: this.#index,
      applied: this.#index,
      firstIndex: 1,
      lastIndex: this.#index,
      confState: { ...EmptyConfState, voters: [1] },
      members: [{ id: 1, address: '127.0.0.1:7201', kind: 'voter' }],
      progress: [],
      log: { entries: this.#index, bytes: 0, garbageBytes: 0 },
      snapshots: { count: 0, bytes: 0 },
      snapshotProgress: [],
      connectedPeers: [],
      pending: { proposals: 0, proposalBytes: 0, reads: 0, writes: 0, applies: 0 },
      ready: this.ready,
    };
  }

  metrics(): NodeMetrics {
    const names = ['storageWriteMs', 'applyMs', 'proposeMs', 'readMs', 'tickDelayMs', 'writeBatchEntries'];
    const numbers = new Proxy({}, { get: () => 7 });
    return {
      counters: numbers,
      gauges: numbers,
      proposalOutcomes: { ok: 5, TIMEOUT: 1 },
      readOutcomes: { ok: 2 },
      rejectedMessages: {},
      histograms: Object.fromEntries(names.map((name) => [name, empty])),
    } as unknown as NodeMetrics;
  }

  addLearner(member: Member): Promise<ConfState> {
    this.changes.push(`add-learner ${String(member.id)} ${member.address}`);
    return Promise.resolve({ ...EmptyConfState, voters: [1], learners: [member.id] });
  }
  promote(id: NodeId): Promise<ConfState> {
    this.changes.push(`promote ${String(id)}`);
    return Promise.resolve({ ...EmptyConfState, voters: [1, id] });
  }
  removeMember(id: NodeId): Promise<ConfState> {
    this.changes.push(`remove ${String(id)}`);
    return Promise.resolve({ ...EmptyConfState, voters: [1] });
  }
  transferLeadership(to?: NodeId): Promise<NodeId> {
    this.changes.push(`transfer ${String(to)}`);
    return Promise.resolve(to ?? 2);
  }
}
