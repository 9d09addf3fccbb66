/** RaftNode: the facade that users hold. Everything behind it lives in the small files beside it. */
import type { BalsaError, ConfState, LogIndex, NodeId } from '@balsa/raft-core';
import type { NodeEvents, NodeListener } from './events.ts';
import type { NodeMetrics } from './metrics.ts';
import type { Member, RaftNodeOptions } from './options.ts';
import type { NodeStatus } from './status.ts';

/** How long a call may wait. */
export interface CallOptions {
  /** Rejects with `ABORTED` when it fires; a proposal that has left may still take effect. */
  readonly signal?: AbortSignal;
  /** Milliseconds. Default: `requestTimeoutMs` of the node. */
  readonly timeoutMs?: number;
}

/** One step of a membership change. An address is needed for a node that is new to the cluster. */
export interface MembershipChange {
  readonly type: 'addVoter' | 'addLearner' | 'remove';
  readonly id: NodeId;
  readonly address?: string;
}

export interface StopOptions {
  /** A leader first hands over to the most up-to-date follower, within one election timeout. Default false. */
  readonly transferLeadership?: boolean;
}

const todo = (): never => {
  throw new Error('under construction');
};

/** One member of one Raft group. */
export class RaftNode<R> implements AsyncDisposable {
  /** Undefined after `stop`; the error when the node stopped by itself. Never rejects. */
  readonly stopped: Promise<BalsaError | undefined> = Promise.resolve(undefined);

  /**
   * Opens the group and the state machine, finishes what a crash left, joins the network and begins to tick.
   *
   * Rejects with `INVALID_CONFIG`; `STORE_NOT_BOOTSTRAPPED` for an empty store without `bootstrap` or
   * `join`; `STORE_IDENTITY_MISMATCH` for a store of another cluster or node; `STATE_AHEAD_OF_LOG` or
   * `STATE_BEHIND_LOG` when log and state machine do not belong together; and with what the store,
   * the state machine and the transport report.
   */
  static start<R>(_options: RaftNodeOptions<R>): Promise<RaftNode<R>> {
    return todo();
  }

  /**
   * Replicates `data` and resolves with the result of applying it on this node, so that a read of this
   * node's state machine afterwards sees it. On a follower it is forwarded to the leader, once.
   *
   * Refused (nothing happened and nothing will): `STORE_ENTRY_TOO_LARGE`, `OVERLOADED`, `NOT_LEADER` (no
   * leader within the time), `PROPOSAL_DROPPED`, `TIMEOUT` (it never left this node), `STOPPED`.
   * Unknown: `UNKNOWN_OUTCOME`, `ABORTED`. Never sent again by itself.
   */
  propose(_data: Uint8Array, _options?: CallOptions): Promise<R> {
    return todo();
  }

  /**
   * Resolves with an applied index once this node's state machine contains everything that was
   * committed when the call was made, so that reading it now is linearizable (thesis §6.4). Works on
   * followers and learners. Rejects with `TIMEOUT`, `OVERLOADED`, `ABORTED` or `STOPPED`.
   */
  read(_options?: CallOptions): Promise<LogIndex> {
    return todo();
  }

  /** Adds a member that receives the log and does not vote. Ids of removed members are refused (`CONF_CHANGE_INVALID`). */
  addLearner(_member: Member, _options?: CallOptions): Promise<ConfState> {
    return todo();
  }

  /** Makes a learner a voter. Refused with `CONF_CHANGE_INVALID` while it lags more than `limits.maxPromoteLag` entries. */
  promote(_id: NodeId, _options?: CallOptions): Promise<ConfState> {
    return todo();
  }

  removeMember(_id: NodeId, _options?: CallOptions): Promise<ConfState> {
    return todo();
  }

  /**
   * Several changes as one, through a joint configuration where needed (thesis §4.3). Resolves with the
   * new membership when it is applied on this node and the joint configuration, if any, is left.
   * Errors as `propose`, and `CONF_CHANGE_INVALID`.
   */
  changeMembership(_changes: readonly MembershipChange[], _options?: CallOptions): Promise<ConfState> {
    return todo();
  }

  /**
   * Hands leadership to `to`, or to the most up-to-date voter. Resolves with the new leader.
   * `NOT_LEADER` on a follower; `TIMEOUT` when it did not happen within an election timeout.
   */
  transferLeadership(_to?: NodeId): Promise<NodeId> {
    return todo();
  }

  status(): NodeStatus {
    return todo();
  }

  metrics(): NodeMetrics {
    return todo();
  }

  /** Returns the function that removes the listener. Listeners are called in the node's own turn and must be quick. */
  on<K extends keyof NodeEvents>(_event: K, _listener: NodeListener<K>): () => void {
    return todo();
  }

  /**
   * Idempotent. Rejects what is pending, lets what is being written finish, and closes transport, state
   * machine and storage group (and the engine with `ownEngine`).
   */
  stop(_options?: StopOptions): Promise<void> {
    return todo();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}
