/**
 * Proposals of this node from the call to the result, and those that followers forward to it.
 *
 * A proposal is queued, then either in this node's log at a known place (leader) or forwarded, once
 * (follower). It ends when the entry at its place is applied: its own, with the result, or another one,
 * with `PROPOSAL_DROPPED`. What left this node and cannot be followed any more is `UNKNOWN_OUTCOME`; it
 * is never sent again.
 */
import {
  BalsaError,
  ConfChangeTransition,
  decodeConfChange,
  EntryType,
  StateType,
  toBalsaError,
  type ConfState,
  type Entry,
  type Env,
  type LogIndex,
  type NodeId,
  type RaftCore,
  type Term,
} from '@balsa/raft-core';
import type { CallOptions } from './call.ts';
import { decodeConfContext } from './conf-context.ts';
import { encodeEnvelope, ownCounter, payloadOf } from './envelope.ts';
import { bodySize, encodeFrame, type ControlFrame, type ProposalBody } from './forwarding.ts';
import type { MetricsRecorder } from './metrics.ts';
import type { NodeLimits } from './options.ts';
import { dropped, overwritten, Own, unknown, type Intake, type Outcome } from './proposal.ts';

export interface ProposalsOptions {
  readonly env: Env;
  readonly metrics: MetricsRecorder;
  readonly limits: NodeLimits;
  readonly incarnation: Uint8Array;
  readonly requestTimeoutMs: number;
  /** How long a proposal waits for a leader to become known, in milliseconds. */
  readonly leaderWaitMs: number;
  readonly maxBodyBytes: number;
  readonly core: RaftCore;
  readonly applied: () => LogIndex;
  readonly sendControl: (peer: NodeId, frame: Uint8Array) => boolean;
  /** Refuses a membership change that must not be proposed; throws. */
  readonly checkChange: (body: ProposalBody & { kind: 'change' }) => void;
  readonly schedule: () => void;
}

/** Forwarded proposals that wait in the leader for its next turn, at most. */
const maxIntake = 65_536;
const noOptions: CallOptions = {};

export class Proposals<R> {
  readonly #options: ProposalsOptions;
  readonly #own = new Map<number, Own<R>>();
  /** Own proposals whose place in the log is known. */
  readonly #placed = new Map<LogIndex, Own<R>>();
  #queue: Own<R>[] = [];
  #intake: Intake<R>[] = [];
  #bytes = 0;
  #counter = 0;

  constructor(options: ProposalsOptions) {
    this.#options = options;
  }

  get pending(): number {
    return this.#own.size;
  }

  get pendingBytes(): number {
    return this.#bytes;
  }

  /** Resolves with the result of applying `payload` on this node. */
  submitCommand(payload: Uint8Array, options?: CallOptions): Promise<R> {
    const { incarnation } = this.#options;
    const counter = ++this.#counter;
    const submitted = this.#submit(
      counter,
      () => ({ kind: 'command', data: encodeEnvelope(incarnation, counter, payload) }),
      options,
    );
    return submitted as Promise<R>;
  }

  /** Resolves with the membership after the change. `makeBody` gets the counter that makes the proposal's id. */
  submitChange(
    makeBody: (counter: number) => ProposalBody & { readonly kind: 'change' },
    options?: CallOptions,
  ): Promise<ConfState> {
    const counter = ++this.#counter;
    return this.#submit(counter, () => makeBody(counter), options) as Promise<ConfState>;
  }

  #submit(
    counter: number,
    makeBody: () => ProposalBody,
    options: CallOptions = noOptions,
  ): Promise<Outcome<R>> {
    const { env, metrics, requestTimeoutMs } = this.#options;
    metrics.add('proposals');
    let own: Own<R>;
    try {
      const body = makeBody();
      this.#checkRoom(bodySize(body));
      own = new Own<R>(counter, body, env, options, requestTimeoutMs, this.#onEnded);
    } catch (error) {
      const refused = toBalsaError(error, 'INVALID_ARGUMENT', String(error));
      metrics.proposalOutcome(refused.code);
      return Promise.reject(refused);
    }
    this.#own.set(counter, own);
    this.#bytes += own.size;
    own.heedSignal('the caller gave up waiting for the proposal');
    if (!own.settled) {
      this.#queue.push(own);
      this.#options.schedule();
    }
    return own.promise;
  }

  /** One for all proposals. */
  readonly #onEnded = (own: Own<R>, code: string): void => {
    const { env, metrics } = this.#options;
    this.#forget(own);
    metrics.proposalOutcome(code);
    metrics.observe('proposeMs', env.now() - own.startedAt);
  };

  /** Hands what has gathered to the core, or to the leader. Called once a turn. */
  flush(): void {
    const { core, env } = this.#options;
    if (core.state === StateType.Leader) {
      const own = this.#takeQueue(env.now());
      const intake = this.#intake;
      this.#intake = [];
      this.#propose(intake.length === 0 ? own : [...intake, ...own]);
      return;
    }
    if (this.#intake.length > 0) {
      const intake = this.#intake;
      this.#intake = [];
      this.#refuse(intake, this.#notLeader());
    }
    if (core.leader !== 0 && this.#queue.length > 0) this.#forward(this.#takeQueue(env.now()));
  }

  onFrame(from: NodeId, frame: ControlFrame): void {
    switch (frame.type) {
      case 'propose':
        this.#onForwarded(from, frame);
        break;
      case 'accepted':
        for (const place of frame.places) this.#onAccepted(from, place.counter, place.index, frame.term);
        break;
      case 'refused':
        for (const counter of frame.counters) this.#onRefused(from, counter, frame);
        break;
      case 'members':
      case 'hello':
        break;
    }
  }

  /** An entry took effect here. */
  onEntry(entry: Entry, result: R | undefined, confState: ConfState | undefined): void {
    const own = this.#ownerOf(entry);
    if (own !== undefined) {
      this.#placed.delete(own.index);
      if (own.body.kind === 'command') own.resolve(result as R);
      else if (confState !== undefined) own.resolve(confState);
      else
        own.reject(
          new BalsaError(
            'CONF_CHANGE_INVALID',
            'the membership does not allow this change: it had no effect',
          ),
        );
      return;
    }
    const placed = this.#placed.get(entry.index);
    if (placed !== undefined) placed.reject(overwritten(placed, entry));
  }

  /**
   * A snapshot replaced the entries up to `index`: what was in them is not known. Of what the leader has
   * not placed yet its answer will tell.
   */
  onInstalled(index: LogIndex): void {
    for (const own of [...this.#own.values()]) {
      if (own.state === 'placed' && own.index <= index) {
        own.reject(unknown('a snapshot was installed over the place where it may have been applied'));
      }
    }
  }

  onDisconnect(peer: NodeId): void {
    for (const own of [...this.#own.values()]) {
      if (own.state === 'forwarded' && own.leader === peer) {
        own.reject(unknown(`the connection to leader ${String(peer)} was lost before it answered`));
      }
    }
  }

  /** Called when leader or term changed. */
  onLeaderChange(): void {
    const { core } = this.#options;
    for (const own of [...this.#own.values()]) {
      if (own.state === 'forwarded' && (own.leader !== core.leader || own.term !== core.term)) {
        own.reject(
          unknown(`leader ${String(own.leader)} of term ${String(own.term)} was replaced before it answered`),
        );
      }
    }
    this.#options.schedule();
  }

  tick(): void {
    const { env, core, leaderWaitMs } = this.#options;
    const now = env.now();
    for (const own of [...this.#own.values()]) {
      if (own.state === 'queued') {
        if (core.leader === 0 && now >= Math.min(own.deadline, own.startedAt + leaderWaitMs))
          own.reject(this.#notLeader());
        else if (now >= own.deadline)
          own.reject(new BalsaError('TIMEOUT', 'the proposal could not leave this node in time'));
      } else if (now >= own.deadline) {
        own.reject(unknown(`no result within ${String(Math.round(now - own.startedAt))} ms`));
      }
    }
    if (this.#queue.some((own) => own.settled)) this.#queue = this.#queue.filter((own) => !own.settled);
    if (this.#queue.length > 0 && core.leader !== 0) this.#options.schedule();
  }

  close(cause: BalsaError | undefined): void {
    const options = cause === undefined ? {} : { cause };
    for (const own of [...this.#own.values()]) {
      own.reject(
        own.state === 'queued'
          ? new BalsaError('STOPPED', 'the node stopped before the proposal left it', options)
          : new BalsaError('UNKNOWN_OUTCOME', 'the node stopped before the result was known', options),
      );
    }
    this.#queue = [];
    this.#intake = [];
  }

  // --- as leader

  #propose(intake: readonly Intake<R>[]): void {
    let start = 0;
    while (start < intake.length) {
      const first = intake[start];
      if (first?.body.kind === 'change') {
        this.#proposeChange(first, first.body);
        start++;
        continue;
      }
      const end = this.#batchEnd(intake, start);
      this.#proposeCommands(start === 0 && end === intake.length ? intake : intake.slice(start, end));
      start = end;
    }
  }

  #proposeCommands(batch: readonly Intake<R>[]): void {
    const payloads: Uint8Array[] = [];
    for (const { body } of batch) if (body.kind === 'command') payloads.push(body.data);
    try {
      this.#options.core.proposeBatch(payloads);
    } catch (error) {
      this.#refuse(batch, dropped(error));
      return;
    }
    this.#place(batch);
  }

  #proposeChange(intake: Intake<R>, body: ProposalBody & { kind: 'change' }): void {
    try {
      this.#options.checkChange(body);
      this.#options.core.proposeConfChange({
        version: 2,
        transition: ConfChangeTransition.Auto,
        changes: body.changes,
        context: body.context,
      });
    } catch (error) {
      this.#refuse([intake], dropped(error));
      return;
    }
    this.#place([intake]);
  }

  /** The core has just appended the batch: its places are the last ones of the log. */
  #place(batch: readonly Intake<R>[]): void {
    const { core } = this.#options;
    const first = core.lastIndex - batch.length + 1;
    const places = new Map<NodeId, { counter: number; index: LogIndex }[]>();
    batch.forEach((item, i) => {
      if (item.own !== undefined) {
        this.#placeOwn(item.own, first + i, core.term);
        return;
      }
      let list = places.get(item.from);
      if (list === undefined) places.set(item.from, (list = []));
      list.push({ counter: item.counter, index: first + i });
    });
    for (const [peer, list] of places) this.#send(peer, { type: 'accepted', term: core.term, places: list });
  }

  #placeOwn(own: Own<R>, index: LogIndex, term: Term): void {
    if (own.settled) return;
    own.state = 'placed';
    own.index = index;
    own.term = term;
    this.#placed.set(index, own);
  }

  #refuse(batch: readonly Intake<R>[], error: BalsaError): void {
    const counters = new Map<NodeId, number[]>();
    for (const item of batch) {
      if (item.own !== undefined) item.own.reject(error);
      else counters.set(item.from, [...(counters.get(item.from) ?? []), item.counter]);
    }
    const { core } = this.#options;
    for (const [peer, list] of counters) {
      this.#send(peer, {
        type: 'refused',
        counters: list,
        code: error.code,
        text: error.message,
        leader: core.leader,
      });
    }
  }

  #onForwarded(from: NodeId, frame: ControlFrame & { type: 'propose' }): void {
    this.#options.metrics.add('proposalsFromPeers', frame.proposals.length);
    const intake = frame.proposals.map(({ counter, body }) => ({ body, own: undefined, from, counter }));
    const fits = intake.filter((item) => {
      const refusal = this.#refusalOf(item.body);
      if (refusal !== undefined) this.#refuse([item], refusal);
      return refusal === undefined;
    });
    if (this.#intake.length + fits.length > maxIntake) {
      this.#refuse(fits, new BalsaError('OVERLOADED', 'the leader has too many forwarded proposals waiting'));
      return;
    }
    this.#intake.push(...fits);
    this.#options.schedule();
  }

  /** Once committed, what no node can read would stop them all: it is kept out of the log. */
  #refusalOf(body: ProposalBody): BalsaError | undefined {
    if (bodySize(body) > this.#options.maxBodyBytes)
      return new BalsaError('STORE_ENTRY_TOO_LARGE', 'a forwarded proposal is larger than the cluster takes');
    try {
      if (body.kind === 'command') payloadOf(body.data, 0);
      return undefined;
    } catch (error) {
      return toBalsaError(error, 'UNKNOWN_COMMAND_VERSION', String(error));
    }
  }

  // --- as follower

  #forward(batch: readonly Own<R>[]): void {
    const { core, metrics } = this.#options;
    let start = 0;
    while (start < batch.length) {
      const end = this.#batchEnd(batch, start);
      const part = batch.slice(start, end);
      const sent = this.#send(core.leader, { type: 'propose', proposals: part });
      if (!sent) {
        // It did not leave: it waits for the connection, or for another leader, until its deadline.
        this.#queue = [...batch.slice(start), ...this.#queue];
        return;
      }
      metrics.add('proposalsForwarded', part.length);
      for (const own of part) {
        own.state = 'forwarded';
        own.leader = core.leader;
        own.term = core.term;
      }
      start = end;
    }
  }

  #onAccepted(from: NodeId, counter: number, index: LogIndex, term: Term): void {
    const own = this.#own.get(counter);
    if (own === undefined || own.state !== 'forwarded' || own.leader !== from) return;
    if (index <= this.#options.applied()) {
      own.reject(
        unknown(`index ${String(index)} was applied before the leader's answer came, without it being seen`),
      );
      return;
    }
    this.#placeOwn(own, index, term);
  }

  #onRefused(from: NodeId, counter: number, frame: ControlFrame & { type: 'refused' }): void {
    const own = this.#own.get(counter);
    if (own === undefined || own.state !== 'forwarded' || own.leader !== from) return;
    own.reject(
      new BalsaError(frame.code, `leader ${String(from)}: ${frame.text}`, {
        details: { leader: frame.leader },
      }),
    );
  }

  // --- common

  /** Up to the bounds of one batch; at least one. A batch of the core holds commands only. */
  #batchEnd(items: readonly { readonly body: ProposalBody }[], start: number): number {
    const { maxProposalBatch, maxProposalBatchBytes } = this.#options.limits;
    const isLeader = this.#options.core.state === StateType.Leader;
    let bytes = 0;
    let end = start;
    while (end < items.length && end - start < maxProposalBatch) {
      const body = items[end]?.body;
      if (body === undefined || (isLeader && body.kind === 'change')) break;
      bytes += bodySize(body);
      if (end > start && bytes > maxProposalBatchBytes) break;
      end++;
    }
    return end;
  }

  #takeQueue(now: number): Own<R>[] {
    const queue = this.#queue;
    this.#queue = [];
    return queue.filter((own) => {
      if (!own.settled && now >= own.deadline)
        own.reject(new BalsaError('TIMEOUT', 'the proposal could not leave this node in time'));
      return !own.settled;
    });
  }

  #checkRoom(size: number): void {
    const { limits, maxBodyBytes } = this.#options;
    if (size > maxBodyBytes) {
      throw new BalsaError(
        'STORE_ENTRY_TOO_LARGE',
        `a proposal of ${String(size)} bytes with its envelope is over the cluster's ${String(maxBodyBytes)}`,
        {
          details: { size, limit: maxBodyBytes },
        },
      );
    }
    if (this.#own.size >= limits.maxPendingProposals) {
      throw new BalsaError(
        'OVERLOADED',
        `${String(limits.maxPendingProposals)} proposals are waiting already`,
        { details: { limit: limits.maxPendingProposals } },
      );
    }
    if (this.#own.size > 0 && this.#bytes + size > limits.maxPendingBytes) {
      throw new BalsaError('OVERLOADED', `${String(this.#bytes)} bytes of proposals are waiting already`, {
        details: { limit: limits.maxPendingBytes },
      });
    }
  }

  /** The own proposal that `entry` is, by its id. */
  #ownerOf(entry: Entry): Own<R> | undefined {
    const { incarnation } = this.#options;
    if (entry.data.length === 0 || this.#own.size === 0) return undefined;
    if (entry.type === EntryType.Normal) {
      const counter = ownCounter(entry.data, incarnation);
      return counter === undefined ? undefined : this.#own.get(counter);
    }
    const context = decodeConfContext(decodeConfChange(entry.type, entry.data).context);
    if (context === undefined || !context.incarnation.every((byte, i) => byte === incarnation[i]))
      return undefined;
    return this.#own.get(context.counter);
  }

  #forget(own: Own<R>): void {
    if (!this.#own.delete(own.counter)) return;
    this.#bytes -= own.size;
    if (this.#placed.get(own.index) === own) this.#placed.delete(own.index);
  }

  #send(peer: NodeId, frame: ControlFrame): boolean {
    return this.#options.sendControl(peer, encodeFrame(frame));
  }

  #notLeader(): BalsaError {
    const { core } = this.#options;
    const text =
      core.leader === 0
        ? 'no leader is known'
        : `this node is not the leader; node ${String(core.leader)} is`;
    return new BalsaError('NOT_LEADER', text, { details: { leader: core.leader } });
  }
}
