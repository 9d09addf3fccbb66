/** What a follower does with its leader's log: appends, heartbeats, snapshots (paper §5.3 and §7). */
import { restoreConf } from './conf-change/restore.ts';
import { appendAck, Message, MessageType } from './message.ts';
import { hex } from './names.ts';
import { appendWhileRequesting, sendSnapshotRequest } from './request-snapshot.ts';
import { switchToConfig } from './membership.ts';
import type { Raft } from './raft.ts';
import { ProgressTracker } from './tracker/tracker.ts';
import { None, StateType, type LogIndex, type NodeId, type Snapshot } from './types.ts';

export function handleAppendEntries(raft: Raft, message: Message): void {
  const { log } = raft;
  if (raft.requestedSnapshot > 0) {
    appendWhileRequesting(raft, message);
    return;
  }
  if (message.index < log.committed) {
    // What is committed agrees with every leader's log: the leader can go on from there.
    acknowledge(raft, message.from, log.committed);
    return;
  }
  const last = log.maybeAppend(message.logTerm, message.index, message.entries, message.commit);
  if (last !== undefined) {
    acknowledge(raft, message.from, last);
    return;
  }
  if (raft.debugOn) {
    const ours = `[logterm: ${String(log.term(message.index) ?? 0)}, index: ${String(message.index)}]`;
    const theirs = `[logterm: ${String(message.logTerm)}, index: ${String(message.index)}]`;
    raft.debug(`${raft.name} ${ours} rejected MsgApp ${theirs} from ${hex(message.from)}`);
  }
  // The hint skips all entries that cannot match: those of higher terms than the leader has there (paper §5.3).
  const hint = log.findConflictByTerm(Math.min(message.index, log.lastIndex), message.logTerm);
  raft.send(
    new Message(MessageType.MsgAppResp, {
      to: message.from,
      index: message.index,
      reject: true,
      rejectHint: hint.index,
      logTerm: hint.term,
    }),
  );
}

function acknowledge(raft: Raft, to: NodeId, index: LogIndex): void {
  const ack = appendAck(to, index);
  ack.commit = reportedCommit(raft);
  raft.send(ack);
}

/** See `RaftConfig.reportCommitIndex`. */
function reportedCommit(raft: Raft): LogIndex {
  return raft.config.reportCommitIndex ? raft.log.committed : 0;
}

export function handleHeartbeat(raft: Raft, message: Message): void {
  raft.log.commitTo(message.commit);
  const { from, context } = message;
  raft.send(new Message(MessageType.MsgHeartbeatResp, { to: from, context, commit: reportedCommit(raft) }));
  if (raft.requestedSnapshot > 0) sendSnapshotRequest(raft);
}

export function handleSnapshot(raft: Raft, message: Message): void {
  const { snapshot } = message;
  if (snapshot === undefined) return;
  const restored = restore(raft, snapshot);
  if (raft.infoOn) {
    const what = `[index: ${String(snapshot.metadata.index)}, term: ${String(snapshot.metadata.term)}]`;
    const verb = restored ? 'restored' : 'ignored';
    raft.info(`${raft.name} [commit: ${String(raft.log.committed)}] ${verb} snapshot ${what}`);
  }
  const index = restored ? raft.log.lastIndex : raft.log.committed;
  acknowledge(raft, message.from, index);
}

/** Replaces the log by the snapshot. False when it is not needed or not for this member. */
function restore(raft: Raft, snapshot: Snapshot): boolean {
  const { log } = raft;
  const { index, term, confState } = snapshot.metadata;
  // One that was asked for is taken though the log has all that it covers.
  const requested = raft.requestedSnapshot > 0 && index >= raft.requestedSnapshot;
  if (index < log.committed || (index === log.committed && !requested)) return false;
  if (raft.state !== StateType.Follower) {
    // Cannot happen: the sender is a leader of this term, and this member follows it.
    raft.warn(`${raft.name} attempted to restore snapshot as leader; should never happen`);
    raft.becomeFollower(raft.term + 1, None);
    return false;
  }
  const listed = [confState.voters, confState.learners, confState.votersOutgoing];
  if (!listed.some((ids) => ids.includes(raft.id))) {
    raft.warn(
      `${raft.name} attempted to restore snapshot at ${String(index)} but it is not in its ConfState; should never happen`,
    );
    return false;
  }
  const position = `[index: ${String(index)}, term: ${String(term)}]`;
  if (!requested && log.matchTerm(term, index)) {
    // The log has it all: only the commit index is news.
    if (raft.infoOn)
      raft.info(`${raft.name} ${describeLog(raft)} fast-forwarded commit to snapshot ${position}`);
    log.commitTo(index);
    return false;
  }
  raft.requestedSnapshot = 0;
  log.restore(snapshot);
  raft.fetches.forgetApply();
  raft.tracker = new ProgressTracker(raft.tracker);
  switchToConfig(raft, restoreConf(log.lastIndex, raft.tracker, confState));
  if (raft.infoOn) raft.info(`${raft.name} ${describeLog(raft)} restored snapshot ${position}`);
  return true;
}

function describeLog(raft: Raft): string {
  const { committed, lastIndex, lastTerm } = raft.log;
  return `[commit: ${String(committed)}, lastindex: ${String(lastIndex)}, lastterm: ${String(lastTerm)}]`;
}
