/** What a node says about itself. */
import type { ConfState, LogIndex, NodeId, StateType, Term } from '@balsa/raft-core';

export type NodeRole = 'follower' | 'candidate' | 'leader' | 'preCandidate';

export interface MemberStatus {
  readonly id: NodeId;
  /** Empty when this node does not know it. */
  readonly address: string;
  readonly kind: 'voter' | 'learner';
}

export interface PeerStatus {
  readonly id: NodeId;
  readonly match: LogIndex;
  readonly next: LogIndex;
  readonly state: 'probe' | 'replicate' | 'snapshot';
  readonly learner: boolean;
  readonly recentActive: boolean;
  readonly paused: boolean;
  /** Entries of the leader's log that the peer is not known to have. */
  readonly lag: number;
}

/** One snapshot on its way: being made here, sent, received, or restored into the state machine. */
export interface SnapshotProgress {
  readonly phase: 'creating' | 'sending' | 'receiving' | 'restoring';
  /** The other side; this node itself while creating or restoring. */
  readonly peer: NodeId;
  readonly index: LogIndex;
  readonly chunks: number;
  /** 0 while it is not known (creating). */
  readonly totalChunks: number;
  readonly state: 'running' | 'done' | 'failed';
  /** Why, when failed. */
  readonly reason?: string;
}

export interface NodeStatus {
  readonly id: NodeId;
  readonly group: string;
  readonly clusterId: string;
  readonly role: NodeRole;
  /** Whether this node is a learner: it follows and never votes. */
  readonly learner: boolean;
  readonly term: Term;
  readonly vote: NodeId;
  /** Undefined when none is known. */
  readonly leader: NodeId | undefined;
  readonly leaderAddress: string | undefined;
  readonly commit: LogIndex;
  /** Applied to the state machine of this node. */
  readonly applied: LogIndex;
  readonly firstIndex: LogIndex;
  readonly lastIndex: LogIndex;
  /** What this node counts votes by. */
  readonly confState: ConfState;
  /**
   * As its disk has it: the change of a membership counts as soon as it is applied, and shows here once a restart cannot
   * forget it.
   */
  readonly members: readonly MemberStatus[];
  /** Peers that the transport has a connection to. */
  readonly connectedPeers: readonly NodeId[];
  /** Leader only, else empty. */
  readonly progress: readonly PeerStatus[];
  /** As of the last look at the store, at most a few seconds old. */
  readonly log: { readonly entries: number; readonly bytes: number; readonly garbageBytes: number };
  readonly snapshots: { readonly count: number; readonly bytes: number };
  readonly snapshotProgress: readonly SnapshotProgress[];
  readonly pending: {
    readonly proposals: number;
    readonly proposalBytes: number;
    readonly reads: number;
    readonly writes: number;
    readonly applies: number;
  };
  /** Whether this node can serve: it runs, knows a leader and has restored what it must. `reason` is empty when ok. */
  readonly ready: { readonly ok: boolean; readonly reason: string };
}

const roles: readonly NodeRole[] = ['follower', 'candidate', 'leader', 'preCandidate'];

/** The word for a state of the core. */
export function roleOf(state: StateType): NodeRole {
  return roles[state] ?? 'follower';
}
