/** What candidates and pre-candidates do on a message of their term (paper §5.2). */
import { campaign, CampaignType, poll } from './campaign.ts';
import { commitByVote } from './commit-by-vote.ts';
import { handleAppendEntries, handleHeartbeat, handleSnapshot } from './follower-log.ts';
import { MessageType, type Message } from './message.ts';
import { hex, messageTypeName, stateTypeName } from './names.ts';
import { proposalDropped } from './proposal.ts';
import { VoteResult } from './quorum/vote-result.ts';
import { broadcastAppend } from './replication.ts';
import type { Handlers } from './handlers.ts';
import type { Raft } from './raft.ts';
import { None, StateType } from './types.ts';

export const candidateHandlers: Handlers = {
  [MessageType.MsgProp]: dropProposal,
  [MessageType.MsgApp]: (raft, message) => {
    yieldTo(raft, message);
    handleAppendEntries(raft, message);
  },
  [MessageType.MsgHeartbeat]: (raft, message) => {
    yieldTo(raft, message);
    handleHeartbeat(raft, message);
  },
  [MessageType.MsgSnap]: (raft, message) => {
    yieldTo(raft, message);
    handleSnapshot(raft, message);
  },
  [MessageType.MsgVoteResp]: (raft, message) => {
    if (raft.state === StateType.Candidate) countVote(raft, message);
  },
  [MessageType.MsgPreVoteResp]: (raft, message) => {
    if (raft.state === StateType.PreCandidate) countVote(raft, message);
  },
  [MessageType.MsgTimeoutNow]: (raft, message) => {
    if (!raft.debugOn) return;
    raft.debug(
      `${raft.name} [term ${String(raft.term)} state ${stateTypeName(raft.state)}] ignored MsgTimeoutNow from ${hex(message.from)}`,
    );
  },
};

/** Somebody leads this term: the election is over. */
function yieldTo(raft: Raft, message: Message): void {
  raft.becomeFollower(message.term, message.from);
}

function dropProposal(raft: Raft): void {
  if (raft.infoOn) raft.info(`${raft.name} no leader at term ${String(raft.term)}; dropping proposal`);
  throw proposalDropped(`no leader at term ${String(raft.term)}`);
}

function countVote(raft: Raft, message: Message): void {
  const { granted, rejected, result } = poll(raft, message.from, message.type, !message.reject);
  if (raft.infoOn) {
    raft.info(
      `${raft.name} has received ${String(granted)} ${messageTypeName(message.type)} votes and ${String(rejected)} vote rejections`,
    );
  }
  if (result === VoteResult.VoteWon) {
    if (raft.state === StateType.PreCandidate) {
      campaign(raft, CampaignType.Election);
    } else {
      raft.becomeLeader();
      broadcastAppend(raft);
    }
  } else if (result === VoteResult.VoteLost) {
    // A pre-vote answer may carry the next term; this member stays in its own.
    raft.becomeFollower(raft.term, None);
  }
  commitByVote(raft, message);
}
