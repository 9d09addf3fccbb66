/**
 * Messages between members, and between a member and its own storage threads.
 *
 * The names and numbers are etcd's. One class with every field always present, in one order, so that
 * all messages share a hidden shape.
 */
import { noEntries } from './no-entries.ts';
import {
  EmptyBytes,
  None,
  type Entry,
  type LogIndex,
  type NodeId,
  type Snapshot,
  type Term,
} from './types.ts';

export const MessageType = {
  MsgHup: 0,
  MsgBeat: 1,
  MsgProp: 2,
  MsgApp: 3,
  MsgAppResp: 4,
  MsgVote: 5,
  MsgVoteResp: 6,
  MsgSnap: 7,
  MsgHeartbeat: 8,
  MsgHeartbeatResp: 9,
  MsgUnreachable: 10,
  MsgSnapStatus: 11,
  MsgCheckQuorum: 12,
  MsgTransferLeader: 13,
  MsgTimeoutNow: 14,
  MsgReadIndex: 15,
  MsgReadIndexResp: 16,
  MsgPreVote: 17,
  MsgPreVoteResp: 18,
  MsgStorageAppend: 19,
  MsgStorageAppendResp: 20,
  MsgStorageApply: 21,
  MsgStorageApplyResp: 22,
  MsgForgetLeader: 23,
} as const;
export type MessageType = (typeof MessageType)[keyof typeof MessageType];

/** Target of MsgStorageAppend. Not a member: never on the wire (etcd uses 2^64-1). */
export const LocalAppendThread: NodeId = Number.MAX_SAFE_INTEGER;
/** Target of MsgStorageApply. Not a member: never on the wire (etcd uses 2^64-2). */
export const LocalApplyThread: NodeId = Number.MAX_SAFE_INTEGER - 1;

const NoMessages: readonly Message[] = Object.freeze([]);

/** What `new Message` may be given; everything but `type` has a zero default. */
export interface MessageFields {
  readonly to?: NodeId;
  readonly from?: NodeId;
  readonly term?: Term;
  readonly logTerm?: Term;
  readonly index?: LogIndex;
  readonly entries?: readonly Entry[];
  readonly commit?: LogIndex;
  readonly commitTerm?: Term;
  readonly snapshot?: Snapshot | undefined;
  readonly reject?: boolean;
  readonly rejectHint?: LogIndex;
  readonly context?: Uint8Array;
  readonly vote?: NodeId;
  readonly requestSnapshot?: LogIndex;
  readonly priority?: number;
  readonly responses?: readonly Message[];
}

/**
 * One message. `to`, `from` and `term` are filled in by the core when it is sent, which is why they
 * and only they, with `entries` and `commit` for batching before a send, are mutable inside the core.
 * Outside the core a message is read-only.
 */
export class Message {
  type: MessageType;
  to: NodeId;
  from: NodeId;
  term: Term;
  /** Term of the entry at `index` (MsgApp, votes), or of a reject hint (MsgAppResp). */
  logTerm: Term;
  index: LogIndex;
  entries: readonly Entry[];
  commit: LogIndex;
  /** raft-rs's commit-by-vote: term of the entry at `commit`. */
  commitTerm: Term;
  snapshot: Snapshot | undefined;
  reject: boolean;
  rejectHint: LogIndex;
  context: Uint8Array;
  /** MsgStorageAppend only: the vote of the hard state. Never on the wire. */
  vote: NodeId;
  /** raft-rs's request snapshot: the follower wants one at this index or above. */
  requestSnapshot: LogIndex;
  /** raft-rs's election priority. */
  priority: number;
  /** MsgStorageAppend and MsgStorageApply only: to be delivered once the work is done. Never on the wire. */
  responses: readonly Message[];

  /** Without `fields` everything but the type has its zero: the hot paths set what they need one by one. */
  constructor(type: MessageType, fields?: MessageFields) {
    this.type = type;
    this.to = None;
    this.from = None;
    this.term = 0;
    this.logTerm = 0;
    this.index = 0;
    this.entries = noEntries;
    this.commit = 0;
    this.commitTerm = 0;
    this.snapshot = undefined;
    this.reject = false;
    this.rejectHint = 0;
    this.context = EmptyBytes;
    this.vote = None;
    this.requestSnapshot = 0;
    this.priority = 0;
    this.responses = NoMessages;
    // Reading from objects of ever other shapes costs more than all the rest of a message.
    if (fields !== undefined) Object.assign(this, fields);
  }
}

/** An append to `to`: `entries` follow (`index`, `logTerm`) (paper §5.3). */
export function appendMessage(
  to: NodeId,
  index: LogIndex,
  logTerm: Term,
  entries: readonly Entry[],
  commit: LogIndex,
): Message {
  const message = new Message(MessageType.MsgApp);
  message.to = to;
  message.index = index;
  message.logTerm = logTerm;
  message.entries = entries;
  message.commit = commit;
  return message;
}

/** The acknowledgement that the log agrees with the leader's up to `index`. */
export function appendAck(to: NodeId, index: LogIndex): Message {
  const message = new Message(MessageType.MsgAppResp);
  message.to = to;
  message.index = index;
  return message;
}

/**
 * V8 keeps a field that has held only numbers as a number of its own, which it boxes anew at every store once
 * one of them exceeded 31 bits, as the ids of the local threads do. Fields that have once held something else
 * are kept as plain references, and sharing an id costs nothing. It must happen before any other message is made.
 */
const shape = new Message(MessageType.MsgHup) as unknown as Record<'to' | 'from', unknown>;
shape.to = undefined;
shape.from = undefined;
