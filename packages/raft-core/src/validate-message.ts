/**
 * What may come in by `step`. Everything is checked before anything changes, so that a peer that sends nonsense
 * is refused with a code and has no effect. What is only old, doubled or out of order passes: the rules cope with it.
 */
import { restoreConf } from './conf-change/restore.ts';
import { BalsaError, isBalsaError } from './errors.ts';
import { isLocalMsg, isLocalMsgTarget, isMemberResponse } from './message-kinds.ts';
import { LocalApplyThread, MessageType, type Message } from './message.ts';
import { hex, messageTypeName } from './names.ts';
import { ProgressTracker } from './tracker/tracker.ts';
import type { Raft } from './raft.ts';
import { StateType, type ConfState, type NodeId, type Snapshot } from './types.ts';

const lastType = MessageType.MsgForgetLeader;

/** These are not bound to a term. A pre-vote may be refused by a member that has not seen any. */
function isTermless(type: MessageType): boolean {
  return (
    type === MessageType.MsgProp || type === MessageType.MsgReadIndex || type === MessageType.MsgPreVoteResp
  );
}

/** What goes to oneself is what counts oneself: acknowledgements and votes, never a refusal of either. */
const neverToOneself: ReadonlySet<MessageType> = new Set([
  MessageType.MsgApp,
  MessageType.MsgHeartbeat,
  MessageType.MsgHeartbeatResp,
  MessageType.MsgSnap,
  MessageType.MsgVote,
  MessageType.MsgPreVote,
]);

/** Throws `STEP_LOCAL_MSG`, `STEP_PEER_NOT_FOUND` or `STEP_INVALID_MESSAGE`. */
export function validateMessage(raft: Raft, message: Message): void {
  const { type, from } = message;
  if (isLocalMsgTarget(from)) {
    if (type !== MessageType.MsgStorageAppendResp && type !== MessageType.MsgStorageApplyResp) {
      refuse(message, 'storage threads send only their responses');
    }
    return;
  }
  if (isLocalMsg(type)) {
    throw new BalsaError('STEP_LOCAL_MSG', `${messageTypeName(type)} from ${hex(from)} is a local message`);
  }
  if (isMemberResponse(type) && raft.tracker.of(from) === undefined) {
    throw new BalsaError(
      'STEP_PEER_NOT_FOUND',
      `${messageTypeName(type)} from ${hex(from)}, which is not a member`,
    );
  }
  validateNumbers(raft, message);
  switch (type) {
    case MessageType.MsgApp:
      validateAppend(message);
      break;
    case MessageType.MsgAppResp:
      validateAppendResponse(raft, message);
      break;
    case MessageType.MsgHeartbeat:
      if (message.term >= raft.term && message.commit > raft.log.lastIndex) {
        refuse(message, `its commit ${String(message.commit)} is beyond what this member acknowledged`);
      }
      break;
    case MessageType.MsgSnap:
      validateSnapshot(raft, message);
      break;
    case MessageType.MsgProp:
      if (message.entries.length === 0) refuse(message, 'a proposal holds at least one entry');
      break;
    case MessageType.MsgReadIndex:
    case MessageType.MsgReadIndexResp:
      if (message.entries.length !== 1) refuse(message, 'it must hold one entry, the context of the read');
      break;
    default:
      break;
  }
}

function validateAppendResponse(raft: Raft, message: Message): void {
  if (raft.state !== StateType.Leader || message.term !== raft.term) return;
  const { lastIndex } = raft.log;
  if (!message.reject && message.index > lastIndex)
    refuse(message, `it acknowledges ${String(message.index)}, but the log ends at ${String(lastIndex)}`);
  if (message.requestSnapshot > lastIndex)
    refuse(
      message,
      `it wants a snapshot at ${String(message.requestSnapshot)}, but the log ends at ${String(lastIndex)}`,
    );
}

function refuse(message: Message, why: string): never {
  throw new BalsaError(
    'STEP_INVALID_MESSAGE',
    `${messageTypeName(message.type)} from ${hex(message.from)}: ${why}`,
    {
      details: { type: message.type, from: message.from, term: message.term },
    },
  );
}

function isIndex(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

function validateNumbers(raft: Raft, message: Message): void {
  const { type, from, to, term, index, logTerm, commit, rejectHint } = message;
  if (!Number.isSafeInteger(type) || type < 0 || type > lastType) refuse(message, 'its type is unknown');
  const sane = isIndex(from) && isIndex(to) && isIndex(term) && isIndex(index);
  const extras = isIndex(message.commitTerm) && isIndex(message.requestSnapshot);
  if (!sane || !extras || !isIndex(logTerm) || !isIndex(commit) || !isIndex(rejectHint)) {
    refuse(message, 'its numbers must be safe integers >= 0');
  }
  // The next election must still have a term to go to.
  if (term >= Number.MAX_SAFE_INTEGER) refuse(message, 'its term is the last one there is');
  if (to !== 0 && to !== raft.id) refuse(message, `it is for ${hex(to)}, not for this node ${raft.name}`);
  if (!isTermless(type)) {
    if (term === 0) refuse(message, 'it must have a term');
    if (from === 0) refuse(message, 'it must have a sender');
  }
  if (from === raft.id && (neverToOneself.has(type) || message.reject)) {
    refuse(message, 'a node does not send this to itself');
  }
}

/** Entries follow (logTerm, index) without a gap, their terms never fall and none is newer than the sender's. */
function validateAppend(message: Message): void {
  const { entries, term } = message;
  let index = message.index;
  let last = message.logTerm;
  if (last > term) refuse(message, 'it follows an entry of a later term than its own');
  for (let i = 0; i < entries.length; i++) {
    const entry = entries[i];
    if (entry?.index !== ++index) refuse(message, `entry ${String(i)} must have index ${String(index)}`);
    if (!Number.isSafeInteger(entry.term) || entry.term < last || entry.term > term) {
      refuse(message, `the term of entry ${String(index)} must be within [${String(last)}, ${String(term)}]`);
    }
    last = entry.term;
  }
}

function validateSnapshot(raft: Raft, message: Message): void {
  const { snapshot } = message;
  if (snapshot === undefined) return refuse(message, 'it holds no snapshot');
  const { index, term } = snapshot.metadata;
  if (!isIndex(index) || index < 1 || !isIndex(term) || term < 1 || term > message.term) {
    refuse(
      message,
      `its snapshot lies at an impossible place, index ${String(index)} of term ${String(term)}`,
    );
  }
  const problem = confStateProblem(raft, snapshot);
  if (problem !== undefined) refuse(message, `its membership is impossible: ${problem}`);
}

/** What is wrong with a snapshot's membership. Whatever can be restored exactly is right. */
function confStateProblem(raft: Raft, snapshot: Snapshot): string | undefined {
  const { confState, index } = snapshot.metadata;
  const lists = [confState.voters, confState.votersOutgoing, confState.learners, confState.learnersNext];
  if (!lists.every(isIdList)) return 'ids must be ascending and not 0';
  const scratch = new ProgressTracker(raft.tracker);
  try {
    const outcome = restoreConf(index, scratch, confState);
    scratch.config = outcome.config;
    scratch.progress = outcome.progress;
  } catch (error) {
    if (!isBalsaError(error)) throw error;
    return error.message;
  }
  return sameConfState(scratch.confState(), confState) ? undefined : 'roles contradict each other';
}

function isIdList(ids: readonly NodeId[]): boolean {
  return ids.every(
    (id, i) => Number.isSafeInteger(id) && id > (i === 0 ? 0 : (ids[i - 1] ?? 0)) && id < LocalApplyThread,
  );
}

/** Whether both say the same; lists are sorted. */
export function sameConfState(a: ConfState, b: ConfState): boolean {
  const same = (x: readonly NodeId[], y: readonly NodeId[]): boolean =>
    x.length === y.length && x.every((id, i) => id === y[i]);
  return (
    same(a.voters, b.voters) &&
    same(a.votersOutgoing, b.votersOutgoing) &&
    same(a.learners, b.learners) &&
    same(a.learnersNext, b.learnersNext) &&
    a.autoLeave === b.autoLeave
  );
}
