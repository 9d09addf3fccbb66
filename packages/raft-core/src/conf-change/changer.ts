/** Membership arithmetic: from one configuration to the next (thesis §4, etcd's rules). */
import { BalsaError } from '../errors.ts';
import { invariant } from '../invariants.ts';
import { JointConfig } from '../quorum/joint.ts';
import { MajorityConfig } from '../quorum/majority.ts';
import { Inflights } from '../tracker/inflights.ts';
import { Progress } from '../tracker/progress.ts';
import type { ProgressTracker, TrackerConfig } from '../tracker/tracker.ts';
import { ConfChangeType, None, type ConfChangeSingle, type LogIndex, type NodeId } from '../types.ts';

/** The configuration and the members after a change. The tracker that it came from is untouched. */
export interface ConfChangeOutcome {
  readonly config: TrackerConfig;
  readonly progress: ReadonlyMap<NodeId, Progress>;
}

/** A configuration under construction. */
interface Draft {
  readonly incoming: Set<NodeId>;
  outgoing: Set<NodeId>;
  readonly learners: Set<NodeId>;
  readonly learnersNext: Set<NodeId>;
  autoLeave: boolean;
  readonly progress: Map<NodeId, Progress>;
}

export interface ChangerOptions {
  readonly tracker: ProgressTracker;
  /** The last index of the log: where members that join are probed first. */
  readonly lastIndex: LogIndex;
}

function refuse(message: string): never {
  throw new BalsaError('CONF_CHANGE_INVALID', message);
}

/** Computes changes of one tracker's configuration. Throws `CONF_CHANGE_INVALID` for what cannot be done from there. */
export class Changer {
  readonly #tracker: ProgressTracker;
  readonly #lastIndex: LogIndex;

  constructor(options: ChangerOptions) {
    this.#tracker = options.tracker;
    this.#lastIndex = options.lastIndex;
  }

  /**
   * Enters the joint configuration of the present voters and the ones that `changes` lead to. Decisions
   * then need both majorities. Voters that become learners go on voting in the old half until it is left.
   */
  enterJoint(autoLeave: boolean, changes: readonly ConfChangeSingle[]): ConfChangeOutcome {
    const draft = this.#draft();
    if (draft.outgoing.size > 0) refuse('config is already joint');
    // Joint consensus is for changing a cluster, not for starting one: an old half must exist.
    if (draft.incoming.size === 0) refuse("can't make a zero-voter config joint");
    draft.outgoing = new Set(draft.incoming);
    this.#apply(draft, changes);
    draft.autoLeave = autoLeave;
    return finish(draft);
  }

  /** Leaves the joint configuration for its new half. */
  leaveJoint(): ConfChangeOutcome {
    const draft = this.#draft();
    if (draft.outgoing.size === 0) refuse("can't leave a non-joint config");
    for (const id of draft.learnersNext) {
      draft.learners.add(id);
      const progress = draft.progress.get(id);
      if (progress !== undefined) progress.isLearner = true;
    }
    draft.learnersNext.clear();
    for (const id of draft.outgoing) {
      if (!draft.incoming.has(id) && !draft.learners.has(id)) draft.progress.delete(id);
    }
    draft.outgoing = new Set();
    draft.autoLeave = false;
    return finish(draft);
  }

  /** A change of at most one voter, after which any two majorities still overlap (thesis §4.1). */
  simple(changes: readonly ConfChangeSingle[]): ConfChangeOutcome {
    const draft = this.#draft();
    if (draft.outgoing.size > 0) refuse("can't apply simple config change in joint config");
    this.#apply(draft, changes);
    if (countDifferences(this.#tracker.config.voters.incoming, draft.incoming) > 1) {
      refuse('more than one voter changed without entering joint config');
    }
    return finish(draft);
  }

  #draft(): Draft {
    const { config, progress } = this.#tracker;
    const copies = new Map<NodeId, Progress>();
    for (const [id, pr] of progress) copies.set(id, pr.cloneShallow());
    const draft: Draft = {
      incoming: new Set(config.voters.incoming.ids),
      outgoing: new Set(config.voters.outgoing.ids),
      learners: new Set(config.learners),
      learnersNext: new Set(config.learnersNext),
      autoLeave: config.autoLeave,
      progress: copies,
    };
    checkInvariants(draft);
    return draft;
  }

  #apply(draft: Draft, changes: readonly ConfChangeSingle[]): void {
    for (const { type, nodeId } of changes) {
      // The application refuses a change by setting its id to 0 when it is applied.
      if (nodeId === None) continue;
      switch (type) {
        case ConfChangeType.AddNode:
          this.#makeVoter(draft, nodeId);
          break;
        case ConfChangeType.AddLearnerNode:
          this.#makeLearner(draft, nodeId);
          break;
        case ConfChangeType.RemoveNode:
          remove(draft, nodeId);
          break;
        case ConfChangeType.UpdateNode:
          break;
        default:
          // Only from a caller without types: silence would make members disagree.
          refuse(`unexpected conf type ${String(type satisfies never)}`);
      }
    }
    if (draft.incoming.size === 0) refuse('removed all voters');
  }

  #makeVoter(draft: Draft, id: NodeId): void {
    const progress = draft.progress.get(id);
    if (progress === undefined) {
      this.#join(draft, id, false);
    } else {
      progress.isLearner = false;
      draft.learners.delete(id);
      draft.learnersNext.delete(id);
    }
    draft.incoming.add(id);
  }

  /** A voter of the old half cannot be a learner yet: it is remembered in `learnersNext`. */
  #makeLearner(draft: Draft, id: NodeId): void {
    const progress = draft.progress.get(id);
    if (progress === undefined) {
      this.#join(draft, id, true);
      draft.learners.add(id);
      return;
    }
    if (progress.isLearner) return;
    remove(draft, id);
    draft.progress.set(id, progress);
    if (draft.outgoing.has(id)) {
      draft.learnersNext.add(id);
    } else {
      progress.isLearner = true;
      draft.learners.add(id);
    }
  }

  /**
   * A member that joins counts as recently active, so that a leader with `checkQuorum` does not step down
   * before it could have heard of it.
   */
  #join(draft: Draft, id: NodeId, isLearner: boolean): void {
    const { maxInflight, maxInflightBytes } = this.#tracker;
    draft.progress.set(
      id,
      new Progress({
        // Probing from the end of the log finds a member that has everything at once; `next` is at least 1.
        next: Math.max(this.#lastIndex, 1),
        inflights: new Inflights(maxInflight, maxInflightBytes),
        isLearner,
        recentActive: true,
      }),
    );
  }
}

/** Removing an absent member is fine. A voter of the old half stays tracked until that half is left. */
function remove(draft: Draft, id: NodeId): void {
  if (!draft.progress.has(id)) return;
  draft.incoming.delete(id);
  draft.learners.delete(id);
  draft.learnersNext.delete(id);
  if (!draft.outgoing.has(id)) draft.progress.delete(id);
}

function countDifferences(before: MajorityConfig, after: ReadonlySet<NodeId>): number {
  let count = 0;
  for (const id of before.ids) if (!after.has(id)) count++;
  for (const id of after) if (!before.has(id)) count++;
  return count;
}

function finish(draft: Draft): ConfChangeOutcome {
  checkInvariants(draft);
  return {
    config: {
      voters: new JointConfig(new MajorityConfig(draft.incoming), new MajorityConfig(draft.outgoing)),
      learners: draft.learners,
      learnersNext: draft.learnersNext,
      autoLeave: draft.autoLeave,
    },
    progress: draft.progress,
  };
}

/** What holds for every configuration, checked before and after each change. */
function checkInvariants(draft: Draft): void {
  const voter = (id: NodeId): boolean => draft.incoming.has(id) || draft.outgoing.has(id);
  for (const set of [draft.incoming, draft.outgoing, draft.learners, draft.learnersNext]) {
    for (const id of set)
      invariant(draft.progress.has(id), 'conf change: every member has a progress', () => String(id));
  }
  for (const id of draft.learnersNext) {
    invariant(draft.outgoing.has(id), 'conf change: a next learner votes in the outgoing half', () =>
      String(id),
    );
    invariant(
      draft.progress.get(id)?.isLearner === false,
      'conf change: a next learner is no learner yet',
      () => String(id),
    );
  }
  for (const id of draft.learners) {
    invariant(!voter(id), 'conf change: learners do not vote', () => String(id));
    invariant(draft.progress.get(id)?.isLearner === true, 'conf change: learners are marked so', () =>
      String(id),
    );
  }
  if (draft.outgoing.size === 0) {
    invariant(draft.learnersNext.size === 0, 'conf change: next learners exist only in a joint config');
    invariant(!draft.autoLeave, 'conf change: auto leave is set only in a joint config');
  }
}
