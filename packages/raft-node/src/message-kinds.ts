/** Which of the messages of a Ready go where. */
import { LocalAppendThread, LocalApplyThread, MessageType, type Message } from '@balsa/raft-core';

/** Of a candidate: it leaves with the write of its own vote. */
export function isVoteRequest({ type }: Message): boolean {
  return type === MessageType.MsgVote;
}

/** For a part of this node. A snapshot is sent by one of them. */
export function isLocal({ to, type }: Message): boolean {
  return to === LocalAppendThread || to === LocalApplyThread || type === MessageType.MsgSnap;
}
