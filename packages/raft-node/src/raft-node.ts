/** RaftNode: the facade that users hold. Everything behind it lives in the small files beside it. */
import {
  BalsaError,
  isBalsaError,
  LogLevel,
  StateType,
  type ConfState,
  type LogIndex,
  type NodeId,
} from '@balsa/raft-core';
import type { CallOptions } from './call.ts';
import { claim, isUsed } from './claims.ts';
import { encodeConfContext } from './conf-context.ts';
import { metricsOf, statusOf } from './describe.ts';
import type { NodeEvents, NodeListener } from './events.ts';
import type { NodeMetrics } from './metrics.ts';
import { changeTypes, checkChanges, type MembershipChange } from './membership-change.ts';
import { successor } from './membership.ts';
import { resolveOptions, type Member, type RaftNodeOptions } from './options.ts';
import { recover, type Recovered } from './recover.ts';
import { Runtime } from './runtime.ts';
import type { NodeStatus } from './status.ts';

export interface StopOptions {
  /** A leader first hands over to the most up-to-date follower, within one election timeout. Default false. */
  readonly transferLeadership?: boolean;
}

/** A node that is yet to be started. When it throws, nothing stays open that it opened, nor an engine that it was to own. */
async function prepare<R>(options: RaftNodeOptions<R>): Promise<Runtime<R>> {
  let release: (() => Promise<void>) | undefined;
  let recovered: Recovered | undefined;
  try {
    const settings = resolveOptions(options);
    release = claim(options, settings);
    recovered = await recover(options, settings);
    return new Runtime<R>(options, settings, recovered, release);
  } catch (error) {
    // What is wrong here says more than a part that does not close besides.
    if (recovered !== undefined)
      await Promise.allSettled([
        options.stateMachine.close(),
        recovered.storage.close(),
        recovered.book.close(),
      ]);
    await release?.();
    await closeOwned(options);
    throw error;
  }
}

/** Of options that may be anything: they may be what was refused. */
async function closeOwned(options: Partial<RaftNodeOptions<unknown>> | null | undefined): Promise<void> {
  const { ownEngine, engine } = options ?? {};
  if (ownEngine !== true || engine === undefined || isUsed(engine)) return;
  try {
    await engine.close();
  } catch {
    // What is wrong with the start says more than an engine that does not close, or is none, besides.
  }
}

/** One member of one Raft group. */
export class RaftNode<R> implements AsyncDisposable {
  /** Resolves when the node has stopped, with the error when it did so by itself. Never rejects. */
  readonly stopped: Promise<BalsaError | undefined>;
  readonly #options: RaftNodeOptions<R>;
  readonly #runtime: Runtime<R>;

  private constructor(options: RaftNodeOptions<R>, runtime: Runtime<R>) {
    this.#options = options;
    this.#runtime = runtime;
    this.stopped = runtime.stopped;
  }

  /**
   * Opens the group and the state machine, finishes what a crash left, joins the network and begins to tick.
   *
   * Rejects with `INVALID_CONFIG`; `STORE_NOT_BOOTSTRAPPED` for an empty store without `bootstrap` or
   * `join`; `STORE_IDENTITY_MISMATCH` for a store of another cluster or node; `STATE_AHEAD_OF_LOG` or
   * `STATE_BEHIND_LOG` when log and state machine do not belong together; and with what the store,
   * the state machine and the transport report.
   */
  static async start<R>(options: RaftNodeOptions<R>): Promise<RaftNode<R>> {
    const runtime = await prepare(options);
    try {
      await runtime.start();
    } catch (error) {
      await runtime.close(undefined);
      throw error;
    }
    return new RaftNode<R>(options, runtime);
  }

  get id(): NodeId {
    return this.#runtime.settings.id;
  }

  /**
   * Replicates `data` and resolves with the result of applying it on this node, so that a read of this
   * node's state machine afterwards sees it. On a follower it is forwarded to the leader, once.
   *
   * Refused (nothing happened and nothing will): `INVALID_ARGUMENT` (not bytes), `STORE_ENTRY_TOO_LARGE`, `OVERLOADED`,
   * `NOT_LEADER` (no leader within the time), `PROPOSAL_DROPPED`, `TIMEOUT` (it never left this node), `STOPPED`,
   * `NOT_A_MEMBER` (it was removed).
   * Unknown: `UNKNOWN_OUTCOME`, `ABORTED`. Never sent again by itself.
   */
  propose(data: Uint8Array, options?: CallOptions): Promise<R> {
    // Not an async function: that would be a promise more, and turns of its own, for every command.
    const refusal = this.#refusal();
    if (refusal !== undefined) return Promise.reject(refusal);
    return this.#runtime.proposals.submitCommand(data, options);
  }

  /**
   * Resolves with an applied index once this node's state machine contains everything that was
   * committed when the call was made, so that reading it now is linearizable (thesis §6.4). Works on
   * followers and learners. Rejects with `TIMEOUT`, `OVERLOADED`, `ABORTED`, `STOPPED` or `NOT_A_MEMBER`.
   */
  async read(options?: CallOptions): Promise<LogIndex> {
    this.#checkRunning();
    return await this.#runtime.reads.read(options);
  }

  /**
   * Adds a member that receives the log and does not vote; a voter becomes one that does so no more. Ids of removed
   * members are refused (`CONF_CHANGE_INVALID`).
   */
  addLearner(member: Member, options?: CallOptions): Promise<ConfState> {
    return this.changeMembership([{ ...member, type: 'addLearner' }], options);
  }

  /** Makes a learner a voter. Refused with `CONF_CHANGE_INVALID` while it lags more than `limits.maxPromoteLag` entries. */
  promote(id: NodeId, options?: CallOptions): Promise<ConfState> {
    return this.changeMembership([{ type: 'addVoter', id }], options);
  }

  /** For good: the id is used up. A leader hands leadership over before it is removed. */
  removeMember(id: NodeId, options?: CallOptions): Promise<ConfState> {
    return this.changeMembership([{ type: 'remove', id }], options);
  }

  /**
   * Several changes as one, through a joint configuration where needed (thesis §4.3). Resolves with the
   * new membership when it is applied on this node and the joint configuration, if any, is left.
   * Forwarded by a follower. Errors as `propose`, and `CONF_CHANGE_INVALID`.
   */
  async changeMembership(changes: readonly MembershipChange[], options?: CallOptions): Promise<ConfState> {
    this.#checkRunning();
    checkChanges(changes);
    const { waiting, settings } = this.#runtime;
    const confState = await this.#proposeChange(changes, options);
    if (confState.votersOutgoing.length === 0) return confState;
    const late = (): BalsaError =>
      new BalsaError(
        'UNKNOWN_OUTCOME',
        'the change took effect, but the joint configuration was not left in time',
      );
    return await waiting.joint.wait(options?.timeoutMs ?? settings.requestTimeoutMs, late);
  }

  /** A leader that is to be removed refuses and hands over: its successor is asked then. Twice at most. */
  async #proposeChange(
    changes: readonly MembershipChange[],
    options: CallOptions | undefined,
  ): Promise<ConfState> {
    const { core, waiting, settings } = this.#runtime;
    for (let handovers = 0; ; handovers++) {
      const { leader } = core;
      try {
        return await this.#proposeOnce(changes, options);
      } catch (error) {
        const handsOver = changes.some(({ type, id }) => type === 'remove' && id === leader);
        if (!isBalsaError(error, 'NOT_LEADER') || !handsOver || handovers === 2) throw error;
        if (core.leader === leader || core.leader === 0)
          await waiting.leaders.wait(2 * settings.electionTick * settings.tickMs, () => error);
      }
    }
  }

  async #proposeOnce(
    changes: readonly MembershipChange[],
    options: CallOptions | undefined,
  ): Promise<ConfState> {
    this.#checkRunning();
    const { proposals, incarnation } = this.#runtime;
    const members = changes.flatMap(({ id, address }) => (address === undefined ? [] : [{ id, address }]));
    return await proposals.submitChange(
      (counter) => ({
        kind: 'change',
        changes: changes.map(({ type, id }) => ({ type: changeTypes[type], nodeId: id })),
        context: encodeConfContext({ incarnation, counter, members }),
      }),
      options,
    );
  }

  /**
   * Hands leadership to `to`, or to the most up-to-date voter. Resolves with the new leader.
   * `NOT_LEADER` on a follower or when there is nobody to hand over to; `INVALID_ARGUMENT` when `to` is no voter;
   * `TIMEOUT` when it did not happen within two election timeouts.
   */
  async transferLeadership(to?: NodeId): Promise<NodeId> {
    this.#checkRunning();
    const runtime = this.#runtime;
    const { core, settings, waiting } = runtime;
    if (core.state !== StateType.Leader) {
      throw new BalsaError('NOT_LEADER', `node ${String(settings.id)} is not the leader`, {
        details: { leader: core.leader },
      });
    }
    const target = to ?? successor(core.status().progress, new Set([settings.id]));
    if (target === undefined)
      throw new BalsaError('NOT_LEADER', 'there is no other voter to hand leadership to');
    if (target === settings.id) return target;
    const { voters } = core.status().confState;
    // The core takes no notice of it, and the caller would wait for nothing.
    if (!voters.includes(target)) {
      const why = `node ${String(target)} cannot lead: the voters are ${voters.join(', ')}`;
      throw new BalsaError('INVALID_ARGUMENT', why);
    }
    const timeoutMs = 2 * settings.electionTick * settings.tickMs;
    const done = waiting.transfers.wait(
      timeoutMs,
      () => new BalsaError('TIMEOUT', `leadership did not move to node ${String(target)} in time`),
    );
    runtime.input(() => core.transferLeader(target));
    return await done;
  }

  status(): NodeStatus {
    return statusOf(this.#runtime, this.#options.transport.stats().connectedPeers);
  }

  metrics(): NodeMetrics {
    return metricsOf(this.#runtime, this.#options.transport.stats().connectedPeers.length);
  }

  /** Returns the function that removes the listener. Listeners are called in the node's own turn and must be quick. */
  on<K extends keyof NodeEvents>(event: K, listener: NodeListener<K>): () => void {
    return this.#runtime.events.on(event, listener);
  }

  /**
   * Idempotent, and never rejects. Rejects what is pending, lets what is being written finish, and closes
   * transport, state machine and storage group (and the engine with `ownEngine`), within `stopTimeoutMs`.
   */
  async stop(options?: StopOptions): Promise<void> {
    const { core, env, running } = this.#runtime;
    if (options?.transferLeadership === true && running && core.state === StateType.Leader) {
      try {
        await this.transferLeadership();
      } catch (error) {
        env.log.log(LogLevel.Warn, `stopping without a handover of leadership: ${String(error)}`, { error });
      }
    }
    await this.#runtime.close(undefined);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  #checkRunning(): void {
    const refusal = this.#refusal();
    if (refusal !== undefined) throw refusal;
  }

  /** Why nothing can be asked of this node any more, if so. */
  #refusal(): BalsaError | undefined {
    const { running, peers, settings } = this.#runtime;
    if (!running) return new BalsaError('STOPPED', `node ${String(settings.id)} is stopped`);
    if (!peers.removed) return undefined;
    return new BalsaError(
      'NOT_A_MEMBER',
      `node ${String(settings.id)} was removed from group "${settings.group}"`,
    );
  }
}
