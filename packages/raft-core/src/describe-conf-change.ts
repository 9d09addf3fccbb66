/** A membership change in one line of log, in the text format of protobuf. */
import {
  ConfChangeTransition,
  ConfChangeType,
  None,
  type ConfChange,
  type ConfChangeSingle,
} from './types.ts';

const typeNames: Readonly<Record<ConfChangeType, string>> = {
  [ConfChangeType.AddNode]: 'ConfChangeAddNode',
  [ConfChangeType.RemoveNode]: 'ConfChangeRemoveNode',
  [ConfChangeType.UpdateNode]: 'ConfChangeUpdateNode',
  [ConfChangeType.AddLearnerNode]: 'ConfChangeAddLearnerNode',
};

const transitionNames: Readonly<Record<ConfChangeTransition, string>> = {
  [ConfChangeTransition.Auto]: 'ConfChangeTransitionAuto',
  [ConfChangeTransition.Implicit]: 'ConfChangeTransitionJointImplicit',
  [ConfChangeTransition.Explicit]: 'ConfChangeTransitionJointExplicit',
};

function describeSingle(change: ConfChangeSingle): string {
  const node = change.nodeId === None ? '' : ` node_id:${String(change.nodeId)}`;
  return `type:${typeNames[change.type]}${node}`;
}

/** `transition:ConfChangeTransitionAuto changes:{type:ConfChangeAddNode node_id:3}`. Contexts are left out. */
export function describeConfChange(change: ConfChange): string {
  if (change.version === 1)
    return `${change.id === 0 ? '' : `id:${String(change.id)} `}${describeSingle(change)}`;
  const changes = change.changes.map((single) => ` changes:{${describeSingle(single)}}`).join('');
  return `transition:${transitionNames[change.transition]}${changes}`;
}
