/**
 * What may be asked of a running core, and changed in it: raft-rs's setters and getters. No setter changes a
 * message that has left, and none needs a restart.
 */
import { ReadOnlyOption } from './config.ts';
import { ProgressState } from './core.ts';
import { BalsaError } from './errors.ts';
import { assertSafeInteger } from './invariants.ts';
import { broadcastAppend, maybeCommit } from './replication.ts';
import { sendTimeoutNow } from './transfer.ts';
import type { Raft } from './raft.ts';
import type { Progress } from './tracker/progress.ts';
import { None, StateType, type LogIndex, type NodeId, type Snapshot } from './types.ts';

/** Of a {@link RawNode}; apart from it only so that each page holds one idea. */
export abstract class RaftControls {
  readonly #raft: Raft;

  constructor(raft: Raft) {
    this.#raft = raft;
  }

  // --- options that may change while running

  /** See `RaftConfig.priority`. */
  setPriority(priority: number): void {
    this.#raft.priority = assertSafeInteger(priority, 'priority');
  }

  /** See `RaftConfig.batchAppend`. */
  setBatchAppend(on: boolean): void {
    this.#raft.batchAppend = on;
  }

  /** See `RaftConfig.skipBcastCommit`. */
  setSkipBcastCommit(on: boolean): void {
    this.#raft.skipBcastCommit = on;
  }

  /** See `RaftConfig.checkQuorum`. Throws `INVALID_ARGUMENT` for false where leases rest on it. */
  setCheckQuorum(on: boolean): void {
    if (!on && this.#raft.config.readOnlyOption === ReadOnlyOption.LeaseBased)
      throw new BalsaError('INVALID_ARGUMENT', 'checkQuorum must stay on with readOnlyOption LeaseBased');
    this.#raft.checkQuorum = on;
  }

  /** See `RaftConfig.maxCommittedSizePerReady`, in bytes; 0 means `maxSizePerMsg`. */
  setMaxCommittedSizePerReady(bytes: number): void {
    assertSafeInteger(bytes, 'maxCommittedSizePerReady');
    this.#raft.log.setMaxApplyingBytes(bytes === 0 ? this.#raft.config.maxSizePerMsg : bytes);
  }

  /**
   * See `RaftConfig.maxApplyUnpersistedLogLimit`, in entries. Holds for the present leadership: a leader that
   * comes to power begins with the configured value, and on any other member nothing changes.
   */
  setMaxApplyUnpersistedLogLimit(entries: number): void {
    assertSafeInteger(entries, 'maxApplyUnpersistedLogLimit');
    if (this.#raft.state === StateType.Leader) this.#raft.log.applyUnpersistedLimit = entries;
  }

  /**
   * How many appends may be in flight to `id`; 0 stops replication to it. More than that many that are in flight
   * already stay so. Holds until the member leaves. Throws `INVALID_ARGUMENT` for who is not a member.
   */
  adjustMaxInflightMsgs(id: NodeId, count: number): void {
    assertSafeInteger(count, 'maxInflightMsgs');
    const progress = this.#progressOf(id);
    progress.inflights.setSize(count);
    // A probe waits for its answer, whatever the window.
    if (progress.state === ProgressState.Replicate) progress.msgAppFlowPaused = progress.inflights.full();
  }

  /** Bytes that the windows of all peers take in memory. */
  get inflightBuffersSize(): number {
    let bytes = 0;
    this.#raft.tracker.visit((_id, progress) => (bytes += progress.inflights.bufferBytes));
    return bytes;
  }

  /** Gives back what the windows of idle peers take. */
  maybeFreeInflightBuffers(): void {
    this.#raft.tracker.visit((_id, progress) => {
      progress.inflights.shrink();
    });
  }

  // --- group commit

  /** raft-rs's group commit, off at first: an entry commits only once two groups of members have it. */
  enableGroupCommit(on: boolean): void {
    this.#raft.commitGroups.enabled = on;
    if (!on) this.#commitAnew();
  }

  /** Assigns members to groups, numbered from 1; they need not be members yet. Throws `OUT_OF_RANGE`. */
  assignCommitGroups(groups: Iterable<readonly [id: NodeId, group: number]>): void {
    this.#raft.commitGroups.assign(groups);
    if (this.#raft.commitGroups.enabled) this.#commitAnew();
  }

  /** Takes every member out of its group. */
  clearCommitGroup(): void {
    this.#raft.commitGroups.clear();
  }

  /**
   * Whether all that is committed is in two groups. Undefined where it cannot be told: not the leader, or not
   * everything before its own term is applied.
   */
  checkGroupCommitConsistent(): boolean | undefined {
    const raft = this.#raft;
    if (raft.state !== StateType.Leader || !this.applyToCurrentTerm) return undefined;
    const { index, grouped } = raft.commitGroups.committed(raft.tracker);
    return raft.commitGroups.enabled && grouped && index === raft.log.committed;
  }

  #commitAnew(): void {
    if (this.#raft.state === StateType.Leader && maybeCommit(this.#raft)) broadcastAppend(this.#raft);
  }

  // --- leadership

  /** Leader: gives up a transfer under way, so that proposals are taken again. */
  abortLeaderTransfer(): void {
    this.#raft.leadTransferee = None;
  }

  /**
   * Leader: tells `id` to campaign now, whether or not its log is complete. `transferLeader` is the safe way.
   * Throws `INVALID_ARGUMENT` on another than the leader, and for who is not a voting peer.
   */
  sendTimeoutNow(id: NodeId): void {
    const raft = this.#raft;
    if (raft.state !== StateType.Leader || id === raft.id || this.#progressOf(id).isLearner)
      throw new BalsaError('INVALID_ARGUMENT', 'only a leader sends this, and only to another voter');
    sendTimeoutNow(raft, id);
  }

  /** Where a transfer is heading; 0 when none. */
  get leadTransferee(): NodeId {
    return this.#raft.leadTransferee;
  }

  // --- views

  /** Whether an entry of the present term is committed here. */
  get commitToCurrentTerm(): boolean {
    return this.#raft.committedInCurrentTerm();
  }

  /** Whether an entry of the present term is applied here. */
  get applyToCurrentTerm(): boolean {
    const { log, term } = this.#raft;
    return log.term(log.applied) === term;
  }

  /** Leader: bytes of payload appended and not yet applied. */
  get uncommittedSize(): number {
    return this.#raft.uncommittedBytes;
  }

  /** Leader: reads that wait, for a quorum or for the first commit of the term. */
  get pendingReadCount(): number {
    return this.#raft.readOnly.pendingCount + this.#raft.pendingReads.length;
  }

  /** Reads that are answered and go out with the next Ready. */
  get readyReadCount(): number {
    return this.#raft.readStates.length;
  }

  /** Leader with `LeaseBased` reads: whether it may answer them from its lease now. */
  get inLease(): boolean {
    const { state, config, lease } = this.#raft;
    return state === StateType.Leader && config.readOnlyOption === ReadOnlyOption.LeaseBased && lease.holds;
  }

  /** Whether this member may become leader: a voter without a snapshot still to install. */
  get promotable(): boolean {
    return this.#raft.promotable();
  }

  /** Leader: whether a membership change may be under way, so that no other one is taken. */
  get hasPendingConf(): boolean {
    return this.#raft.pendingConfIndex > this.#raft.log.applied;
  }

  /** The index at or above which a snapshot was asked for and has not come; 0 when none. */
  get pendingRequestSnapshot(): LogIndex {
    return this.#raft.requestedSnapshot;
  }

  /** A received snapshot that is not installed yet. */
  get pendingSnapshot(): Snapshot | undefined {
    return this.#raft.log.unstable.snapshot;
  }

  /** Ticks; see `RaftConfig`. */
  get electionTimeout(): number {
    return this.#raft.config.electionTick;
  }

  /** Ticks; see `RaftConfig`. */
  get heartbeatTimeout(): number {
    return this.#raft.config.heartbeatTick;
  }

  /** Ticks: the timeout drawn for the present term. */
  get randomizedElectionTimeout(): number {
    return this.#raft.randomizedElectionTimeout;
  }

  /** Ticks since a leader was heard of; on a leader, since its last check of the quorum. */
  get electionElapsed(): number {
    return this.#raft.electionElapsed;
  }

  /** Leader: ticks since its last heartbeats. */
  get heartbeatElapsed(): number {
    return this.#raft.heartbeatElapsed;
  }

  #progressOf(id: NodeId): Progress {
    const progress = this.#raft.tracker.progress.get(id);
    if (progress === undefined)
      throw new BalsaError('INVALID_ARGUMENT', `node ${String(id)} is not a member`);
    return progress;
  }
}
