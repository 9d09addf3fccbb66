/** What every role does with a message: terms, votes, leases, storage (paper §5.1, §5.2; thesis §4.2.3, §9.6). */
import { appliedEntries, appliedSnapshot } from './applied.ts';
import { CampaignType, hup, isTransferContext } from './campaign.ts';
import { commitByVote, sayCommit } from './commit-by-vote.ts';
import { Message, MessageType } from './message.ts';
import { hex, messageTypeName } from './names.ts';
import type { Raft } from './raft.ts';
import { candidateHandlers } from './step-candidate.ts';
import { followerHandlers } from './step-follower.ts';
import { leaderHandlers } from './step-leader.ts';
import type { Handlers } from './handlers.ts';
import { traceReceive } from './trace.ts';
import { None, StateType } from './types.ts';

const handlersOf: Readonly<Record<StateType, Handlers>> = {
  [StateType.Follower]: followerHandlers,
  [StateType.Candidate]: candidateHandlers,
  [StateType.PreCandidate]: candidateHandlers,
  [StateType.Leader]: leaderHandlers,
};

/** Does with a valid message what the rules say. */
export function stepMessage(raft: Raft, message: Message): void {
  if (raft.config.tracer !== undefined) traceReceive(raft, message);
  if (message.term > raft.term) {
    if (!stepHigherTerm(raft, message)) return;
  } else if (message.term < raft.term && message.term !== 0) {
    stepLowerTerm(raft, message);
    return;
  }
  switch (message.type) {
    case MessageType.MsgHup:
      hup(raft, raft.config.preVote ? CampaignType.PreElection : CampaignType.Election);
      return;
    case MessageType.MsgVote:
    case MessageType.MsgPreVote:
      handleVoteRequest(raft, message);
      return;
    case MessageType.MsgStorageAppendResp:
      if (message.index !== 0) raft.log.stableTo(message.logTerm, message.index);
      if (message.snapshot !== undefined) appliedSnapshot(raft, message.snapshot);
      return;
    case MessageType.MsgStorageApplyResp:
      appliedEntries(raft, message.entries);
      return;
    default:
      handlersOf[raft.state][message.type]?.(raft, message);
  }
}

/** False when the message is to be ignored. Else the term is now the message's, where that is called for. */
function stepHigherTerm(raft: Raft, message: Message): boolean {
  const { type } = message;
  if (type === MessageType.MsgVote || type === MessageType.MsgPreVote) {
    const force = isTransferContext(message.context);
    const { electionTick } = raft.config;
    // Whoever hears a leader protects it: a member that was cut off must not disrupt (thesis §4.2.3).
    const hears = raft.checkQuorum && raft.leader !== None ? electionTick - raft.electionElapsed : 0;
    const remainingTicks = Math.max(hears, raft.graceTicks);
    if (!force && remainingTicks > 0) {
      if (raft.infoOn) {
        const remaining = String(remainingTicks);
        raft.info(
          `${describeVote(raft, message, 'ignored', 'from')}: lease is not expired (remaining ticks: ${remaining})`,
        );
      }
      return false;
    }
  }
  // A pre-vote changes no term. A granted one carries the term that was asked about, not one that began.
  if (type === MessageType.MsgPreVote || (type === MessageType.MsgPreVoteResp && !message.reject))
    return true;
  if (raft.infoOn) {
    raft.info(
      `${raft.name} [term: ${String(raft.term)}] received a ${messageTypeName(type)} message with higher term from ${hex(message.from)} [term: ${String(message.term)}]`,
    );
  }
  const fromLeader =
    type === MessageType.MsgApp || type === MessageType.MsgHeartbeat || type === MessageType.MsgSnap;
  raft.becomeFollower(message.term, fromLeader ? message.from : None);
  return true;
}

function stepLowerTerm(raft: Raft, message: Message): void {
  const { type, from } = message;
  if (
    (raft.checkQuorum || raft.config.preVote) &&
    (type === MessageType.MsgHeartbeat || type === MessageType.MsgApp)
  ) {
    // A deposed leader must learn of the term, or this member, whose term is higher and who may not raise it
    // by campaigning (it would be ignored in the lease, or by pre-vote), could never rejoin.
    raft.send(new Message(MessageType.MsgAppResp, { to: from }));
  } else if (type === MessageType.MsgPreVote) {
    // Answering lets a pre-candidate with an old term, which nobody else would tell, catch up.
    if (raft.infoOn) raft.info(describeVote(raft, message, 'rejected', 'from'));
    const refusal = new Message(MessageType.MsgPreVoteResp, { to: from, term: raft.term, reject: true });
    raft.send(sayCommit(raft, refusal));
  } else if (type === MessageType.MsgStorageAppendResp) {
    // Entries written in an older term may have been overwritten since, in memory: only a report of this term
    // tells. A snapshot cannot be undone.
    if (message.index !== 0 && raft.infoOn) {
      raft.info(
        `${raft.name} [term: ${String(raft.term)}] ignored entry appends from a ${messageTypeName(type)} message with lower term [term: ${String(message.term)}]`,
      );
    }
    if (message.snapshot !== undefined) appliedSnapshot(raft, message.snapshot);
  } else if (raft.infoOn) {
    raft.info(
      `${raft.name} [term: ${String(raft.term)}] ignored a ${messageTypeName(type)} message with lower term from ${hex(from)} [term: ${String(message.term)}]`,
    );
  }
  // What is committed stays so in every term; and who is refused in an old term by a member that may not campaign any
  // more is refused for ever, unless it learns what that one knows.
  if (isVote(type)) commitByVote(raft, message);
}

function isVote(type: MessageType): boolean {
  return (
    type === MessageType.MsgVote ||
    type === MessageType.MsgVoteResp ||
    type === MessageType.MsgPreVote ||
    type === MessageType.MsgPreVoteResp
  );
}

/** One vote for each term, and only for a log at least as up to date (paper §5.2, §5.4.1). */
function handleVoteRequest(raft: Raft, message: Message): void {
  const preVote = message.type === MessageType.MsgPreVote;
  const mayVote =
    raft.vote === message.from ||
    (raft.vote === None && raft.leader === None) ||
    (preVote && message.term > raft.term);
  // Learners vote too when asked: this member may be a voter whose promotion it has not applied yet.
  const type = preVote ? MessageType.MsgPreVoteResp : MessageType.MsgVoteResp;
  if (mayVote && raft.log.isUpToDate(message.logTerm, message.index) && yieldsPriority(raft, message)) {
    if (raft.infoOn) raft.info(describeVote(raft, message, 'cast', 'for'));
    // To a pre-vote the answer names the term asked about: the candidate would ignore one of a lower term.
    raft.send(new Message(type, { to: message.from, term: message.term }));
    if (!preVote) {
      raft.electionElapsed = 0;
      raft.vote = message.from;
    }
    return;
  }
  if (raft.infoOn) raft.info(describeVote(raft, message, 'rejected', 'from'));
  raft.send(sayCommit(raft, new Message(type, { to: message.from, term: raft.term, reject: true })));
  commitByVote(raft, message);
}

/** raft-rs's priorities: a lower one still wins by a longer log, so that they never cost progress. */
function yieldsPriority(raft: Raft, message: Message): boolean {
  return raft.priority <= message.priority || message.index > raft.log.lastIndex;
}

function describeVote(raft: Raft, message: Message, verb: string, preposition: string): string {
  const { lastIndex, lastTerm } = raft.log;
  const ours = `[logterm: ${String(lastTerm)}, index: ${String(lastIndex)}, vote: ${hex(raft.vote)}]`;
  const theirs = `[logterm: ${String(message.logTerm)}, index: ${String(message.index)}]`;
  const what = `${verb} ${messageTypeName(message.type)} ${preposition} ${hex(message.from)}`;
  return `${raft.name} ${ours} ${what} ${theirs} at term ${String(raft.term)}`;
}
