/**
 * What one message may do to the core that gets it, whatever comes of it later.
 *
 * Much of what breaks this does no harm mostly, since others are careful as well; but nothing may rely on that.
 */
import {
  MessageType,
  messageTypeName,
  StateType,
  type LogIndex,
  type Message,
  type RaftCore,
} from '@balsa/raft-core';
import { outdatedFault, outdatedProgress, progressFault, refusedProgress } from './peer-progress.ts';
import type { Rule } from './violation.ts';

export interface Fault {
  readonly rule: Rule;
  readonly text: string;
}

/** To be called before a core gets a message; what it gives says afterwards what is wrong with what came of it, if anything. */
export function expectations(core: RaftCore, message: Message): () => Fault | undefined {
  const before = beforeStep(core);
  const refused = refusedProgress(core, message);
  const outdated = outdatedProgress(core, message);
  return () =>
    (refused && progressFault(core, refused)) ??
    (outdated && outdatedFault(core, outdated)) ??
    stepFault(core, message, before);
}

/** A core before it got a message. */
interface Before {
  readonly term: number;
  readonly state: StateType;
  readonly leader: number;
  readonly committed: LogIndex;
  readonly last: LogIndex;
}

function beforeStep(core: RaftCore): Before {
  const { term, state, leader, committed, lastIndex: last } = core;
  return { term, state, leader, committed, last };
}

/** Up to which index a message shows that what its receiver has, or gets by it, is committed. */
function toldCommitted({ type, index, entries, commit, snapshot }: Message): LogIndex {
  switch (type) {
    // Behind its entries lies what its sender may not have (paper Figure 2, receiver step 5).
    case MessageType.MsgApp:
      return Math.min(commit, index + entries.length);
    case MessageType.MsgSnap:
      return snapshot?.metadata.index ?? 0;
    case MessageType.MsgHeartbeat:
    case MessageType.MsgVote:
    case MessageType.MsgVoteResp:
    case MessageType.MsgPreVote:
    case MessageType.MsgPreVoteResp:
      return commit;
    default:
      return 0;
  }
}

/** Of an older term these say nothing that is still so. */
const ofLeaders: ReadonlySet<MessageType> = new Set([
  MessageType.MsgApp,
  MessageType.MsgHeartbeat,
  MessageType.MsgSnap,
  MessageType.MsgTimeoutNow,
]);

/** What is wrong with what the core made of the message, if anything. */
function stepFault(core: RaftCore, message: Message, before: Before): Fault | undefined {
  const { type, term, reject, from } = message;
  const { committed } = core;
  const what = `${messageTypeName(type)} of node ${from}, term ${term}`;
  if (core.state !== StateType.Leader && committed > before.committed && committed > toldCommitted(message)) {
    const text = `takes index ${committed} for committed by a ${what}, which shows that of ${toldCommitted(message)}`;
    return { rule: 'I6 CommittedImmutable', text };
  }
  const campaigns = core.state === StateType.Candidate || core.state === StateType.Leader;
  const granted = type === MessageType.MsgPreVoteResp && !reject;
  const keepsTerm = type === MessageType.MsgPreVote || (granted && !campaigns);
  if (keepsTerm && core.term !== before.term) {
    return { rule: 'I8 Monotonic', text: `goes from term ${before.term} to ${core.term} by a ${what}` };
  }
  if (!ofLeaders.has(type) || term >= before.term || term === 0) return undefined;
  const same = core.state === before.state && core.leader === before.leader && core.lastIndex === before.last;
  if (same && core.term === before.term) return undefined;
  return { rule: 'I1 ElectionSafety', text: `in term ${before.term} obeys a ${what}` };
}
