/**
 * raft-rs's commit by vote: vote requests and refusals say up to where their sender knows the log committed, and
 * under which term. Whoever has that very entry has the same log up to it (paper §5.3, Log Matching), so it
 * may commit it without waiting for a leader: a cluster that loses its leader soon after a commit does not
 * sit on entries that some already applied.
 */
import type { Message } from './message.ts';
import type { Raft } from './raft.ts';
import { None, StateType } from './types.ts';

/** Adds what this member knows to be committed. */
export function sayCommit(raft: Raft, message: Message): Message {
  if (raft.config.commitByVote) {
    message.commit = raft.log.committed;
    message.commitTerm = raft.log.term(raft.log.committed) ?? 0;
  }
  return message;
}

/** Commits what the sender of a vote request or a refusal says is committed. */
export function commitByVote(raft: Raft, message: Message): void {
  const { commit, commitTerm } = message;
  if (!raft.config.commitByVote || raft.state === StateType.Leader || commitTerm === 0) return;
  if (!raft.log.maybeCommit(commitTerm, commit)) return;
  const candidate = raft.state === StateType.Candidate || raft.state === StateType.PreCandidate;
  // The quorum that it counts by may be out of date: a candidate never campaigns past a change that it has to apply.
  if (candidate && raft.log.hasUnappliedConfChange()) raft.becomeFollower(raft.term, None);
}
