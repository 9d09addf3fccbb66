/** Reading membership changes: what kind of step they ask for, and their short text form. */
import { BalsaError } from '../errors.ts';
import {
  ConfChangeTransition,
  ConfChangeType,
  type ConfChange,
  type ConfChangeSingle,
  type ConfChangeV2,
} from '../types.ts';

/** The one form that the core works with. */
export function asV2(change: ConfChange): ConfChangeV2 {
  if (change.version === 2) return change;
  return {
    version: 2,
    transition: ConfChangeTransition.Auto,
    changes: [{ type: change.type, nodeId: change.nodeId }],
    context: change.context,
  };
}

/** Whether the change asks to leave a joint configuration: it is empty but for its context (thesis §4.3). */
export function leaveJoint(change: ConfChangeV2): boolean {
  return change.transition === ConfChangeTransition.Auto && change.changes.length === 0;
}

/**
 * How the change enters a joint configuration; undefined when it is a simple one. Joint consensus is used
 * when it was asked for, and when more than one member changes: steps of several members at once could
 * let two majorities decide apart (thesis §4.1).
 */
export function enterJoint(
  change: ConfChangeV2,
): { readonly autoLeave: boolean; readonly joint: true } | undefined {
  if (change.transition === ConfChangeTransition.Auto && change.changes.length <= 1) return undefined;
  return { autoLeave: change.transition !== ConfChangeTransition.Explicit, joint: true };
}

const letters: readonly (readonly [string, ConfChangeType])[] = [
  ['v', ConfChangeType.AddNode],
  ['r', ConfChangeType.RemoveNode],
  ['u', ConfChangeType.UpdateNode],
  ['l', ConfChangeType.AddLearnerNode],
];

/** Reads `v1 l2 r3 u4`: voter 1, learner 2, remove 3, update 4; ids in decimal. */
export function parseConfChanges(text: string): ConfChangeSingle[] {
  return text
    .split(/\s+/)
    .filter((token) => token !== '')
    .map((token) => {
      const type = letters.find(([letter]) => letter === token[0])?.[1];
      const nodeId = /^[0-9]+$/.test(token.slice(1)) ? Number(token.slice(1)) : NaN;
      if (type === undefined || !Number.isSafeInteger(nodeId)) {
        throw new BalsaError(
          'INVALID_ARGUMENT',
          `membership change must look like v1, l2, r3 or u4, but is '${token}'`,
        );
      }
      return { type, nodeId };
    });
}

/** The inverse of `parseConfChanges`. */
export function formatConfChanges(changes: readonly ConfChangeSingle[]): string {
  return changes
    .map(
      (change) => `${letters.find(([, type]) => type === change.type)?.[0] ?? '?'}${String(change.nodeId)}`,
    )
    .join(' ');
}
