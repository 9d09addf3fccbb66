import type { ConfState, LogIndex, NodeId } from '@balsa/raft-core';
import type { CallOptions, Member, NodeMetrics, NodeStatus } from '@balsa/raft-node';
import type { Reply } from './resp/reply.ts';

/** What applying a command gives: the reply to the client who sent it. */
export type KvResult = Reply;

/**
 * What the service needs of a node; `RaftNode<KvResult>` has it. Kept this narrow so that the service can
 * be tried on a log of one's own.
 */
export interface ReplicatedLog {
  /** See `RaftNode.propose`. Calls made one after another enter the log in that order. */
  propose(data: Uint8Array, options?: CallOptions): Promise<KvResult>;
  /** See `RaftNode.read`. */
  read(options?: CallOptions): Promise<LogIndex>;
  status(): NodeStatus;
  metrics(): NodeMetrics;
  addLearner(member: Member, options?: CallOptions): Promise<ConfState>;
  promote(id: NodeId, options?: CallOptions): Promise<ConfState>;
  removeMember(id: NodeId, options?: CallOptions): Promise<ConfState>;
  transferLeadership(to?: NodeId): Promise<NodeId>;
}
