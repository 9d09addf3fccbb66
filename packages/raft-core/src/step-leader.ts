/** What the leader does on a message of its term. */
import { handleAppendResponse } from './append-response.ts';
import { LogLevel } from './contracts/env.ts';
import { ProgressState } from './core.ts';
import { MessageType, type Message } from './message.ts';
import { hex } from './names.ts';
import { proposeAsLeader } from './proposal.ts';
import { handleReadEcho, handleReadIndex } from './read-index.ts';
import { broadcastHeartbeat, sendAppend } from './replication.ts';
import { handleTransfer } from './transfer.ts';
import type { Handlers } from './handlers.ts';
import type { Raft } from './raft.ts';
import type { Progress } from './tracker/progress.ts';
import { None } from './types.ts';

export const leaderHandlers: Handlers = {
  [MessageType.MsgBeat]: broadcastHeartbeat,
  [MessageType.MsgCheckQuorum]: checkQuorum,
  [MessageType.MsgProp]: (raft, message) => proposeAsLeader(raft, message.entries),
  [MessageType.MsgReadIndex]: handleReadIndex,
  [MessageType.MsgAppResp]: ofMember(handleAppendResponse),
  [MessageType.MsgHeartbeatResp]: ofMember(handleHeartbeatResponse),
  [MessageType.MsgSnapStatus]: ofMember(handleSnapshotStatus),
  [MessageType.MsgUnreachable]: ofMember(handleUnreachable),
  [MessageType.MsgTransferLeader]: ofMember(handleTransfer),
};

type MemberHandler = (raft: Raft, message: Message, progress: Progress) => void;

/** News of a node that is no member any more is of no interest. */
function ofMember(handler: MemberHandler): (raft: Raft, message: Message) => void {
  return (raft, message) => {
    const progress = raft.tracker.of(message.from);
    if (progress !== undefined) handler(raft, message, progress);
    else if (raft.debugOn) raft.debug(`${raft.name} no progress available for ${hex(message.from)}`);
  };
}

/** A leader that hears from no quorum may have been replaced already (thesis §6.2). */
function checkQuorum(raft: Raft): void {
  if (!raft.tracker.quorumActive()) {
    if (raft.logger.enabled(LogLevel.Warn))
      raft.warn(`${raft.name} stepped down to follower since quorum is not active`);
    raft.becomeFollower(raft.term, None);
  }
  raft.tracker.visit((id, progress) => {
    if (id !== raft.id) progress.recentActive = false;
  });
}

function handleHeartbeatResponse(raft: Raft, message: Message, progress: Progress): void {
  progress.recentActive = true;
  progress.msgAppFlowPaused = false;
  if (message.commit > progress.committed) progress.committed = message.commit;
  // A peer that misses entries, or whose match is not known for sure, gets an append, empty if need be: its
  // answer puts things right after losses.
  if (progress.match < raft.log.lastIndex || progress.state === ProgressState.Probe)
    sendAppend(raft, message.from);
  handleReadEcho(raft, message);
}

function handleSnapshotStatus(raft: Raft, message: Message, progress: Progress): void {
  if (progress.state !== ProgressState.Snapshot) return;
  // A failed one is tried again from match + 1, not from behind the snapshot.
  if (message.reject) progress.pendingSnapshot = 0;
  progress.becomeProbe();
  if (raft.debugOn) {
    const verb = message.reject ? 'failed' : 'succeeded';
    raft.debug(
      `${raft.name} snapshot ${verb}, resumed sending replication messages to ${hex(message.from)} [${String(progress)}]`,
    );
  }
  // Sent well: wait for the ack that follows. Failed: wait a heartbeat before the next try.
  progress.msgAppFlowPaused = true;
}

function handleUnreachable(raft: Raft, message: Message, progress: Progress): void {
  // What was sent optimistically is probably lost.
  if (progress.state === ProgressState.Replicate) progress.becomeProbe();
  if (raft.debugOn) {
    raft.debug(
      `${raft.name} failed to send message to ${hex(message.from)} because it is unreachable [${String(progress)}]`,
    );
  }
}
