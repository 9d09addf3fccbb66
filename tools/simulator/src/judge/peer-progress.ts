/** What a leader knows of a peer: a refusal is no reason to think that it has less than it acknowledged. */
import {
  MessageType,
  StateType,
  type Message,
  type NodeId,
  type PeerProgress,
  type RaftCore,
} from '@balsa/raft-core';
import type { Rule } from './violation.ts';

function progressOf(core: RaftCore, peer: NodeId): PeerProgress | undefined {
  return core.status().progress.find(({ id }) => id === peer);
}

/** What a leader knows of a peer that refuses an append now; undefined for any other message. */
export function refusedProgress(
  core: RaftCore,
  { type, reject, term, from }: Message,
): PeerProgress | undefined {
  const refused = type === MessageType.MsgAppResp && reject && core.state === StateType.Leader;
  return refused && term === core.term ? progressOf(core, from) : undefined;
}

/** What a leader knows of a peer whose acknowledgement is of an earlier term; undefined for any other message. */
export function outdatedProgress(
  core: RaftCore,
  { type, reject, term, from }: Message,
): PeerProgress | undefined {
  const outdated = type === MessageType.MsgAppResp && !reject && term < core.term && term !== 0;
  return outdated && core.state === StateType.Leader ? progressOf(core, from) : undefined;
}

/** What the peer acknowledged in an earlier term may have been overwritten since: it proves nothing. */
export function outdatedFault(
  core: RaftCore,
  before: PeerProgress,
): { readonly rule: Rule; readonly text: string } | undefined {
  const match = progressOf(core, before.id)?.match ?? 0;
  if (match <= before.match) return undefined;
  const text = `counts up to ${match} what node ${before.id} acknowledged in an earlier term; before, it was up to ${before.match}`;
  return { rule: 'I7 CommittedOnDurableQuorum', text };
}

/** What is wrong with what it knows after the refusal, if anything. */
export function progressFault(
  core: RaftCore,
  before: PeerProgress,
): { readonly rule: Rule; readonly text: string } | undefined {
  const after = progressOf(core, before.id);
  if (after === undefined) return undefined;
  if (after.match < before.match) {
    const text = `went back from match ${before.match} of node ${before.id} to ${after.match}`;
    return { rule: 'I8 Monotonic', text };
  }
  if (after.next > after.match) return undefined;
  const text = `would send ${after.next} next to node ${before.id}, which has acknowledged ${after.match}`;
  return { rule: 'I9 Ordering', text };
}
