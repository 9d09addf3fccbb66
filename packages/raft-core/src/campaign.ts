/** Starting and counting elections (paper §5.2, pre-vote: thesis §9.6). */
import { sayCommit } from './commit-by-vote.ts';
import { Message, MessageType } from './message.ts';
import { hex, messageTypeName } from './names.ts';
import type { Raft } from './raft.ts';
import type { Tally } from './tracker/tracker.ts';
import { EmptyBytes, StateType, type NodeId } from './types.ts';

export const CampaignType = { PreElection: 0, Election: 1, Transfer: 2 } as const;
export type CampaignType = (typeof CampaignType)[keyof typeof CampaignType];

/** Marks the vote requests of a transfer, which a lease does not stop (thesis §4.2.3). The ASCII bytes of "CampaignTransfer". */
const transferContext: Uint8Array = Uint8Array.from('CampaignTransfer', (c) => c.charCodeAt(0));

export function isTransferContext(context: Uint8Array): boolean {
  return context.length === transferContext.length && context.every((byte, i) => byte === transferContext[i]);
}

/** Campaigns if this member may. */
export function hup(raft: Raft, type: CampaignType): void {
  if (raft.state === StateType.Leader) {
    if (raft.debugOn) raft.debug(`${raft.name} ignoring MsgHup because already leader`);
    return;
  }
  if (!raft.promotable()) {
    raft.warn(`${raft.name} is unpromotable and can not campaign`);
    return;
  }
  if (raft.log.hasUnappliedConfChange()) {
    // Its own membership may be out of date: it could win by a quorum that is none.
    raft.warn(
      `${raft.name} cannot campaign at term ${String(raft.term)} since there are still pending configuration changes to apply`,
    );
    return;
  }
  if (raft.infoOn) raft.info(`${raft.name} is starting a new election at term ${String(raft.term)}`);
  campaign(raft, type);
}

export function campaign(raft: Raft, type: CampaignType): void {
  const preVote = type === CampaignType.PreElection;
  if (preVote) raft.becomePreCandidate();
  else raft.becomeCandidate();
  // A pre-vote asks about the term that it would begin.
  const term = preVote ? raft.term + 1 : raft.term;
  const request = preVote ? MessageType.MsgPreVote : MessageType.MsgVote;
  const response = preVote ? MessageType.MsgPreVoteResp : MessageType.MsgVoteResp;
  const context = type === CampaignType.Transfer ? transferContext : EmptyBytes;
  const { lastIndex, lastTerm } = raft.log;
  for (const id of raft.tracker.voterNodes()) {
    if (id === raft.id) {
      // The own vote counts once it is durable: it goes the same way as an answer from a peer.
      raft.send(new Message(response, { to: id, term }));
      continue;
    }
    if (raft.infoOn) {
      raft.info(
        `${raft.name} [logterm: ${String(lastTerm)}, index: ${String(lastIndex)}] sent ${messageTypeName(request)} request to ${hex(id)} at term ${String(raft.term)}`,
      );
    }
    const { priority } = raft;
    const fields = { to: id, term, index: lastIndex, logTerm: lastTerm, context, priority };
    raft.send(sayCommit(raft, new Message(request, fields)));
  }
}

/** Counts one vote and says how the election stands. */
export function poll(raft: Raft, from: NodeId, type: MessageType, granted: boolean): Tally {
  if (raft.infoOn) {
    const what = granted ? messageTypeName(type) : `${messageTypeName(type)} rejection`;
    raft.info(`${raft.name} received ${what} from ${hex(from)} at term ${String(raft.term)}`);
  }
  raft.tracker.recordVote(from, granted);
  return raft.tracker.tallyVotes();
}
