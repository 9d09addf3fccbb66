/** A picture of a member for people and metrics. */
import type { PeerProgress, Status } from './core.ts';
import type { Raft } from './raft.ts';
import { StateType } from './types.ts';

export function statusOf(raft: Raft): Status {
  const progress: PeerProgress[] = [];
  if (raft.state === StateType.Leader) {
    raft.tracker.visit((id, pr) => {
      progress.push({
        id,
        match: pr.match,
        next: pr.next,
        state: pr.state,
        learner: pr.isLearner,
        recentActive: pr.recentActive,
        paused: pr.isPaused(),
        pendingSnapshot: pr.pendingSnapshot,
        inflightMessages: pr.inflights.count,
        committed: pr.committed,
      });
    });
  }
  return {
    id: raft.id,
    term: raft.term,
    vote: raft.vote,
    leader: raft.leader,
    state: raft.state,
    commit: raft.log.committed,
    applied: raft.log.applied,
    firstIndex: raft.log.firstIndex,
    lastIndex: raft.log.lastIndex,
    leadTransferee: raft.leadTransferee,
    confState: raft.tracker.confState(),
    progress,
  };
}
