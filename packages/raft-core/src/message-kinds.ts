/** What kind of message a type is: who may send it, and what answers it. */
import { BalsaError } from './errors.ts';
import { LocalAppendThread, LocalApplyThread, MessageType } from './message.ts';
import type { NodeId } from './types.ts';

function setOf(...types: MessageType[]): readonly boolean[] {
  const set: boolean[] = [];
  for (let type = 0; type <= MessageType.MsgForgetLeader; type++)
    set.push((types as number[]).includes(type));
  return set;
}

const localTypes = setOf(
  MessageType.MsgHup,
  MessageType.MsgBeat,
  MessageType.MsgUnreachable,
  MessageType.MsgSnapStatus,
  MessageType.MsgCheckQuorum,
  MessageType.MsgForgetLeader,
  MessageType.MsgStorageAppend,
  MessageType.MsgStorageAppendResp,
  MessageType.MsgStorageApply,
  MessageType.MsgStorageApplyResp,
);

const responseTypes = setOf(
  MessageType.MsgAppResp,
  MessageType.MsgVoteResp,
  MessageType.MsgHeartbeatResp,
  MessageType.MsgReadIndexResp,
  MessageType.MsgPreVoteResp,
);

const storageResponseTypes = setOf(MessageType.MsgStorageAppendResp, MessageType.MsgStorageApplyResp);

/** Whether messages of this type are never sent from one member to another. */
export function isLocalMsg(type: MessageType): boolean {
  return localTypes[type] === true;
}

/** Whether only members send messages of this type, as answers. */
export function isMemberResponse(type: MessageType): boolean {
  return responseTypes[type] === true;
}

/** Whether messages of this type answer others, of members or of storage threads. */
export function isResponseMsg(type: MessageType): boolean {
  return responseTypes[type] === true || storageResponseTypes[type] === true;
}

/** Whether `id` is that of a storage thread of this node rather than of a member. */
export function isLocalMsgTarget(id: NodeId): boolean {
  return id === LocalAppendThread || id === LocalApplyThread;
}

/** The type that answers a vote request. Throws `INVALID_ARGUMENT` for any other type. */
export function voteRespMsgType(type: MessageType): MessageType {
  if (type === MessageType.MsgVote) return MessageType.MsgVoteResp;
  if (type === MessageType.MsgPreVote) return MessageType.MsgPreVoteResp;
  throw new BalsaError('INVALID_ARGUMENT', `message type ${String(type)} is not a vote request`);
}
