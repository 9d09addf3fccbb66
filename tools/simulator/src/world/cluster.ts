/** A whole world: machines, network, clients' view of them, and the judge over it. */
import {
  isBalsaError,
  MessageType,
  messageTypeName,
  RawNode,
  stateTypeName,
  StateType,
  type ConfState,
  type LogIndex,
  type Message,
  type NodeId,
  type Tracer,
} from '@balsa/raft-core';
import { createMemoryNetwork, memoryAddress, type MemoryNetwork } from '@balsa/transport-memory';
import { HistoryRecorder } from '@balsa/checker';
import type { Member, MembershipChange, SnapshotProgress } from '@balsa/raft-node';
import { AppliedBook } from '../judge/history-of-state.ts';
import { Judge } from '../judge/judge.ts';
import type { Plan } from '../plan.ts';
import { Clock, world } from './clock.ts';
import { Coverage } from './coverage.ts';
import { Cuts } from './cuts.ts';
import { Host } from './host.ts';
import { EventKind, Trace } from './trace.ts';

export const snapshotInPartition = 'snapshot installed during a partition';

export class Cluster {
  readonly plan: Plan;
  readonly clock: Clock = new Clock();
  readonly trace: Trace;
  readonly judge: Judge = new Judge();
  readonly applied: AppliedBook = new AppliedBook();
  readonly coverage: Coverage = new Coverage();
  readonly network: MemoryNetwork;
  readonly cuts: Cuts;
  readonly history: HistoryRecorder;
  readonly hosts: Map<NodeId, Host> = new Map();
  readonly founders: readonly Member[];
  readonly tracer: Tracer | undefined;
  /** Called after every event, once it was judged. */
  afterEvent: () => void = () => undefined;
  /** Set when some node stopped by itself, so that somebody starts it again. */
  onStoppedByItself: (host: Host) => void = () => undefined;
  /** What is to happen, once, when a node is sent a snapshot. */
  readonly onOffered: Map<NodeId, () => void> = new Map();
  /** What is to happen, once, when a node has received a snapshot, before it is installed. */
  readonly onReceived: Map<NodeId, () => void> = new Map();
  /** Called once, with whoever begins next to restore its state machine from a snapshot that it has installed. */
  onRestoring: ((host: Host) => void) | undefined;
  /** What is to happen, once, when a node has written a term or a vote, and nothing after that. */
  readonly onVoteWritten: Map<NodeId, () => void> = new Map();
  /** What is to happen, once, when somebody becomes leader. */
  onElected: (() => void) | undefined;
  /** Newest membership that any node applied. */
  confState: ConfState;
  #confIndex: LogIndex = 1;
  readonly #clogged = new Set<string>();
  /** Changes of membership that nobody has answered yet. */
  readonly #asked = new Set<{ readonly host: Host; readonly node: Host['node'] }>();
  /** Chance that a message stays on its way for long. */
  late: number;
  /** For a while clients only read, so that all logs are alike. */
  lull = false;
  /** Whoever starts from now on has pre-vote, where the plan has it here on and there off. */
  rolledOut = false;
  #nextId: NodeId;
  #tick = 0;

  constructor(plan: Plan, tracer?: Tracer) {
    this.plan = plan;
    this.late = plan.late;
    this.tracer = tracer;
    this.trace = new Trace();
    const ids = Array.from({ length: plan.nodes }, (_, i) => i + 1);
    this.founders = ids.map((id) => ({ id, address: memoryAddress(id) }));
    this.#nextId = plan.nodes + 1;
    this.confState = { voters: ids, votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };
    this.history = new HistoryRecorder({ now: () => ++this.#tick });
    const { clock } = this;
    this.network = createMemoryNetwork({
      env: {
        now: () => clock.now,
        setTimer: (ms, callback) => clock.set(world, ms, callback),
        random: () => 0,
        log: { enabled: () => false, log: () => undefined },
      },
      seed: plan.seed,
      latencyMs: plan.latencyMs,
      loss: plan.loss,
      duplicate: plan.duplicate,
      reorder: plan.reorder,
    });
    this.cuts = new Cuts(this.network);
    clock.afterEvent = () => {
      this.judge.afterEvent();
      this.afterEvent();
    };
    this.judge.onChange = (node, what, ...details) => {
      this.trace.note(EventKind.Role, clock.now, node, what, ...details);
    };
    if (plan.checkQuorum) this.judge.quorumCheckTicks = plan.electionTick;
    this.judge.onVoteWritten = (node) => {
      const told = this.onVoteWritten.get(node);
      this.onVoteWritten.delete(node);
      told?.();
    };
    this.judge.onRole = (node, before, after, term) => {
      this.trace.note(EventKind.Role, clock.now, node, 'role %, term %', after, term);
      this.coverage.count('state', `becomes ${stateTypeName(after)}`);
      if (before === StateType.Leader && after !== before) this.coverage.count('state', 'leader steps down');
      if (after === StateType.Leader) this.#elected();
    };
    for (const id of ids) this.addHost(id, true).start();
  }

  /** A machine with an empty disk; without an id, one that was never used. */
  addHost(id: NodeId = this.#nextId++, founding = false): Host {
    const host = new Host(this, id, founding);
    this.hosts.set(id, host);
    return host;
  }

  host(id: NodeId): Host {
    const host = this.hosts.get(id);
    if (host === undefined) throw new Error(`there is no host ${id}`);
    return host;
  }

  running(): Host[] {
    return [...this.hosts.values()].filter((host) => host.state === 'running');
  }

  /** The running leader of the highest term, as the nodes themselves see it. */
  leader(): Host | undefined {
    let found: Host | undefined;
    for (const host of this.running()) {
      if (host.core?.state === StateType.Leader && host.core.term > (found?.core?.term ?? 0)) found = host;
    }
    return found;
  }

  // --- members

  /** Whether no change of membership is known to be under way: what is seen of it is what is so. */
  settled(): boolean {
    const core = this.leader()?.core;
    // What was asked for may lie between the node and its core.
    for (const asked of this.#asked) {
      // A node that is killed never answers; one that stands still does when it goes on.
      if (asked.host.node === asked.node && asked.host.state === 'running') return false;
      this.#asked.delete(asked);
    }
    if (core === undefined || !(core instanceof RawNode) || core.hasPendingConf) return false;
    // Before, a log that ends with a change of an older term may still win an election and commit it.
    if (this.judge.committedTerm(this.judge.committedTop) !== core.term) return false;
    return sameMembers(core.status().confState, this.confState) && this.confState.votersOutgoing.length === 0;
  }

  /** Whether the node runs and counts by the newest membership, and will do so as well when it starts again. */
  isInformed(id: NodeId): boolean {
    return this.host(id).core !== undefined && this.#countsBy(id);
  }

  /** Whether the node counts by the newest membership, also if it dies now: what only its core knows is gone then. */
  #countsBy(id: NodeId): boolean {
    const stored = this.judge.site(id).model.confState.state;
    const known = this.host(id).core?.status().confState ?? stored;
    return sameMembers(known, this.confState) && sameMembers(stored, this.confState);
  }

  /** Whether one more voter may lose its data, and a quorum still has everything. */
  mayDamage(): boolean {
    const { voters, learners } = this.confState;
    // A learner that is damaged may become a voter before anybody notices.
    const lost = [...voters, ...learners].filter((id) => {
      return this.host(id).damaged || this.host(id).state === 'retired';
    });
    if (!this.settled() || lost.length >= Math.floor((voters.length - 1) / 2)) return false;
    // A member that has not heard of the newest membership may still count on another quorum; who is down comes back
    // with what its disk has.
    return voters.every((id) => this.#countsBy(id));
  }

  /** Asks the leader for a change, and its successor when it steps down first. What comes of it shows in the membership. */
  change(changes: readonly MembershipChange[], tries = 3): void {
    const leader = this.leader();
    if (leader?.node === undefined) return;
    const what = changes.map(({ type, id }) => `${type} ${id}`).join(', ');
    this.trace.note(EventKind.Membership, this.clock.now, leader.id, 'is asked to %', what);
    const asked = { host: leader, node: leader.node };
    this.#asked.add(asked);
    const changed = leader.node.changeMembership(changes, { timeoutMs: 3000 });
    changed.then(
      () => this.#asked.delete(asked),
      () => this.#asked.delete(asked),
    );
    changed.catch((error: unknown) => {
      const reason = isBalsaError(error) ? error.code : String(error);
      this.trace.note(EventKind.Membership, this.clock.now, leader.id, 'did not %: %', what, reason);
      if (!isBalsaError(error, 'NOT_LEADER') || tries === 1) return;
      this.clock.set(world, 200, () => {
        // With a member lost meanwhile, the change might take the quorum of the others away.
        const members = [...this.confState.voters, ...this.confState.learners].map((id) => this.host(id));
        const isWeak = members.some((host) => host.damaged || host.state === 'retired');
        if (this.settled() && !isWeak) this.change(changes, tries - 1);
      });
    });
  }

  // --- paths

  clog(from: NodeId, to: NodeId): void {
    this.#clogged.add(`${from}>${to}`);
  }

  unclog(from: NodeId, to: NodeId): void {
    this.#clogged.delete(`${from}>${to}`);
    this.hosts.get(to)?.flush();
  }

  isClogged(from: NodeId, to: NodeId): boolean {
    return this.#clogged.size > 0 && this.#clogged.has(`${from}>${to}`);
  }

  unclogAll(): void {
    this.#clogged.clear();
    for (const host of this.hosts.values()) host.flush();
  }

  // --- what is told

  onSend(node: NodeId, message: Message): void {
    this.coverage.message(message.type);
    this.trace.mix(message.type);
    this.trace.mix(message.index);
    this.trace.note(
      EventKind.Send,
      this.clock.now,
      node,
      'sends % to %: term %, index %, % entries, commit %%',
      ...brief(message, message.to),
    );
    const offered = message.type === MessageType.MsgSnap ? this.onOffered.get(message.to) : undefined;
    if (offered === undefined) return;
    this.onOffered.delete(message.to);
    this.clock.set(world, 0, offered);
  }

  onReceive(node: NodeId, message: Message): void {
    this.trace.note(
      EventKind.Receive,
      this.clock.now,
      node,
      'gets % of %: term %, index %, % entries, commit %%',
      ...brief(message, message.from),
    );
  }

  onDisk(node: NodeId, what: string, path: string): void {
    this.trace.mix(node);
    this.trace.mix(this.clock.now);
    this.trace.mix(what.length + 64 * path.length);
  }

  onLog(node: NodeId, text: string): void {
    this.trace.note(EventKind.Life, this.clock.now, node, 'says: %', text);
  }

  onLife(node: NodeId, what: string): void {
    this.trace.note(EventKind.Life, this.clock.now, node, what);
    this.coverage.count('state', what.startsWith('starts') ? 'node starts' : 'node stops by itself');
  }

  onClient(client: number, answer: string): void {
    this.trace.mix(client);
    this.trace.mix(this.clock.now);
    this.trace.mix(answer.length);
  }

  onFault(node: NodeId, name: string, what: string): void {
    this.coverage.count('fault', name);
    this.trace.note(EventKind.Fault, this.clock.now, node, 'FAULT %: %', name, what);
  }

  onMembership(node: NodeId, index: LogIndex, confState: ConfState): void {
    const { voters, votersOutgoing, learners } = confState;
    const text = `voters ${voters.join(',')}; outgoing ${votersOutgoing.join(',')}; learners ${learners.join(',')}`;
    this.trace.note(EventKind.Membership, this.clock.now, node, 'applies membership of %: %', index, text);
    this.coverage.count('state', votersOutgoing.length > 0 ? 'joint membership' : 'membership');
    this.learnMembership(index, confState);
  }

  /** The newest membership that is seen anywhere is what the cluster goes by. */
  learnMembership(index: LogIndex, confState: ConfState): void {
    if (index <= this.#confIndex) return;
    this.#confIndex = index;
    for (const name of differences(this.confState, confState)) this.coverage.count('state', name);
    this.confState = confState;
  }

  onSnapshot(node: NodeId, { phase, state, index, peer, chunks }: SnapshotProgress): void {
    if (state === 'running') {
      if (phase === 'restoring' && chunks === 0) this.#beginsToRestore(this.host(node));
      return;
    }
    this.trace.note(
      EventKind.Snapshot,
      this.clock.now,
      node,
      'snapshot of %, %: % (node %)',
      index,
      phase,
      state,
      peer,
    );
    this.coverage.count('state', `snapshot ${phase} ${state}`);
    if (phase === 'receiving' && state === 'done') {
      this.onReceived.get(node)?.();
      this.onReceived.delete(node);
    }
    if (phase === 'restoring' && state === 'done' && this.cuts.any) {
      this.coverage.count('state', snapshotInPartition);
    }
  }

  #elected(): void {
    const told = this.onElected;
    this.onElected = undefined;
    if (told !== undefined) this.clock.set(world, 0, told);
  }

  #beginsToRestore(host: Host): void {
    const told = this.onRestoring;
    this.onRestoring = undefined;
    told?.(host);
  }
}

function brief(message: Message, other: NodeId): (string | number)[] {
  const { type, term, index, entries, commit, reject } = message;
  return [messageTypeName(type), other, term, index, entries.length, commit, reject ? ', rejects' : ''];
}

/** What became of members: in words that are counted. */
function* differences(before: ConfState, after: ConfState): Generator<string> {
  const votes = new Set([...before.voters, ...before.votersOutgoing]);
  const learns = new Set(before.learners);
  for (const id of after.voters)
    if (!votes.has(id)) yield learns.has(id) ? 'learner promoted' : 'voter added';
  for (const id of after.learners) {
    if (!learns.has(id)) yield votes.has(id) ? 'voter demoted' : 'learner added';
  }
  const members = new Set([
    ...after.voters,
    ...after.votersOutgoing,
    ...after.learners,
    ...after.learnersNext,
  ]);
  for (const id of [...votes, ...learns]) if (!members.has(id)) yield 'member removed';
}

function sameMembers(a: ConfState, b: ConfState): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
