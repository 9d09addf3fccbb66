/** The names of messages and states, as logs and transcripts print them. */
import { MessageType } from './message.ts';
import { StateType, type NodeId } from './types.ts';

const messageNames: readonly string[] = Object.keys(MessageType);

/** `MsgApp`, ... */
export function messageTypeName(type: MessageType): string {
  return messageNames[type] ?? `MessageType(${String(type)})`;
}

const stateNames: Readonly<Record<StateType, string>> = {
  [StateType.Follower]: 'StateFollower',
  [StateType.Candidate]: 'StateCandidate',
  [StateType.Leader]: 'StateLeader',
  [StateType.PreCandidate]: 'StatePreCandidate',
};

/** `StateLeader`, ... */
export function stateTypeName(state: StateType): string {
  return stateNames[state];
}

/** A node id as logs print it: hexadecimal. */
export function hex(id: NodeId): string {
  return id.toString(16);
}
