/**
 * What a member does, as the events that etcd's trace specification knows: with them TLC can say of a run whether
 * every step of it is one that the TLA+ model allows. Nothing is built while no tracer is set.
 *
 * The specification knows no pre-vote, no reads and no joint changes: run with `preVote` off to have it judge.
 */
import { MessageType, type Message } from './message.ts';
import { messageTypeName, stateTypeName } from './names.ts';
import type { ProgressTracker } from './tracker/tracker.ts';
import {
  ConfChangeType,
  EntryType,
  type ConfChangeV2,
  type Entry,
  type LogIndex,
  type NodeId,
  type StateType,
  type Term,
} from './types.ts';

/** A message as the events show it. Ids are decimal text, as the specification has them. */
export interface TraceMessage {
  readonly type: string;
  readonly term: Term;
  readonly from: string;
  readonly to: string;
  /** How many entries; of a snapshot, its index: to the model it is an append of everything up to there. */
  readonly entries: number;
  readonly logTerm: Term;
  readonly index: LogIndex;
  readonly commit: LogIndex;
  readonly vote: string;
  readonly reject: boolean;
  readonly rejectHint: LogIndex;
}

export interface TraceConfChange {
  readonly changes?: readonly { readonly nid: string; readonly action: string }[];
  /** The voters that count from here on. */
  readonly newconf?: readonly string[];
}

export type TraceEventName =
  | 'InitState'
  | 'BecomeFollower'
  | 'BecomeCandidate'
  | 'BecomeLeader'
  | 'Commit'
  | 'Replicate'
  | 'ChangeConf'
  | 'ApplyConfChange'
  | 'Ready'
  | 'SendAppendEntriesRequest'
  | 'SendAppendEntriesResponse'
  | 'ReceiveAppendEntriesRequest'
  | 'ReceiveAppendEntriesResponse'
  | 'SendRequestVoteRequest'
  | 'SendRequestVoteResponse'
  | 'ReceiveRequestVoteRequest'
  | 'ReceiveRequestVoteResponse'
  | 'SendSnapshot'
  | 'ReceiveSnapshot';

/** One event, with the state of the member when it happened. Plain data; written by `traceLine` of `/testing`. */
export interface TraceEvent {
  readonly name: TraceEventName;
  readonly nid: string;
  readonly state: { readonly term: Term; readonly vote: string; readonly commit: LogIndex };
  readonly role: string;
  /** Last index of the log. */
  readonly log: LogIndex;
  readonly applied: LogIndex;
  /** Voters: the incoming half and, in a joint configuration, the outgoing one. */
  readonly conf: readonly [readonly string[], readonly string[]];
  readonly msg?: TraceMessage;
  readonly prop?: { readonly match?: LogIndex; readonly next?: LogIndex; readonly cc?: TraceConfChange };
}

/** Called at once, within the call that caused the event; must neither throw nor call the core. */
export type Tracer = (event: TraceEvent) => void;

/** What is looked at of a member. */
interface Traced {
  readonly id: NodeId;
  readonly term: Term;
  readonly vote: NodeId;
  readonly state: StateType;
  readonly log: { readonly committed: LogIndex; readonly applied: LogIndex; readonly lastIndex: LogIndex };
  readonly tracker: ProgressTracker;
  readonly config: { readonly tracer: Tracer | undefined };
}

type EventOf = Readonly<Partial<Record<MessageType, TraceEventName>>>;

const sendEvents: EventOf = {
  [MessageType.MsgApp]: 'SendAppendEntriesRequest',
  [MessageType.MsgHeartbeat]: 'SendAppendEntriesRequest',
  [MessageType.MsgSnap]: 'SendSnapshot',
  [MessageType.MsgAppResp]: 'SendAppendEntriesResponse',
  [MessageType.MsgHeartbeatResp]: 'SendAppendEntriesResponse',
  [MessageType.MsgVote]: 'SendRequestVoteRequest',
  [MessageType.MsgVoteResp]: 'SendRequestVoteResponse',
};

const receiveEvents: EventOf = {
  [MessageType.MsgApp]: 'ReceiveAppendEntriesRequest',
  [MessageType.MsgHeartbeat]: 'ReceiveAppendEntriesRequest',
  [MessageType.MsgSnap]: 'ReceiveSnapshot',
  [MessageType.MsgAppResp]: 'ReceiveAppendEntriesResponse',
  [MessageType.MsgHeartbeatResp]: 'ReceiveAppendEntriesResponse',
  [MessageType.MsgVote]: 'ReceiveRequestVoteRequest',
  [MessageType.MsgVoteResp]: 'ReceiveRequestVoteResponse',
};

const ids = (list: readonly NodeId[]): string[] => list.map(String);

function traceMessage(m: Message): TraceMessage {
  const snapshot = m.type === MessageType.MsgSnap;
  return {
    type: messageTypeName(m.type),
    term: m.term,
    from: String(m.from),
    to: String(m.to),
    entries: snapshot ? (m.snapshot?.metadata.index ?? 0) : m.entries.length,
    logTerm: snapshot ? 0 : m.logTerm,
    index: snapshot ? 0 : m.index,
    commit: m.commit,
    vote: String(m.vote),
    reject: m.reject,
    rejectHint: m.rejectHint,
  };
}

function emit(raft: Traced, name: TraceEventName, extra: Pick<TraceEvent, 'msg' | 'prop'>): void {
  const { incoming, outgoing } = raft.tracker.config.voters;
  raft.config.tracer?.({
    name,
    nid: String(raft.id),
    state: { term: raft.term, vote: String(raft.vote), commit: raft.log.committed },
    role: stateTypeName(raft.state),
    log: raft.log.lastIndex,
    applied: raft.log.applied,
    conf: [ids(incoming.ids), ids(outgoing.ids)],
    ...extra,
  });
}

/** An event of the member alone. */
export function traceNode(raft: Traced, name: TraceEventName): void {
  if (raft.config.tracer !== undefined) emit(raft, name, {});
}

/** Entries that the leader takes into its log; membership changes have events of their own. */
export function traceReplicated(raft: Traced, entries: readonly Entry[]): void {
  for (const { type } of entries) if (type === EntryType.Normal) traceNode(raft, 'Replicate');
}

/** A message that was put among those to send. */
export function traceSend(raft: Traced, message: Message): void {
  if (raft.config.tracer === undefined) return;
  const name = sendEvents[message.type];
  if (name === undefined) return;
  const progress = message.type === MessageType.MsgApp ? raft.tracker.progress.get(message.from) : undefined;
  const prop = progress === undefined ? {} : { prop: { match: progress.match, next: progress.next } };
  emit(raft, name, { msg: traceMessage(message), ...prop });
}

/** A message that came in, before anything is done about it. */
export function traceReceive(raft: Traced, message: Message): void {
  if (raft.config.tracer === undefined) return;
  const name = receiveEvents[message.type];
  if (name !== undefined) emit(raft, name, { msg: traceMessage(message) });
}

const actions: Readonly<Partial<Record<ConfChangeType, string>>> = {
  [ConfChangeType.AddNode]: 'AddNewServer',
  [ConfChangeType.RemoveNode]: 'RemoveServer',
  [ConfChangeType.AddLearnerNode]: 'AddLearner',
};

/** A membership change that the leader takes into its log. */
export function traceChangeConf(raft: Traced, { changes }: ConfChangeV2): void {
  if (raft.config.tracer === undefined) return;
  const known = changes.flatMap(({ type, nodeId }) => {
    const action = actions[type];
    return action === undefined ? [] : [{ nid: String(nodeId), action }];
  });
  if (known.length > 0) emit(raft, 'ChangeConf', { prop: { cc: { changes: known } } });
}

/** These voters count from now on; the event shows the membership before. */
export function traceApplyConfChange(raft: Traced, voters: readonly NodeId[]): void {
  if (raft.config.tracer !== undefined)
    emit(raft, 'ApplyConfChange', { prop: { cc: { newconf: ids(voters) } } });
}
