/** A picture of a member for people and metrics. */
import { progressStateName } from './tracker/progress.ts';
import type { BasicStatus, PeerProgress, Status } from './core.ts';
import { hex, stateTypeName } from './names.ts';
import type { Raft } from './raft.ts';
import { StateType } from './types.ts';

/** What does not grow with the membership. */
export function basicStatusOf(raft: Raft): BasicStatus {
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
  };
}

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
  return { ...basicStatusOf(raft), confState: raft.tracker.confState(), progress };
}

/** As JSON with etcd's keys: ids in hexadecimal, states by name, `progress` by id. */
export function statusToJson(status: Status): string {
  const progress = status.progress.map((peer) => [
    hex(peer.id),
    { match: peer.match, next: peer.next, state: progressStateName(peer.state) },
  ]);
  return JSON.stringify({
    id: hex(status.id),
    term: status.term,
    vote: hex(status.vote),
    commit: status.commit,
    lead: hex(status.leader),
    raftState: stateTypeName(status.state),
    applied: status.applied,
    progress: Object.fromEntries(progress) as unknown,
    leadtransferee: hex(status.leadTransferee),
  });
}
