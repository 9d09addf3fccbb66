/** Status and gauges of a running node, gathered from its parts. */
import type { PeerProgress } from '@balsa/raft-core';
import { allIds, isRemoved, membersOf } from './membership.ts';
import type { NodeMetrics } from './metrics.ts';
import type { Runtime } from './runtime.ts';
import { roleOf, type NodeStatus, type PeerStatus } from './status.ts';

const progressStates = ['probe', 'replicate', 'snapshot'] as const;

export function statusOf<R>(runtime: Runtime<R>, connectedPeers: readonly number[]): NodeStatus {
  const { core, settings, book, compactor, proposals, reads, queue, apply, history } = runtime;
  const status = core.status();
  const recorded = history.confState?.state ?? status.confState;
  const stats = compactor.stats;
  return {
    id: settings.id,
    group: settings.group,
    clusterId: runtime.identity.clusterId,
    role: roleOf(status.state),
    learner: status.confState.learners.includes(settings.id),
    term: status.term,
    vote: status.vote,
    leader: status.leader === 0 ? undefined : status.leader,
    leaderAddress: status.leader === 0 ? undefined : book.address(status.leader),
    commit: status.commit,
    applied: history.applied,
    firstIndex: compactor.firstIndex,
    lastIndex: status.lastIndex,
    confState: status.confState,
    members: membersOf(recorded, book),
    connectedPeers,
    progress: status.progress.map((peer) => peerStatus(peer, status.lastIndex)),
    log: {
      entries: status.lastIndex - compactor.firstIndex + 1,
      bytes: stats.logBytes,
      garbageBytes: stats.garbageBytes,
    },
    snapshots: { count: stats.snapshotCount, bytes: stats.snapshotBytes },
    snapshotProgress: runtime.snapshots.progress,
    pending: {
      proposals: proposals.pending,
      proposalBytes: proposals.pendingBytes,
      reads: reads.pending,
      writes: queue.length,
      applies: apply.length,
    },
    ready: readiness(runtime),
  };
}

export function metricsOf<R>(runtime: Runtime<R>, connectedPeers: number): NodeMetrics {
  const { core, compactor, proposals, reads, history } = runtime;
  return runtime.metrics.snapshot({
    term: core.term,
    isLeader: core.leader === runtime.settings.id ? 1 : 0,
    hasLeader: core.leader === 0 ? 0 : 1,
    commitIndex: core.committed,
    appliedIndex: history.applied,
    firstIndex: compactor.firstIndex,
    lastIndex: core.lastIndex,
    pendingProposals: proposals.pending,
    pendingProposalBytes: proposals.pendingBytes,
    pendingReads: reads.pending,
    logBytes: compactor.stats.logBytes,
    snapshotBytes: compactor.stats.snapshotBytes,
    connectedPeers,
  });
}

function peerStatus(peer: PeerProgress, lastIndex: number): PeerStatus {
  return {
    id: peer.id,
    match: peer.match,
    next: peer.next,
    state: progressStates[peer.state],
    learner: peer.learner,
    recentActive: peer.recentActive,
    paused: peer.paused,
    lag: Math.max(0, lastIndex - peer.match),
  };
}

function readiness<R>(runtime: Runtime<R>): NodeStatus['ready'] {
  const no = (reason: string): NodeStatus['ready'] => ({ ok: false, reason });
  if (!runtime.running) return no('the node is stopped');
  if (runtime.snapshots.installer.restoring !== undefined) return no('a snapshot is being restored');
  const { confState } = runtime.core.status();
  const { id } = runtime.settings;
  if (isRemoved(confState, id, runtime.book)) return no('the node was removed from the cluster');
  if (!allIds(confState).has(id)) return no('the node waits to be added to the cluster');
  if (runtime.core.leader === 0) return no('no leader is known');
  return { ok: true, reason: '' };
}
