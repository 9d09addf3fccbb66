/** The leader's side of replication: what to send to whom, and what is committed (paper §5.3 and §5.4). */
import { ReadOnlyOption } from './config.ts';
import { encodeReadNumber } from './read-only.ts';
import { appendMessage, Message, MessageType } from './message.ts';
import { hex } from './names.ts';
import { noEntries } from './no-entries.ts';
import { sizeOf } from './raft-log.ts';
import { payloadSize, type Raft } from './raft.ts';
import { ProgressState, type Fetch } from './core.ts';
import { traceNode } from './trace.ts';
import type { Progress } from './tracker/progress.ts';
import { StateType, type Entry, type LogIndex, type NodeId, type Snapshot, type Term } from './types.ts';

/** Sends what the peer needs next, be it only news of the commit index. */
export function sendAppend(raft: Raft, to: NodeId): void {
  maybeSendAppend(raft, to, true);
}

/**
 * Sends one append to `to`, or a snapshot when the log no longer reaches back far enough. Returns whether
 * something was sent. With `sendIfEmpty` false nothing goes out without entries: callers that loop stop there.
 */
export function maybeSendAppend(raft: Raft, to: NodeId, sendIfEmpty: boolean): boolean {
  const progress = raft.tracker.of(to);
  if (progress === undefined || progress.isPaused()) return false;
  if (progress.requestedSnapshot > 0) return maybeSendRequestedSnapshot(raft, to, progress);
  const prevIndex = progress.next - 1;
  const prevTerm = raft.log.term(prevIndex);
  if (prevTerm === undefined) return maybeSendSnapshot(raft, to, progress, raft.log.firstIndex - 1);
  // With the window full only empty appends go: they let a follower that lost the others say so.
  if (progress.state === ProgressState.Replicate && progress.inflights.full()) {
    if (!sendIfEmpty) return false;
    emitAppend(raft, to, progress, prevTerm, noEntries);
    return true;
  }
  const high = raft.log.lastIndex + 1;
  const entries = raft.log.slice(progress.next, high, raft.config.maxSizePerMsg);
  if (entries === undefined) {
    const missing = raft.log.missing(progress.next, high);
    raft.fetches.askSend(to, raft.term, missing.low, missing.high, raft.config.maxSizePerMsg);
    return false;
  }
  if (entries.length === 0 && !sendIfEmpty) return false;
  emitAppend(raft, to, progress, prevTerm, entries);
  return true;
}

function emitAppend(
  raft: Raft,
  to: NodeId,
  progress: Progress,
  prevTerm: Term,
  entries: readonly Entry[],
): void {
  const commit = raft.log.committed;
  if (!raft.batchAppend || !joinOpenAppend(raft, to, progress, entries)) {
    const message = appendMessage(to, progress.next - 1, prevTerm, entries, commit);
    raft.send(message);
    if (raft.batchAppend) openAppend(raft, message);
  }
  progress.sentEntries(entries.length, payloadSize(raft.log, entries));
  progress.sentCommitUpTo(commit);
}

/** Lets `message`, just sent, be joined by later entries. Its entries become its own: slices may be shared. */
function openAppend(raft: Raft, message: Message): void {
  const entries = message.entries.slice();
  message.entries = entries;
  raft.openAppends.set(message.to, { message, entries, bytes: sizeOf(entries) });
}

/** Adds entries to an append that has not left, when they follow it and fit. */
function joinOpenAppend(raft: Raft, to: NodeId, progress: Progress, entries: readonly Entry[]): boolean {
  const open = raft.openAppends.get(to);
  if (open === undefined || open.message.term !== raft.term) return false;
  const bytes = open.bytes + sizeOf(entries);
  if (open.message.index + open.entries.length !== progress.next - 1 || bytes > raft.config.maxSizePerMsg)
    return false;
  for (const entry of entries) open.entries.push(entry);
  open.bytes = bytes;
  open.message.commit = raft.log.committed;
  return true;
}

/** Sends the newest snapshot at or above `minIndex`, or asks the driver for one. Returns whether it was sent. */
function maybeSendSnapshot(raft: Raft, to: NodeId, progress: Progress, minIndex: LogIndex): boolean {
  if (!progress.recentActive) {
    if (raft.debugOn) raft.debug(`ignore sending snapshot to ${hex(to)} since it is not recently active`);
    return false;
  }
  const snapshot = raft.config.peek?.snapshot(minIndex, to);
  if (snapshot === undefined || snapshot.metadata.index < minIndex) {
    if (raft.debugOn) {
      raft.debug(
        `${raft.name} failed to send snapshot to ${hex(to)} because snapshot is temporarily unavailable`,
      );
    }
    raft.fetches.askSnapshot(to, raft.term, progress.next, minIndex);
    return false;
  }
  emitSnapshot(raft, to, progress, snapshot);
  return true;
}

/** A snapshot that the peer asked for must cover all that the peer has; so much may not be applied here yet. */
function maybeSendRequestedSnapshot(raft: Raft, to: NodeId, progress: Progress): boolean {
  if (raft.log.applied < progress.requestedSnapshot) return false;
  return maybeSendSnapshot(raft, to, progress, Math.max(progress.requestedSnapshot, raft.log.firstIndex - 1));
}

function emitSnapshot(raft: Raft, to: NodeId, progress: Progress, snapshot: Snapshot): void {
  const { index, term } = snapshot.metadata;
  if (raft.debugOn) {
    const log = `[firstindex: ${String(raft.log.firstIndex)}, commit: ${String(raft.log.committed)}]`;
    const what = `[index: ${String(index)}, term: ${String(term)}]`;
    raft.debug(`${raft.name} ${log} sent snapshot${what} to ${hex(to)} [${String(progress)}]`);
  }
  progress.becomeSnapshot(index);
  if (raft.debugOn)
    raft.debug(`${raft.name} paused sending replication messages to ${hex(to)} [${String(progress)}]`);
  raft.send(new Message(MessageType.MsgSnap, { to, snapshot }));
}

/** Sends to every other member. */
export function broadcastAppend(raft: Raft): void {
  // No closure: this runs for every proposal.
  const { ids } = raft.tracker;
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i];
    if (id !== undefined && id !== raft.id) sendAppend(raft, id);
  }
}

/**
 * Heartbeats carry the newest read that waits, so that a lost round is made up for by the next one. Where a
 * lease is used every round has a number, so that its answers prolong the lease.
 */
export function broadcastHeartbeat(raft: Raft): void {
  if (raft.config.readOnlyOption === ReadOnlyOption.LeaseBased) {
    const number = raft.readOnly.begin(raft.id);
    raft.lease.note(number);
    broadcastHeartbeatWith(raft, encodeReadNumber(number));
    return;
  }
  broadcastHeartbeatWith(raft, raft.readOnly.lastContext());
}

export function broadcastHeartbeatWith(raft: Raft, context: Uint8Array): void {
  raft.tracker.visit((id, progress) => {
    if (id === raft.id) return;
    // The peer may lack entries beyond match, so it must not be told of a commit beyond.
    const commit = Math.min(progress.match, raft.log.committed);
    raft.send(new Message(MessageType.MsgHeartbeat, { to: id, commit, context }));
    progress.sentCommitUpTo(commit);
  });
}

/** Advances the commit index to what a quorum has, in this term (paper §5.4.2). */
export function maybeCommit(raft: Raft): boolean {
  const { commitGroups, tracker } = raft;
  const index = commitGroups.enabled ? commitGroups.committed(tracker).index : tracker.committed();
  const moved = raft.log.maybeCommit(raft.term, index);
  traceNode(raft, 'Commit');
  return moved;
}

// --- answers to fetches

/** Entries read for a peer: sends them when nothing has moved on since they were asked for. */
export function sendFetched(
  raft: Raft,
  fetch: Extract<Fetch, { purpose: 'send' }>,
  entries: readonly Entry[],
): void {
  const asked = raft.fetches.sends.get(fetch.to);
  raft.fetches.sends.delete(fetch.to);
  const progress = raft.tracker.progress.get(fetch.to);
  if (asked?.term !== raft.term || raft.state !== StateType.Leader || progress === undefined) return;
  const windowOpen = progress.state !== ProgressState.Replicate || !progress.inflights.full();
  if (progress.next === fetch.low && windowOpen && !progress.isPaused()) {
    const prevTerm = raft.log.term(fetch.low - 1);
    if (prevTerm !== undefined) {
      const all = raft.log.extend(entries, fetch.high, raft.log.lastIndex + 1, raft.config.maxSizePerMsg);
      emitAppend(raft, fetch.to, progress, prevTerm, all);
    }
  }
  sendAllAppends(raft, fetch.to);
}

/** Sends until the window is full or nothing is left to send. */
export function sendAllAppends(raft: Raft, to: NodeId): void {
  while (maybeSendAppend(raft, to, false));
}

/** A read for a peer failed. Compacted entries are made up for by a snapshot; else the next occasion tries again. */
export function sendFetchFailed(
  raft: Raft,
  fetch: Extract<Fetch, { purpose: 'send' }>,
  compacted: boolean,
): void {
  const asked = raft.fetches.sends.get(fetch.to);
  raft.fetches.sends.delete(fetch.to);
  const progress = raft.tracker.progress.get(fetch.to);
  if (!compacted || asked?.term !== raft.term || raft.state !== StateType.Leader || progress === undefined)
    return;
  if (progress.next !== fetch.low || progress.isPaused()) return;
  // The store is ahead of what the core was told: whatever it still has begins above `low`.
  maybeSendSnapshot(raft, fetch.to, progress, Math.max(fetch.low, raft.log.firstIndex - 1));
}

/** A snapshot for a peer: sent when it is still needed and reconnects to the log, which may have been compacted further. */
export function sendFetchedSnapshot(
  raft: Raft,
  fetch: Extract<Fetch, { purpose: 'snapshot' }>,
  snapshot: Snapshot,
): void {
  const asked = raft.fetches.snapshots.get(fetch.to);
  raft.fetches.snapshots.delete(fetch.to);
  const progress = raft.tracker.progress.get(fetch.to);
  if (asked?.term !== raft.term || raft.state !== StateType.Leader || progress === undefined) return;
  if ((progress.next !== asked.next && progress.requestedSnapshot === 0) || progress.isPaused()) return;
  const { index } = snapshot.metadata;
  if (index < Math.max(fetch.minIndex, raft.log.firstIndex - 1)) {
    if (raft.infoOn) {
      raft.info(
        `${raft.name} refused snapshot at ${String(index)} for ${hex(fetch.to)}: the log begins at ${String(raft.log.firstIndex)}`,
      );
    }
    return;
  }
  emitSnapshot(raft, fetch.to, progress, snapshot);
}
