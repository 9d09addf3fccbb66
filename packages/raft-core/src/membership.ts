/** Taking on a membership: when a change is applied, when a snapshot is restored, at start (thesis §4). */
import { enterJoint, leaveJoint } from './conf-change/conf-change.ts';
import { Changer, type ConfChangeOutcome } from './conf-change/changer.ts';
import { None, StateType, type ConfChangeV2, type ConfState } from './types.ts';
import { releaseConfirmedReads, releasePendingReads } from './read-index.ts';
import { broadcastAppend, maybeCommit, maybeSendAppend } from './replication.ts';
import { traceApplyConfChange } from './trace.ts';
import { formatTrackerConfig } from './tracker/tracker.ts';
import type { Raft } from './raft.ts';

/** What `change` would lead to from the present membership. Throws `CONF_CHANGE_INVALID`; changes nothing. */
export function planConfChange(raft: Raft, change: ConfChangeV2): ConfChangeOutcome {
  const changer = new Changer({ tracker: raft.tracker, lastIndex: raft.log.lastIndex });
  if (leaveJoint(change)) return changer.leaveJoint();
  const joint = enterJoint(change);
  return joint === undefined
    ? changer.simple(change.changes)
    : changer.enterJoint(joint.autoLeave, change.changes);
}

/**
 * A committed change takes effect. Throws `CONF_CHANGE_INVALID`, with nothing changed. Nothing is handed out to be
 * applied while a received snapshot waits to be installed, so a change that comes then was handed out before: the
 * snapshot, whose membership counts already, has overtaken it.
 */
export function applyConfChange(raft: Raft, change: ConfChangeV2): ConfState {
  if (raft.log.unstable.snapshot !== undefined) return raft.tracker.confState();
  return switchToConfig(raft, planConfChange(raft, change));
}

/** The new membership counts from here on. */
export function switchToConfig(raft: Raft, outcome: ConfChangeOutcome): ConfState {
  const { tracker } = raft;
  for (const id of tracker.progress.keys()) if (!outcome.progress.has(id)) raft.fetches.forgetPeer(id);
  traceApplyConfChange(raft, outcome.config.voters.incoming.ids);
  tracker.config = outcome.config;
  tracker.progress = outcome.progress;
  if (raft.infoOn) raft.info(`${raft.name} switched to configuration ${formatTrackerConfig(tracker.config)}`);
  const confState = tracker.confState();
  const self = tracker.progress.get(raft.id);
  raft.isLearner = self?.isLearner ?? false;
  if ((self === undefined || self.isLearner) && raft.state === StateType.Leader) {
    // A leader that is removed or demoted has done its part once the change is committed (thesis §4.2.2).
    if (raft.config.stepDownOnRemoval) raft.becomeFollower(raft.term, None);
    return confState;
  }
  if (raft.state !== StateType.Leader || confState.voters.length === 0) return confState;
  if (maybeCommit(raft)) {
    // A smaller quorum may have committed more.
    releasePendingReads(raft);
    broadcastAppend(raft);
  } else {
    // New members are probed at once rather than at the next heartbeat.
    tracker.visit((id) => {
      if (id !== raft.id) maybeSendAppend(raft, id, false);
    });
  }
  if (raft.leadTransferee !== None && !tracker.config.voters.has(raft.leadTransferee))
    raft.leadTransferee = None;
  // A smaller quorum may have confirmed reads that nobody is left to confirm by another echo.
  releaseConfirmedReads(raft);
  return confState;
}
