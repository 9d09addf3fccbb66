/** What followers and learners do on a message of their term (paper §5.2 and §5.3). */
import { CampaignType, hup } from './campaign.ts';
import { ReadOnlyOption } from './config.ts';
import { LogLevel } from './contracts/env.ts';
import { handleAppendEntries, handleHeartbeat, handleSnapshot } from './follower-log.ts';
import { Message, MessageType } from './message.ts';
import { hex } from './names.ts';
import { proposalDropped } from './proposal.ts';
import type { Handlers } from './handlers.ts';
import type { Raft } from './raft.ts';
import { EmptyBytes, None } from './types.ts';

export const followerHandlers: Handlers = {
  [MessageType.MsgProp]: forwardProposal,
  [MessageType.MsgApp]: (raft, message) => {
    hearFrom(raft, message);
    handleAppendEntries(raft, message);
  },
  [MessageType.MsgHeartbeat]: (raft, message) => {
    hearFrom(raft, message);
    handleHeartbeat(raft, message);
  },
  [MessageType.MsgSnap]: (raft, message) => {
    hearFrom(raft, message);
    handleSnapshot(raft, message);
  },
  [MessageType.MsgTransferLeader]: (raft, message) => {
    if (hasLeader(raft, 'leader transfer msg')) forward(raft, message);
  },
  [MessageType.MsgForgetLeader]: forgetLeader,
  [MessageType.MsgTimeoutNow]: (raft, message) => {
    if (raft.infoOn) {
      raft.info(
        `${raft.name} [term ${String(raft.term)}] received MsgTimeoutNow from ${hex(message.from)} and starts an election to get leadership.`,
      );
    }
    // The leader asked for it, so there is nobody to protect by a pre-vote (thesis §3.10).
    hup(raft, CampaignType.Transfer);
  },
  [MessageType.MsgReadIndex]: (raft, message) => {
    if (hasLeader(raft, 'index reading msg')) forward(raft, message);
  },
  [MessageType.MsgReadIndexResp]: (raft, message) => {
    raft.readStates.push({ index: message.index, context: message.entries[0]?.data ?? EmptyBytes });
    // An entry of the leader's own term at that place is the leader's: one leader a term (paper §5.2, Election Safety).
    if (raft.config.commitByReadIndex) raft.log.maybeCommit(message.term, message.index);
  },
};

function hearFrom(raft: Raft, message: Message): void {
  raft.electionElapsed = 0;
  raft.leader = message.from;
}

/** The message given to `step` is the caller's: what goes on to the leader is a copy. */
function forward(raft: Raft, message: Message): void {
  const { from, context, entries } = message;
  raft.send(new Message(message.type, { to: raft.leader, from, context, entries }));
}

function hasLeader(raft: Raft, what: string): boolean {
  if (raft.leader !== None) return true;
  if (raft.infoOn) raft.info(`${raft.name} no leader at term ${String(raft.term)}; dropping ${what}`);
  return false;
}

function forwardProposal(raft: Raft, message: Message): void {
  if (!hasLeader(raft, 'proposal')) throw proposalDropped(`no leader at term ${String(raft.term)}`);
  if (raft.config.disableProposalForwarding) {
    if (raft.infoOn) {
      raft.info(
        `${raft.name} not forwarding to leader ${hex(raft.leader)} at term ${String(raft.term)}; dropping proposal`,
      );
    }
    throw proposalDropped(`proposals are not forwarded; the leader is ${hex(raft.leader)}`);
  }
  forward(raft, message);
}

/** Without a leader this member may vote at once. A lease rests on it not doing so (thesis §6.4.1). */
function forgetLeader(raft: Raft): void {
  if (raft.config.readOnlyOption === ReadOnlyOption.LeaseBased) {
    raft.logger.log(LogLevel.Error, 'ignoring MsgForgetLeader due to ReadOnlyLeaseBased');
    return;
  }
  if (raft.leader === None) return;
  if (raft.infoOn)
    raft.info(`${raft.name} forgetting leader ${hex(raft.leader)} at term ${String(raft.term)}`);
  raft.leader = None;
}
