/**
 * The state of one member, and the transitions between its roles (paper Figure 2 and Figure 4).
 *
 * What a member does on a message is in the step-*.ts files; this one holds what they act on.
 */
import { electionTickRange, type RaftConfig } from './config.ts';
import { LogLevel, type Logger } from './contracts/env.ts';
import type { ReadState } from './core.ts';
import { CommitGroups } from './commit-groups.ts';
import { FetchBook } from './fetch-book.ts';
import { Lease } from './lease.ts';
import { entryOverheadBytes } from './entry-size.ts';
import { invariant, invariantError } from './invariants.ts';
import { appendAck, MessageType, type Message } from './message.ts';
import { hex, messageTypeName } from './names.ts';
import { OwnAcks } from './own-acks.ts';
import { ReadOnly } from './read-only.ts';
import { RaftLog, sizeOf } from './raft-log.ts';
import { traceNode, traceReplicated, traceSend } from './trace.ts';
import { ProgressTracker } from './tracker/tracker.ts';
import { ProgressState } from './core.ts';
import type { OutlineData } from './outline.ts';
import {
  Entry,
  NoLimit,
  None,
  StateType,
  type HardState,
  type LogIndex,
  type NodeId,
  type SoftState,
  type Term,
} from './types.ts';

/** Bytes of payload: what the uncommitted limit and the in-flight window count. An empty entry is free. */
export function payloadSize(log: RaftLog, entries: readonly Entry[]): number {
  return log.sizeOf(entries) - entries.length * entryOverheadBytes;
}

/** An empty list becomes a new one of just one: that is the commonest length, and `push` takes room for seventeen. */
function queued(messages: Message[], message: Message): Message[] {
  if (messages.length === 0) return [message];
  messages.push(message);
  return messages;
}

/** An append that more entries may join. */
export interface OpenAppend {
  readonly message: Message;
  /** `message.entries`, as an array of its own. */
  readonly entries: Entry[];
  bytes: number;
}

export class Raft {
  readonly id: NodeId;
  readonly config: RaftConfig;
  readonly logger: Logger;
  readonly log: RaftLog;
  tracker: ProgressTracker;
  readonly fetches: FetchBook;

  term: Term = 0;
  vote: NodeId = None;
  leader: NodeId = None;
  state: StateType = StateType.Follower;
  isLearner = false;

  /** To send at once (synchronous mode: with the rest). */
  messages: Message[] = [];
  /** To send once everything handed out so far is durable: acks and votes promise what is on disk (paper §5.1). */
  messagesAfterAppend: Message[] = [];
  /** Synchronous mode: to oneself, with and before `messagesAfterAppend`. */
  readonly ownAcks: OwnAcks;
  /** With `batchAppend`: the last append to each peer that has not left yet. */
  readonly openAppends: Map<NodeId, OpenAppend> = new Map();
  readStates: ReadState[] = [];
  readOnly: ReadOnly;
  lease: Lease;
  /** Reads that wait for the first commit of this leader's term (thesis §6.4, step 1). */
  pendingReads: Message[] = [];

  /** Ticks since the last election timeout (leader) or word from a leader (others). */
  electionElapsed = 0;
  heartbeatElapsed = 0;
  /**
   * Ticks for which this member, restarted, helps nobody else to lead: before it stopped it may have answered
   * a heartbeat that a leader's lease rests on. 0 where no leases are used.
   */
  graceTicks = 0;
  /** Uniform in [electionTick, 2 * electionTick), so that split votes are rare (paper §5.2). */
  randomizedElectionTimeout = 0;
  leadTransferee: NodeId = None;
  /** A membership change may be proposed once everything up to here is applied (thesis §4.1: one at a time). */
  pendingConfIndex: LogIndex = 0;
  /** Leader: bytes of payload appended and not yet applied. */
  uncommittedBytes = 0;
  /** See `RaftConfig`; these may be changed while running. */
  priority: number;
  batchAppend: boolean;
  skipBcastCommit: boolean;
  checkQuorum: boolean;
  readonly commitGroups: CommitGroups = new CommitGroups();
  /** Follower: the snapshot that it asked its leader for must be at this index or above; 0 when it asked for none. */
  requestedSnapshot: LogIndex = 0;
  readonly #maxUncommittedBytes: number;

  constructor(config: RaftConfig, outline: OutlineData) {
    this.id = config.id;
    this.config = config;
    this.priority = config.priority;
    this.batchAppend = config.batchAppend;
    this.skipBcastCommit = config.skipBcastCommit;
    this.checkQuorum = config.checkQuorum;
    this.logger = config.logger;
    this.log = new RaftLog({
      outline,
      logger: config.logger,
      peek: config.peek,
      entryCacheBytes: config.entryCacheBytes,
      entryCacheApplied: config.entryCacheApplied,
      maxApplyingBytes:
        config.maxCommittedSizePerReady === 0 ? config.maxSizePerMsg : config.maxCommittedSizePerReady,
    });
    this.tracker = new ProgressTracker({
      maxInflight: config.maxInflightMsgs,
      maxInflightBytes: config.maxInflightBytes,
    });
    this.ownAcks = new OwnAcks(config.id);
    this.fetches = new FetchBook();
    this.readOnly = new ReadOnly();
    this.lease = new Lease(config.electionTick);
    this.#maxUncommittedBytes =
      config.maxUncommittedEntriesSize === 0 ? NoLimit : config.maxUncommittedEntriesSize;
  }

  // --- logging: callers ask before they build a text

  get debugOn(): boolean {
    return this.logger.enabled(LogLevel.Debug);
  }

  get infoOn(): boolean {
    return this.logger.enabled(LogLevel.Info);
  }

  debug(text: string): void {
    this.logger.log(LogLevel.Debug, text);
  }

  info(text: string): void {
    this.logger.log(LogLevel.Info, text);
  }

  warn(text: string): void {
    this.logger.log(LogLevel.Warn, text);
  }

  // --- views

  /** In hexadecimal, as log lines begin. */
  get name(): string {
    return hex(this.id);
  }

  hardState(): HardState {
    return { term: this.term, vote: this.vote, commit: this.log.committed };
  }

  softState(): SoftState {
    return { leader: this.leader, state: this.state };
  }

  /** Whether this member may become leader: a voter without a snapshot still to install. */
  promotable(): boolean {
    const progress = this.tracker.progress.get(this.id);
    return progress !== undefined && !progress.isLearner && this.log.unstable.snapshot === undefined;
  }

  /** Whether an entry of this leader's term is committed: before that it does not know what is (paper §8). */
  committedInCurrentTerm(): boolean {
    return this.log.term(this.log.committed) === this.term;
  }

  // --- sending

  /** Queues a message, filling in sender and term. */
  send(message: Message): void {
    if (message.from === None) message.from = this.id;
    switch (message.type) {
      case MessageType.MsgVote:
      case MessageType.MsgVoteResp:
      case MessageType.MsgPreVote:
      case MessageType.MsgPreVoteResp:
        // The sender sets the term: a pre-vote is about the next one (thesis §9.6).
        break;
      case MessageType.MsgProp:
      case MessageType.MsgReadIndex:
        // Forwarded requests have no term: they are not bound to one.
        break;
      default:
        message.term = this.term;
    }
    switch (message.type) {
      case MessageType.MsgAppResp:
      case MessageType.MsgVoteResp:
      case MessageType.MsgPreVoteResp:
        this.messagesAfterAppend = queued(this.messagesAfterAppend, message);
        break;
      default:
        if (message.to === this.id)
          throw invariantError('raft: only acks and votes go to oneself', messageTypeName(message.type));
        this.messages = queued(this.messages, message);
    }
    if (this.config.tracer !== undefined) traceSend(this, message);
  }

  // --- roles

  becomeFollower(term: Term, leader: NodeId): void {
    this.reset(term);
    this.leader = leader;
    this.state = StateType.Follower;
    this.log.applyUnpersistedLimit = 0;
    traceNode(this, 'BecomeFollower');
    if (this.infoOn) this.info(`${this.name} became follower at term ${String(this.term)}`);
  }

  becomeCandidate(): void {
    invariant(this.state !== StateType.Leader, 'raft: a leader never becomes candidate');
    this.reset(this.term + 1);
    this.vote = this.id;
    this.state = StateType.Candidate;
    traceNode(this, 'BecomeCandidate');
    if (this.infoOn) this.info(`${this.name} became candidate at term ${String(this.term)}`);
  }

  /** Asks without a promise: neither term nor vote changes (thesis §9.6). */
  becomePreCandidate(): void {
    invariant(this.state !== StateType.Leader, 'raft: a leader never becomes pre-candidate');
    this.tracker.resetVotes();
    this.leader = None;
    this.state = StateType.PreCandidate;
    if (this.infoOn) this.info(`${this.name} became pre-candidate at term ${String(this.term)}`);
  }

  becomeLeader(): void {
    invariant(this.state !== StateType.Follower, 'raft: a follower never becomes leader without an election');
    this.reset(this.term);
    this.leader = this.id;
    this.state = StateType.Leader;
    this.requestedSnapshot = 0;
    this.log.applyUnpersistedLimit = this.config.maxApplyUnpersistedLogLimit;
    const progress = this.tracker.progress.get(this.id);
    invariant(progress !== undefined, 'raft: a leader is a member');
    progress.becomeReplicate();
    progress.recentActive = true;
    // A change may lie in the uncommitted tail. Until all of it is applied no other one is taken; this is
    // cheaper than looking for it.
    this.pendingConfIndex = this.log.lastIndex;
    traceNode(this, 'BecomeLeader');
    // The first entry of the term commits what came before (paper §5.4.2 and §8). It weighs nothing.
    const taken = this.appendEntries([new Entry(0, 0)]);
    invariant(taken, "raft: a new leader's empty entry is always taken");
    if (this.infoOn) this.info(`${this.name} became leader at term ${String(this.term)}`);
  }

  /** Everything that does not survive a change of role or term. */
  reset(term: Term): void {
    if (this.term !== term) {
      this.term = term;
      this.vote = None;
      // The next leader's log need not reach that far.
      this.requestedSnapshot = 0;
    }
    this.leader = None;
    this.electionElapsed = 0;
    this.heartbeatElapsed = 0;
    this.resetRandomizedElectionTimeout();
    this.leadTransferee = None;
    this.tracker.resetVotes();
    const lastIndex = this.log.lastIndex;
    this.tracker.visit((id, progress) => {
      progress.resetState(ProgressState.Probe);
      progress.match = id === this.id ? lastIndex : 0;
      progress.next = lastIndex + 1;
      progress.sentCommit = 0;
      progress.committed = 0;
      progress.requestedSnapshot = 0;
      progress.recentActive = false;
    });
    this.pendingConfIndex = 0;
    this.uncommittedBytes = 0;
    this.readOnly = new ReadOnly();
    this.lease = new Lease(this.config.electionTick);
    this.pendingReads = [];
    this.fetches.forgetSends();
  }

  resetRandomizedElectionTimeout(): void {
    const { least, bound } = electionTickRange(this.config);
    const draw = Math.floor(this.config.random() * (bound - least));
    this.randomizedElectionTimeout = least + Math.min(bound - least - 1, draw);
  }

  // --- the leader's own log

  /**
   * Appends `payloads` at the end of the leader's log, in its term. False, with nothing changed, when they
   * do not fit under the limit of uncommitted bytes.
   */
  appendEntries(payloads: readonly Entry[]): boolean {
    const bytes = sizeOf(payloads);
    if (!this.#reserveUncommitted(bytes - payloads.length * entryOverheadBytes)) return false;
    const entries = this.#placed(payloads);
    if (this.config.tracer !== undefined) traceReplicated(this, entries);
    this.log.append(entries, bytes);
    this.#acknowledgeOwn(this.log.lastIndex);
    return true;
  }

  /** The leader counts itself only once the entries are durable here too: it acknowledges to itself like a follower. */
  #acknowledgeOwn(index: LogIndex): void {
    const { asyncStorageWrites, tracer } = this.config;
    // A message is seen by whoever traces, and keeps its place behind those that were there before.
    const asMessage = asyncStorageWrites || tracer !== undefined || this.messagesAfterAppend.length > 0;
    if (asMessage) this.send(appendAck(this.id, index));
    else this.ownAcks.add(this.term, index);
  }

  /** `payloads` with the terms and indexes that they get. Those that have them already are taken as they are. */
  #placed(payloads: readonly Entry[]): readonly Entry[] {
    const next = this.log.lastIndex + 1;
    let placed = true;
    for (let i = 0; i < payloads.length && placed; i++) {
      const entry = payloads[i];
      placed = entry?.term === this.term && entry.index === next + i;
    }
    if (placed) return payloads;
    return payloads.map(({ type, data, context }, i) => new Entry(this.term, next + i, type, data, context));
  }

  /** One proposal is always let through when nothing is pending, however large; empty ones weigh nothing. */
  #reserveUncommitted(bytes: number): boolean {
    if (this.uncommittedBytes > 0 && bytes > 0 && this.uncommittedBytes + bytes > this.#maxUncommittedBytes)
      return false;
    this.uncommittedBytes += bytes;
    return true;
  }

  /** Applied entries no longer count. Entries of earlier terms were never counted, hence the floor. */
  releaseUncommitted(bytes: number): void {
    this.uncommittedBytes = Math.max(0, this.uncommittedBytes - bytes);
  }
}
