/** Handing leadership to another voter (thesis §3.10). */
import { Message, MessageType } from './message.ts';
import { hex } from './names.ts';
import { sendAppend } from './replication.ts';
import type { Raft } from './raft.ts';
import { None, type NodeId } from './types.ts';

/** A request to hand over to the sender of `message`. */
export function handleTransfer(raft: Raft, message: Message): void {
  const target = message.from;
  const progress = raft.tracker.progress.get(target);
  if (progress === undefined) return;
  if (progress.isLearner) {
    if (raft.debugOn) raft.debug(`${raft.name} is learner. Ignored transferring leadership`);
    return;
  }
  const before = raft.leadTransferee;
  const at = `${raft.name} [term ${String(raft.term)}]`;
  if (before === target) {
    if (raft.infoOn) {
      raft.info(
        `${at} transfer leadership to ${hex(target)} is in progress, ignores request to same node ${hex(target)}`,
      );
    }
    return;
  }
  if (before !== None) {
    raft.leadTransferee = None;
    if (raft.infoOn) raft.info(`${at} abort previous transferring leadership to ${hex(before)}`);
  }
  if (target === raft.id) {
    if (raft.debugOn) raft.debug(`${raft.name} is already leader. Ignored transferring leadership to self`);
    return;
  }
  if (raft.infoOn) raft.info(`${at} starts to transfer leadership to ${hex(target)}`);
  // It must be done within an election timeout; the clock starts now.
  raft.electionElapsed = 0;
  raft.leadTransferee = target;
  if (progress.match === raft.log.lastIndex) {
    sendTimeoutNow(raft, target);
    if (raft.infoOn) {
      raft.info(
        `${raft.name} sends MsgTimeoutNow to ${hex(target)} immediately as ${hex(target)} already has up-to-date log`,
      );
    }
  } else {
    sendAppend(raft, target);
  }
}

export function sendTimeoutNow(raft: Raft, to: NodeId): void {
  raft.lease.break();
  raft.send(new Message(MessageType.MsgTimeoutNow, { to }));
}
