/** RawNode: raft-core as its driver holds it. */
import { bootstrap, type Peer } from './bootstrap.ts';
import { applyConfChange } from './membership.ts';
import { asV2 } from './conf-change/conf-change.ts';
import { encodeConfChange } from './codec/conf-change.ts';
import { defaultConfig, type RaftConfig, type RaftInitialState } from './config.ts';
import { silentLogger } from './contracts/env.ts';
import { createRaft } from './create-raft.ts';
import { BalsaError } from './errors.ts';
import { Message, MessageType } from './message.ts';
import { proposeAsLeader } from './proposal.ts';
import { RaftControls } from './raft-controls.ts';
import { ReadyAssembler } from './ready.ts';
import { requestSnapshot } from './request-snapshot.ts';
import { sendFetched, sendFetchedSnapshot, sendFetchFailed } from './replication.ts';
import { basicStatusOf, statusOf } from './status.ts';
import { stepMessage } from './step-common.ts';
import { tick } from './tick.ts';
import { validateMessage } from './validate-message.ts';
import type { BasicStatus, Fetch, RaftCore, Ready, Status } from './core.ts';
import type { Raft } from './raft.ts';
import type { Progress } from './tracker/progress.ts';
import {
  EmptyBytes,
  Entry,
  EntryType,
  StateType,
  type ConfChange,
  type ConfState,
  type LogIndex,
  type NodeId,
  type Snapshot,
  type Term,
} from './types.ts';

/** Everything but `id` and `random` has a default; the default logger is silent. */
export type RawNodeConfig = Pick<RaftConfig, 'id' | 'random'> & Partial<RaftConfig>;

/** See {@link RaftCore}, which says what every method means. Not to be entered again from within a call. */
export class RawNode extends RaftControls implements RaftCore {
  readonly #raft: Raft;
  readonly #assembler: ReadyAssembler;
  readonly #async: boolean;

  /** Throws `INVALID_CONFIG` naming the field that cannot work, or the part of the stored state that cannot be. */
  constructor(config: RawNodeConfig, initial: RaftInitialState) {
    const raft = createRaft({ ...defaultConfig, logger: silentLogger, ...config }, initial);
    super(raft);
    this.#raft = raft;
    this.#assembler = new ReadyAssembler(this.#raft);
    this.#async = this.#raft.config.asyncStorageWrites;
  }

  // --- inputs

  tick(): void {
    tick(this.#raft);
  }

  missedTicks(count: number): void {
    this.#raft.lease.pass(count);
  }

  /** A tick that never starts an election nor sends anything; for members whose leader is known to be idle. */
  tickQuiesced(): void {
    this.#raft.electionElapsed++;
  }

  /** Founds a cluster in an empty log: see {@link Peer}. Throws `INVALID_ARGUMENT` on another one. */
  bootstrap(peers: readonly Peer[]): void {
    bootstrap(this.#raft, peers);
  }

  campaign(): void {
    this.#local(new Message(MessageType.MsgHup));
  }

  propose(data: Uint8Array, context: Uint8Array = EmptyBytes): void {
    this.#propose([this.#newEntry(1, data, context)]);
  }

  proposeBatch(payloads: readonly Uint8Array[]): void {
    const first = payloads[0];
    if (first === undefined) return;
    // Not an empty list that grows: `push` would take room for seventeen, even for one.
    const entries = [this.#newEntry(1, first)];
    for (let i = 1; i < payloads.length; i++) entries.push(this.#newEntry(1 + i, payloads[i] ?? EmptyBytes));
    this.#propose(entries);
  }

  proposeConfChange(change: ConfChange, context: Uint8Array = EmptyBytes): void {
    const { type, data } = encodeConfChange(change);
    this.#propose([new Entry(0, 0, type, data, context)]);
  }

  applyConfChange(change: ConfChange): ConfState {
    return applyConfChange(this.#raft, asV2(change));
  }

  step(message: Message): void {
    validateMessage(this.#raft, message);
    stepMessage(this.#raft, message);
  }

  readIndex(context: Uint8Array): void {
    this.#local(
      new Message(MessageType.MsgReadIndex, { entries: [new Entry(0, 0, EntryType.Normal, context)] }),
    );
  }

  transferLeader(to: NodeId): void {
    this.#local(new Message(MessageType.MsgTransferLeader, { from: to }));
  }

  forgetLeader(): void {
    this.#local(new Message(MessageType.MsgForgetLeader));
  }

  reportUnreachable(id: NodeId): void {
    this.#local(new Message(MessageType.MsgUnreachable, { from: id }));
  }

  reportSnapshot(id: NodeId, ok: boolean): void {
    this.#local(new Message(MessageType.MsgSnapStatus, { from: id, reject: !ok }));
  }

  /**
   * Follower: asks the leader for a snapshot that replaces its state, though its log lacks nothing. Until one at
   * or above its last index has come, or the term ends, nothing is appended here; `pendingRequestSnapshot` tells.
   * Throws `REQUEST_SNAPSHOT_DROPPED` on a leader, without a leader, when one is under way, and when the last
   * entry is not of this term. A store refuses to install it at its stored commit index (see `WriteBatch.install`):
   * the log is all there then, and only the state machine is restored.
   */
  requestSnapshot(): void {
    requestSnapshot(this.#raft);
  }

  /** Leader: sends heartbeats now. */
  ping(): void {
    if (this.#raft.state === StateType.Leader) this.#local(new Message(MessageType.MsgBeat));
  }

  /** Throws `OUT_OF_RANGE` beyond the applied index: nothing else may have been dropped. */
  compacted(index: LogIndex): void {
    this.#raft.log.compactTo(index);
  }

  // --- work

  hasReady(): boolean {
    return this.#assembler.hasReady();
  }

  /** Synchronous mode: throws `INVALID_ARGUMENT` while an earlier Ready has not been advanced. */
  ready(): Ready {
    if (this.#assembler.awaitsAdvance)
      throw misuse('advance the previous Ready before the next one is taken');
    return this.#assembler.take();
  }

  /** Throws `INVALID_ARGUMENT` in asynchronous mode, and for another than the last Ready. */
  advance(ready: Ready): void {
    if (this.#async)
      throw misuse('advance is of the synchronous mode; deliver the responses of the storage messages');
    if (!this.#assembler.awaitsAdvance || ready.number !== this.#assembler.lastNumber) {
      throw misuse(`Ready ${String(ready.number)} is not the one to advance`);
    }
    this.#assembler.advance();
  }

  // --- fetches

  /** Throws `INVALID_ARGUMENT` for entries that are not what was asked for. */
  fetched(id: number, entries: readonly Entry[]): void {
    const fetch = this.#raft.fetches.get(id);
    if (fetch === undefined) return;
    if (fetch.purpose === 'snapshot') throw misuse(`fetch ${String(id)} asked for a snapshot`);
    this.#checkFetched(fetch, entries);
    this.#raft.fetches.take(id);
    if (fetch.purpose === 'send') {
      sendFetched(this.#raft, fetch, entries);
      return;
    }
    this.#raft.fetches.apply = undefined;
    this.#raft.fetches.applyBuffer = { entries, high: fetch.high };
  }

  /** Throws `INVALID_ARGUMENT` for an answer to another kind of fetch, or a snapshot beyond the log. */
  snapshotReady(id: number, snapshot: Snapshot): void {
    const fetch = this.#raft.fetches.get(id);
    if (fetch === undefined) return;
    if (fetch.purpose !== 'snapshot') throw misuse(`fetch ${String(id)} asked for entries`);
    const { index } = snapshot.metadata;
    if (index > this.#raft.log.lastIndex) throw misuse(`a snapshot at ${String(index)} lies beyond the log`);
    this.#raft.fetches.take(id);
    sendFetchedSnapshot(this.#raft, fetch, snapshot);
  }

  fetchFailed(id: number, reason: 'compacted' | 'unavailable'): void {
    const { fetches } = this.#raft;
    const fetch = fetches.take(id);
    if (fetch === undefined) return;
    if (fetch.purpose === 'send') {
      sendFetchFailed(this.#raft, fetch, reason === 'compacted');
    } else if (fetch.purpose === 'snapshot') {
      fetches.snapshots.delete(fetch.to);
    } else {
      fetches.apply = undefined;
      fetches.applyBlocked = true;
    }
  }

  #checkFetched(fetch: Exclude<Fetch, { purpose: 'snapshot' }>, entries: readonly Entry[]): void {
    let index = fetch.low;
    if (entries.length === 0 || fetch.low + entries.length > fetch.high) {
      throw misuse(
        `fetch ${String(fetch.id)} needs 1 to ${String(fetch.high - fetch.low)} entries, not ${String(entries.length)}`,
      );
    }
    for (const entry of entries) {
      const term = this.#raft.log.term(index) ?? entry.term;
      if (entry.index !== index || entry.term !== term) {
        const got = `(term ${String(entry.term)}, index ${String(entry.index)})`;
        throw misuse(
          `fetch ${String(fetch.id)} needs the entry of term ${String(term)} at ${String(index)}, not ${got}`,
        );
      }
      index++;
    }
  }

  // --- views

  get id(): NodeId {
    return this.#raft.id;
  }

  get term(): Term {
    return this.#raft.term;
  }

  get leader(): NodeId {
    return this.#raft.leader;
  }

  get state(): StateType {
    return this.#raft.state;
  }

  get committed(): LogIndex {
    return this.#raft.log.committed;
  }

  get applied(): LogIndex {
    return this.#raft.log.applied;
  }

  get lastIndex(): LogIndex {
    return this.#raft.log.lastIndex;
  }

  /** `status` without what grows with the membership. */
  basicStatus(): BasicStatus {
    return basicStatusOf(this.#raft);
  }

  status(): Status {
    return statusOf(this.#raft);
  }

  /** Every member in order of id, as the leader sees it; on others the values mean nothing. Not to be kept or changed. */
  visitProgress(fn: (id: NodeId, progress: Readonly<Progress>) => void): void {
    this.#raft.tracker.visit(fn);
  }

  /** Replaces the drawn election timeout, in ticks, until the next one is drawn. For tests and simulations. */
  setRandomizedElectionTimeout(ticks: number): void {
    this.#raft.randomizedElectionTimeout = ticks;
  }

  /** Leader: with its place, `ahead` of the end of the log, so that it need not be made twice. A forwarded one has none yet. */
  #newEntry(ahead: number, data: Uint8Array, context: Uint8Array = EmptyBytes): Entry {
    const { state, term, log } = this.#raft;
    if (state !== StateType.Leader) return new Entry(0, 0, EntryType.Normal, data, context);
    return new Entry(term, log.lastIndex + ahead, EntryType.Normal, data, context);
  }

  #propose(entries: readonly Entry[]): void {
    if (this.#raft.state === StateType.Leader) proposeAsLeader(this.#raft, entries);
    else this.#local(new Message(MessageType.MsgProp, { from: this.#raft.id, entries }));
  }

  #local(message: Message): void {
    stepMessage(this.#raft, message);
  }
}

function misuse(message: string): BalsaError {
  return new BalsaError('INVALID_ARGUMENT', message);
}
