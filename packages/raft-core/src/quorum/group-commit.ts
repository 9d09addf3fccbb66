/**
 * Group commit, raft-rs's rule for clusters that span sites: members are assigned to groups (a data centre, say),
 * and an entry commits only once members of two groups have it, beside the majority that Raft asks for. What
 * is committed then outlives the loss of any one site.
 */
import type { LogIndex, NodeId } from '../types.ts';
import type { JointConfig } from './joint.ts';
import { CommittedInfinity, majority, type AckedIndexer, type MajorityConfig } from './majority.ts';

/** The group of a member; 0 for none. */
export type GroupOf = (id: NodeId) => number;

export interface GroupCommitted {
  readonly index: LogIndex;
  /** Whether `index` was reached by two groups, rather than by a majority or by all. */
  readonly grouped: boolean;
}

interface Acked {
  readonly index: LogIndex;
  readonly group: number;
}

/**
 * What a majority has, and a member of a second group. Where all members are of one group the majority alone
 * decides; where some are of none and no two groups are seen, all must have it.
 */
function majorityGroupCommitted(
  config: MajorityConfig,
  acked: AckedIndexer,
  groupOf: GroupOf,
): GroupCommitted {
  const members: Acked[] = config.ids.map((id) => ({ index: acked(id) ?? 0, group: groupOf(id) }));
  members.sort((a, b) => b.index - a.index);
  const quorum = members[majority(members.length) - 1];
  const last = members.at(-1);
  if (quorum === undefined || last === undefined) return { index: CommittedInfinity, grouped: true };
  let first = quorum.group;
  for (const { index, group } of members) {
    if (group === 0) continue;
    if (first === 0) first = group;
    if (group !== first) return { index: Math.min(index, quorum.index), grouped: true };
  }
  const unassigned = members.some(({ group }) => group === 0);
  return { index: unassigned ? last.index : quorum.index, grouped: false };
}

/** What both halves of `config` have committed. */
export function groupCommitted(config: JointConfig, acked: AckedIndexer, groupOf: GroupOf): GroupCommitted {
  const a = majorityGroupCommitted(config.incoming, acked, groupOf);
  const b = majorityGroupCommitted(config.outgoing, acked, groupOf);
  return { index: Math.min(a.index, b.index), grouped: a.grouped && b.grouped };
}
