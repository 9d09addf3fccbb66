/** The leader's side of linearizable reads (thesis §6.4). */
import { ReadOnlyOption } from './config.ts';
import { Message, MessageType } from './message.ts';
import { encodeReadNumber, maxPendingReads } from './read-only.ts';
import { broadcastHeartbeatWith } from './replication.ts';
import type { Raft } from './raft.ts';
import { EmptyBytes, None, type LogIndex } from './types.ts';

/** Takes a request, from this node or forwarded by a follower. */
export function handleReadIndex(raft: Raft, request: Message): void {
  // Also a single voter waits: after a restart its commit index may trail what it once answered for.
  if (!raft.committedInCurrentTerm()) {
    if (raft.pendingReads.length < maxPendingReads) raft.pendingReads.push(request);
    else
      raft.warn(
        `${raft.name} dropped a read: ${String(maxPendingReads)} wait for the first commit of term ${String(raft.term)}`,
      );
    return;
  }
  startRead(raft, request);
}

function startRead(raft: Raft, request: Message): void {
  const index = raft.log.committed;
  if (raft.tracker.isSingleton()) {
    // A quorum of one confirms itself.
    answerRead(raft, request, index);
    return;
  }
  if (raft.config.readOnlyOption === ReadOnlyOption.LeaseBased && raft.lease.holds) {
    answerRead(raft, request, index);
    return;
  }
  const number = raft.readOnly.add(request, index, raft.id);
  if (number === undefined) {
    raft.warn(`${raft.name} dropped a read: ${String(maxPendingReads)} wait for a quorum`);
    return;
  }
  raft.lease.note(number);
  broadcastHeartbeatWith(raft, encodeReadNumber(number));
}

/** The first entry of the term is committed: the reads that waited for it can start. */
export function releasePendingReads(raft: Raft): void {
  if (raft.pendingReads.length === 0 || !raft.committedInCurrentTerm()) return;
  const requests = raft.pendingReads;
  raft.pendingReads = [];
  for (const request of requests) startRead(raft, request);
}

/** An echo from a peer may complete a quorum, for its request and all before it, and prolong the lease. */
export function handleReadEcho(raft: Raft, message: Message): void {
  if (message.context.length === 0 || !raft.readOnly.acknowledge(message.from, message.context)) return;
  releaseConfirmedReads(raft);
}

/** Answers the reads that a quorum has confirmed: after an echo, or when fewer members are a quorum. */
export function releaseConfirmedReads(raft: Raft): void {
  const confirmed = raft.readOnly.confirmed(raft.tracker.config.voters);
  if (confirmed === 0) return;
  raft.lease.confirm(confirmed);
  for (const read of raft.readOnly.release(confirmed)) answerRead(raft, read.request, read.index);
}

function answerRead(raft: Raft, request: Message, index: LogIndex): void {
  if (request.from === None || request.from === raft.id) {
    raft.readStates.push({ index, context: request.entries[0]?.data ?? EmptyBytes });
    return;
  }
  raft.send(new Message(MessageType.MsgReadIndexResp, { to: request.from, index, entries: request.entries }));
}
