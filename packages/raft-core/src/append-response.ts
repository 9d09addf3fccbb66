/** The leader learns what a peer has (paper §5.3), moves its window and the commit index. */
import { ProgressState } from './core.ts';
import type { Message } from './message.ts';
import { hex } from './names.ts';
import { releasePendingReads } from './read-index.ts';
import { broadcastAppend, maybeCommit, sendAllAppends, sendAppend } from './replication.ts';
import { handleSnapshotRequest } from './request-snapshot.ts';
import { sendTimeoutNow } from './transfer.ts';
import type { Raft } from './raft.ts';
import type { Progress } from './tracker/progress.ts';

export function handleAppendResponse(raft: Raft, message: Message, progress: Progress): void {
  progress.recentActive = true;
  if (message.commit > progress.committed) progress.committed = message.commit;
  if (message.requestSnapshot > 0) handleSnapshotRequest(raft, message, progress);
  else if (message.reject) handleRejection(raft, message, progress);
  else handleAcknowledgement(raft, message, progress);
}

/**
 * The peer lacks (logTerm, index), and says up to where its log could match. With the term of its hint the
 * leader skips, in its own log, what cannot match either: a probe then costs a message for each term, not for
 * each entry (paper §5.3).
 */
function handleRejection(raft: Raft, message: Message, progress: Progress): void {
  const from = hex(message.from);
  if (raft.debugOn) {
    const hint = `(index ${String(message.rejectHint)}, term ${String(message.logTerm)})`;
    raft.debug(
      `${raft.name} received MsgAppResp(rejected, hint: ${hint}) from ${from} for index ${String(message.index)}`,
    );
  }
  const probe =
    message.logTerm > 0
      ? raft.log.findConflictByTerm(message.rejectHint, message.logTerm).index
      : message.rejectHint;
  if (!progress.maybeDecrTo(message.index, probe)) return;
  if (raft.debugOn) raft.debug(`${raft.name} decreased progress of ${from} to [${String(progress)}]`);
  if (progress.state === ProgressState.Replicate) progress.becomeProbe();
  sendAppend(raft, message.from);
}

function handleAcknowledgement(raft: Raft, message: Message, progress: Progress): void {
  // An ack that raises match is news. One that only repeats it still proves, to a probe, that the logs agree.
  const news =
    progress.maybeUpdate(message.index) ||
    (progress.match === message.index && progress.state === ProgressState.Probe);
  if (!news) return;
  moveProgress(raft, message, progress);
  const other = message.from !== raft.id;
  if (maybeCommit(raft)) {
    releasePendingReads(raft);
    if (tellsCommit(raft)) broadcastAppend(raft);
  } else if (other && tellsCommit(raft) && progress.canBumpCommit(raft.log.committed)) {
    // The commit index moved while this peer could not be told.
    sendAppend(raft, message.from);
  }
  if (!other) return;
  // The window has room again, possibly for several messages.
  sendAllAppends(raft, message.from);
  if (message.from === raft.leadTransferee && progress.match === raft.log.lastIndex) {
    if (raft.infoOn)
      raft.info(`${raft.name} sent MsgTimeoutNow to ${hex(message.from)} after received MsgAppResp`);
    sendTimeoutNow(raft, message.from);
  }
}

/** A pending membership change must reach all soon: until then they disagree on who the members are. */
function tellsCommit(raft: Raft): boolean {
  return !raft.skipBcastCommit || raft.pendingConfIndex > raft.log.applied;
}

/** Whether a peer that was sent a snapshot has reached the log; one that asked for it has to have taken this very one. */
function reconnects(raft: Raft, progress: Progress): boolean {
  return progress.requestedSnapshot > 0
    ? progress.match >= progress.pendingSnapshot
    : progress.match + 1 >= raft.log.firstIndex;
}

function moveProgress(raft: Raft, message: Message, progress: Progress): void {
  if (progress.state === ProgressState.Probe) {
    progress.becomeReplicate();
  } else if (progress.state === ProgressState.Replicate) {
    progress.inflights.freeLe(message.index);
  } else if (reconnects(raft, progress)) {
    // Whatever snapshot it took, this one or another, the log reaches it again.
    if (raft.debugOn) {
      raft.debug(
        `${raft.name} recovered from needing snapshot, resumed sending replication messages to ${hex(message.from)} [${String(progress)}]`,
      );
    }
    // By way of the probe, so that next starts behind the snapshot if that is still to arrive.
    progress.becomeProbe();
    progress.becomeReplicate();
  }
}
