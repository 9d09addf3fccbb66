/** Logical time: election timeouts, heartbeats, and the check for a quorum (paper §5.2, thesis §6.2). */
import { leaveJointConfig } from './applied.ts';
import { CampaignType, hup } from './campaign.ts';
import { tickSnapshots } from './snapshot-timeout.ts';
import { leaderHandlers } from './step-leader.ts';
import { Message, MessageType } from './message.ts';
import type { Raft } from './raft.ts';
import { None, StateType } from './types.ts';

export function tick(raft: Raft): void {
  raft.fetches.applyBlocked = false;
  if (raft.graceTicks > 0) raft.graceTicks--;
  if (raft.state === StateType.Leader) tickLeader(raft);
  else tickElection(raft);
}

function tickElection(raft: Raft): void {
  raft.electionElapsed++;
  if (!raft.promotable() || raft.electionElapsed < raft.randomizedElectionTimeout) return;
  raft.electionElapsed = 0;
  hup(raft, raft.config.preVote ? CampaignType.PreElection : CampaignType.Election);
}

function tickLeader(raft: Raft): void {
  raft.lease.pass(1);
  tickSnapshots(raft);
  raft.heartbeatElapsed++;
  raft.electionElapsed++;
  if (raft.electionElapsed >= raft.config.electionTick) {
    raft.electionElapsed = 0;
    if (raft.checkQuorum) local(raft, MessageType.MsgCheckQuorum);
    // A transfer that has not succeeded by now is given up, so that proposals are taken again (thesis §3.10).
    if (raft.state === StateType.Leader) raft.leadTransferee = None;
    leaveJointConfig(raft);
  }
  if (raft.state !== StateType.Leader || raft.heartbeatElapsed < raft.config.heartbeatTick) return;
  raft.heartbeatElapsed = 0;
  local(raft, MessageType.MsgBeat);
}

function local(raft: Raft, type: typeof MessageType.MsgCheckQuorum | typeof MessageType.MsgBeat): void {
  leaderHandlers[type]?.(raft, new Message(type, { from: raft.id }));
}
