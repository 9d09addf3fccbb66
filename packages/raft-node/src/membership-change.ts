/** Membership changes as a caller gives them. */
import { assertSafeInteger, BalsaError, ConfChangeType, type NodeId } from '@balsa/raft-core';
import { checkFields, describeValue } from './check-options.ts';
import { memberKinds } from './options.ts';

/** One step of a membership change. An address is needed for a node that is new to the cluster. */
export interface MembershipChange {
  readonly type: 'addVoter' | 'addLearner' | 'remove';
  readonly id: NodeId;
  readonly address?: string;
}

export const changeTypes: Readonly<Record<MembershipChange['type'], ConfChangeType>> = {
  addVoter: ConfChangeType.AddNode,
  addLearner: ConfChangeType.AddLearnerNode,
  remove: ConfChangeType.RemoveNode,
};

/** Throws `INVALID_ARGUMENT` or `OUT_OF_RANGE`: what is no change would go into the log as another one, or as none. */
export function checkChanges(changes: readonly MembershipChange[]): void {
  if (!Array.isArray(changes)) refuse(`has to be a list of changes, but is ${describeValue(changes)}`);
  for (const change of changes as readonly MembershipChange[]) {
    checkFields('changes[]', change, { type: 'string', ...memberKinds }, 'INVALID_ARGUMENT');
    const { type, id } = change;
    if (!Object.hasOwn(changeTypes, type))
      refuse(`is ${Object.keys(changeTypes).join(', ')}, and not ${describeValue(type)}`);
    assertSafeInteger(id, 'the id of a member', 1);
  }
}

function refuse(why: string): never {
  throw new BalsaError('INVALID_ARGUMENT', `a change of the membership ${why}`);
}
