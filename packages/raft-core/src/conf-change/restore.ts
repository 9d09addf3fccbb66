/** Rebuilding a tracker from a stored membership. */
import { ProgressTracker } from '../tracker/tracker.ts';
import {
  ConfChangeType,
  type ConfChangeSingle,
  type ConfState,
  type LogIndex,
  type NodeId,
} from '../types.ts';
import { Changer, type ConfChangeOutcome } from './changer.ts';

function singles(type: ConfChangeType, ids: readonly NodeId[]): ConfChangeSingle[] {
  return ids.map((nodeId) => ({ type, nodeId }));
}

/**
 * Replays, from an empty tracker with the limits of `tracker`, the changes that lead to `confState`: first
 * the old half member by member, then, when joint, the step into the joint configuration. Going through
 * the Changer means that no state is reached which a change could not reach.
 */
export function restoreConf(
  lastIndex: LogIndex,
  tracker: ProgressTracker,
  confState: ConfState,
): ConfChangeOutcome {
  const scratch = new ProgressTracker(tracker);
  const step = (change: (changer: Changer) => ConfChangeOutcome): void => {
    const outcome = change(new Changer({ tracker: scratch, lastIndex }));
    scratch.config = outcome.config;
    scratch.progress = outcome.progress;
  };
  const target = [
    ...singles(ConfChangeType.AddNode, confState.voters),
    ...singles(ConfChangeType.AddLearnerNode, confState.learners),
    ...singles(ConfChangeType.AddLearnerNode, confState.learnersNext),
  ];
  if (confState.votersOutgoing.length === 0) {
    for (const single of target) step((changer) => changer.simple([single]));
  } else {
    for (const single of singles(ConfChangeType.AddNode, confState.votersOutgoing)) {
      step((changer) => changer.simple([single]));
    }
    // Taking the old voters out first lets each end up in exactly the role that the target gives it.
    const changes = [...singles(ConfChangeType.RemoveNode, confState.votersOutgoing), ...target];
    step((changer) => changer.enterJoint(confState.autoLeave, changes));
  }
  return { config: scratch.config, progress: scratch.progress };
}
