/** Clusters under every kind of legal misfortune: nothing here may break a promise of the paper's Figure 3. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  ConfChangeTransition,
  ConfChangeType,
  EmptyBytes,
  StateType,
  isBalsaError,
  type ConfChangeV2,
  type NodeId,
} from '../src/index.ts';
import { bytes, Network, seeded, type Member, type NetworkOptions } from './network/network.ts';

interface ChaosOptions extends NetworkOptions {
  readonly requests?: boolean;
}

class Chaos {
  readonly network: Network;
  readonly #random: () => number;
  readonly #leaders: Map<number, NodeId> = new Map();
  /** What was applied at each index, anywhere. */
  readonly #history: Map<number, string> = new Map();
  readonly #readFloors: Map<string, number> = new Map();
  #counter = 0;
  #readsServed = 0;

  /** Whether members ask for snapshots that they do not need. */
  readonly #requests: boolean;

  constructor(seed: number, options: ChaosOptions) {
    this.#requests = options.requests === true;
    this.#random = seeded(seed);
    this.network = new Network({ ...options, seed });
  }

  #pick<T>(items: readonly T[]): T | undefined {
    return items[Math.floor(this.#random() * items.length)];
  }

  #member(): Member {
    const member = this.#pick([...this.network.members.values()]);
    if (member === undefined) throw new Error('no members');
    return member;
  }

  #busy(has: (member: Member) => boolean): Member | undefined {
    return this.#pick([...this.network.members.values()].filter(has));
  }

  step(): void {
    const { network } = this;
    const roll = this.#random();
    const member = this.#member();
    if (roll < 0.06) network.tick(member.id, 1 + Math.floor(this.#random() * 3));
    else if (roll < 0.32) network.put(this.#busy((m) => m.node.hasReady())?.takeReady() ?? []);
    else if (roll < 0.44) network.put(this.#busy((m) => m.appends.length > 0)?.doAppend() ?? []);
    else if (roll < 0.54) network.put(this.#busy((m) => m.applies.length > 0)?.doApply() ?? []);
    else if (roll < 0.84) this.#deliver();
    else if (roll < 0.9) this.#attempt(() => member.node.propose(bytes(`p${String(++this.#counter)}`)));
    else if (roll < 0.925) this.#read(member);
    else if (roll < 0.955) this.#fetch(member);
    else if (roll < 0.965) this.#compact(member);
    else if (roll < 0.968) member.restart();
    else if (roll < 0.98) this.#attempt(() => member.node.proposeConfChange(this.#change(member)));
    else if (roll < 0.988) member.node.transferLeader(this.#member().id);
    else if (roll < 0.99 && this.#requests)
      this.#attempt(() => {
        member.node.requestSnapshot();
      });
    else if (roll < 0.992) member.node.reportUnreachable(this.#member().id);
    else if (roll < 0.995) member.node.forgetLeader();
    else if (roll < 0.997) network.isolate(member.id);
    else network.isolate();
    this.check();
  }

  #deliver(): void {
    const { wire } = this.network;
    if (wire.length === 0) return;
    const at = this.#random() < 0.6 ? 0 : Math.floor(this.#random() * wire.length);
    const message = wire[at];
    const fate = this.#random();
    if (fate < 0.85 || wire.length > 200) wire.splice(at, 1);
    if (message === undefined) return;
    if (fate > 0.06) this.network.deliver(message);
    else this.network.lose(message);
  }

  #attempt(action: () => void): void {
    try {
      action();
    } catch (error) {
      if (!isBalsaError(error, 'PROPOSAL_DROPPED') && !isBalsaError(error, 'REQUEST_SNAPSHOT_DROPPED'))
        throw error;
    }
  }

  /** A read must see everything that anybody knew to be committed when it was asked for. */
  #read(member: Member): void {
    const context = `r${String(++this.#counter)}`;
    this.#readFloors.set(
      context,
      Math.max(...[...this.network.members.values()].map((m) => m.node.committed)),
    );
    member.node.readIndex(bytes(context));
  }

  #fetch(member: Member): void {
    const fetch = member.fetches.shift();
    if (fetch === undefined) return;
    if (this.#random() < 0.2) member.node.fetchFailed(fetch.id, 'unavailable');
    else member.answer(fetch);
  }

  #compact(member: Member): void {
    const { node, disk } = member;
    const index = Math.min(node.applied, disk.applied);
    if (index > disk.outline.firstIndex) member.compact(index - Math.floor(this.#random() * 3));
  }

  /**
   * Never leaves fewer than three voters. From two voters, when the one that goes learns first that the
   * change is committed and stops leading, the other can be left behind: it needs a vote of a member whose log
   * is longer and who campaigns no more. That is a limit of changes that take effect when applied.
   */
  #change(member: Member): ConfChangeV2 {
    const { voters, votersOutgoing } = member.node.status().confState;
    const count = this.#random() < 0.5 ? 1 : 2;
    const spare = votersOutgoing.length === 0 && voters.length - count >= 3;
    const types = spare
      ? [ConfChangeType.AddNode, ConfChangeType.AddLearnerNode, ConfChangeType.RemoveNode]
      : [ConfChangeType.AddNode];
    const type = this.#pick(types) ?? ConfChangeType.AddNode;
    const changes = Array.from({ length: count }, () => ({ type, nodeId: this.#member().id }));
    const empty = this.#random() < 0.2;
    return {
      version: 2,
      transition: ConfChangeTransition.Auto,
      changes: empty ? [] : changes,
      context: EmptyBytes,
    };
  }

  check(): void {
    for (const member of this.network.members.values()) {
      const { node, id, disk } = member;
      if (node.state === StateType.Leader) {
        const other = this.#leaders.get(node.term) ?? id;
        if (other !== id)
          throw new Error(
            `Election Safety: ${String(other)} and ${String(id)} lead term ${String(node.term)}`,
          );
        this.#leaders.set(node.term, id);
      }
      for (const { index, context } of member.reads.splice(0)) {
        this.#readsServed++;
        const floor = this.#readFloors.get(context) ?? 0;
        if (index < floor)
          throw new Error(`stale read ${context}: ${String(index)}, but ${String(floor)} was committed`);
      }
      const told = JSON.stringify(disk.state);
      const before = this.#history.get(disk.applied) ?? told;
      if (before !== told) throw new Error(`State Machine Safety: two histories at ${String(disk.applied)}`);
      this.#history.set(disk.applied, told);
    }
  }

  /** Without misfortune the cluster must come to rest, agree, and take a proposal. */
  heal(): void {
    const { network } = this;
    network.isolate();
    for (let round = 0; round < 400; round++) {
      for (const id of network.members.keys()) network.tick(id);
      network.stabilize();
      this.check();
      const leader = [...network.members.values()].find((m) => m.node.state === StateType.Leader);
      if (leader === undefined) continue;
      const { voters, votersOutgoing } = leader.node.status().confState;
      const marker = `final${String(++this.#counter)}`;
      try {
        leader.node.propose(bytes(marker));
      } catch {
        continue;
      }
      network.stabilize();
      // Followers may be told of the commit only by a heartbeat.
      network.heartbeat(leader.id);
      this.check();
      const quorumOf = [...new Set([...voters, ...votersOutgoing])];
      if (quorumOf.every((id) => network.member(id).disk.state.includes(marker))) return;
    }
    const all = [...network.members.values()].map((m) =>
      JSON.stringify([m.node.status(), m.disk.outline.toData(), m.disk.applied]),
    );
    throw new Error(`the cluster does not recover: ${all.join('\n')}`);
  }

  get readsServed(): number {
    return this.#readsServed;
  }

  get applied(): number {
    return this.#history.size;
  }
}

/** Each kind, each time; BALSA_CHAOS_RUNS asks for more. */
const runs = Number(process.env['BALSA_CHAOS_RUNS'] ?? 25);

const kinds: readonly [string, ChaosOptions][] = [
  ['synchronous', { blank: [4, 5], config: { asyncStorageWrites: false } }],
  ['asynchronous', { blank: [4, 5] }],
  ['pre-vote and check-quorum', { blank: [4], config: { preVote: true, checkQuorum: true } }],
  [
    'no cache, small pages',
    { config: { entryCacheBytes: 0, maxSizePerMsg: 60, maxCommittedSizePerReady: 60, maxInflightMsgs: 2 } },
  ],
  [
    'batched appends, no messages for commits alone',
    {
      blank: [4],
      config: { batchAppend: true, skipBcastCommit: true, maxSizePerMsg: 200, maxInflightMsgs: 4 },
    },
  ],
  [
    "raft-rs's ways to commit, and snapshots on request",
    {
      blank: [4],
      requests: true,
      config: { commitByVote: true, reportCommitIndex: true, commitByReadIndex: true, preVote: true },
    },
  ],
  [
    'five members and a learner',
    { voters: [1, 2, 3, 4, 5], learners: [6], config: { maxInflightBytes: 100, maxSizePerMsg: 50 } },
  ],
];

describe('legal misfortune', () => {
  test.each(kinds)('never breaks a safety property and heals (%s)', (_name, options) => {
    let reads = 0;
    let applied = 0;
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0x7fff_ffff }), (seed) => {
        const chaos = new Chaos(seed, options);
        for (let i = 0; i < 3000; i++) chaos.step();
        chaos.heal();
        reads += chaos.readsServed;
        applied += chaos.applied;
      }),
      { numRuns: runs },
    );
    // The run must have done something, or it proves nothing.
    expect(reads).toBeGreaterThan(0);
    expect(applied).toBeGreaterThan(100);
  });
});
