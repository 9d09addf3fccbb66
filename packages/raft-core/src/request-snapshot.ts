/**
 * raft-rs's request for a snapshot: a follower whose state machine cannot be trusted any more asks its leader
 * for a snapshot, though its log lacks nothing.
 *
 * The snapshot must lie at or above the last entry that the follower has, so that installing it takes away
 * nothing that it acknowledged. Until it comes the follower appends nothing: its commit index would overtake it.
 * The request is of one term, because the next leader's log need not reach that far; it does not survive a restart.
 */
import { ProgressState } from './core.ts';
import { BalsaError } from './errors.ts';
import { Message, MessageType } from './message.ts';
import { sendAppend } from './replication.ts';
import type { Raft } from './raft.ts';
import type { Progress } from './tracker/progress.ts';
import { None, StateType } from './types.ts';

function dropped(why: string): never {
  throw new BalsaError('REQUEST_SNAPSHOT_DROPPED', `a snapshot cannot be asked for now: ${why}`);
}

/** Follower: asks. Throws `REQUEST_SNAPSHOT_DROPPED`. */
export function requestSnapshot(raft: Raft): void {
  const { log } = raft;
  if (raft.state === StateType.Leader) dropped('this node leads');
  if (raft.leader === None) dropped(`there is no leader at term ${String(raft.term)}`);
  if (log.unstable.snapshot !== undefined)
    dropped(`one at ${String(log.unstable.snapshot.metadata.index)} is being installed`);
  if (raft.requestedSnapshot > 0)
    dropped(`one at ${String(raft.requestedSnapshot)} or above was asked for already`);
  // An entry of this term is in the leader's log for certain.
  if (log.lastTerm !== raft.term)
    dropped(`the last entry is of term ${String(log.lastTerm)}, not of ${String(raft.term)}`);
  raft.requestedSnapshot = log.lastIndex;
  sendSnapshotRequest(raft);
}

/** Repeated with every word from the leader: a request, or the snapshot, may have been lost. */
export function sendSnapshotRequest(raft: Raft): void {
  if (raft.leader === None) return;
  const { committed, lastIndex, lastTerm } = raft.log;
  raft.send(
    new Message(MessageType.MsgAppResp, {
      to: raft.leader,
      index: committed,
      reject: true,
      rejectHint: lastIndex,
      logTerm: lastTerm,
      requestSnapshot: raft.requestedSnapshot,
    }),
  );
}

/** Follower: an append while it waits. What it has of it is acknowledged, since the leader may need that to commit. */
export function appendWhileRequesting(raft: Raft, message: Message): void {
  const { log } = raft;
  if (log.matchTerm(message.logTerm, message.index)) {
    let agreed = message.index;
    for (const { term, index } of message.entries) {
      if (!log.matchTerm(term, index)) break;
      agreed = index;
    }
    log.commitTo(Math.min(message.commit, agreed));
    raft.send(new Message(MessageType.MsgAppResp, { to: message.from, index: agreed }));
  }
  sendSnapshotRequest(raft);
}

/** Leader: a peer asks. */
export function handleSnapshotRequest(raft: Raft, message: Message, progress: Progress): void {
  // One is under way, or has come: a peer that waits takes nothing behind the index that it named.
  if (progress.state === ProgressState.Snapshot || progress.match > message.requestSnapshot) return;
  if (progress.state === ProgressState.Replicate) progress.becomeProbe();
  progress.requestedSnapshot = message.requestSnapshot;
  progress.msgAppFlowPaused = false;
  sendAppend(raft, message.from);
}
