/** Membership changes: what they say, and which of them a leader must not propose. */
import {
  BalsaError,
  ConfChangeType,
  type ConfChange,
  type ConfChangeSingle,
  type ConfState,
  type NodeId,
  type PeerProgress,
  type RaftCore,
  type Status,
  type Transport,
} from '@balsa/raft-core';
import type { AddressBook } from './address-book.ts';
import { decodeConfContext } from './conf-context.ts';
import type { ProposalBody } from './forwarding.ts';
import { refusalOfAddress, type NodeSettings } from './options.ts';
import type { MemberStatus } from './status.ts';

export function allIds(confState: ConfState): Set<NodeId> {
  const { voters, votersOutgoing, learners, learnersNext } = confState;
  return new Set([...voters, ...votersOutgoing, ...learners, ...learnersNext]);
}

/** Whether this node was a member and is none any more. One that is yet to be added reads of memberships without it, too. */
export function isRemoved(confState: ConfState, id: NodeId, book: Pick<AddressBook, 'wasRemoved'>): boolean {
  return book.wasRemoved(id) && !allIds(confState).has(id);
}

export function membersOf(confState: ConfState, book: AddressBook): MemberStatus[] {
  const voting = new Set([...confState.voters, ...confState.votersOutgoing]);
  return [...allIds(confState)]
    .sort((a, b) => a - b)
    .map((id) => ({ id, address: book.address(id) ?? '', kind: voting.has(id) ? 'voter' : 'learner' }));
}

/**
 * Ids that are used up once a change has led from one membership to another. Not those that leave with a joint
 * membership: until that is left their votes are needed, and so is their address.
 */
export function removedBy(change: ConfChange, before: ConfState | undefined, after: ConfState): NodeId[] {
  const changes: readonly ConfChangeSingle[] = change.version === 1 ? [change] : change.changes;
  const named = changes.filter(({ type }) => type === ConfChangeType.RemoveNode).map(({ nodeId }) => nodeId);
  const present = allIds(after);
  const ids = new Set([...named, ...(before === undefined ? [] : allIds(before))]);
  return [...ids].filter((id) => !present.has(id));
}

/** What a leader judges a membership change by. */
export interface Leading {
  readonly core: RaftCore;
  readonly book: AddressBook;
  readonly settings: Pick<NodeSettings, 'limits'>;
}

/** Throws when a leader must not, or not yet, propose the change. */
export function admitChange(
  body: ProposalBody & { kind: 'change' },
  { core, book, settings }: Leading,
  transport: Pick<Transport, 'checkAddress'>,
): void {
  checkAddresses(body, transport);
  checkChange(body, core.status(), book, settings.limits.maxPromoteLag);
  leaveBeforeRemoval(body, core);
}

/** Once committed, an address that cannot be used would stay with every member. */
function checkAddresses(
  body: ProposalBody & { kind: 'change' },
  transport: Pick<Transport, 'checkAddress'>,
): void {
  for (const { id, address } of decodeConfContext(body.context)?.members ?? []) {
    const refusal = refusalOfAddress(address, transport);
    if (refusal !== undefined) refuse(`node ${String(id)} cannot be reached: ${refusal}`);
  }
}

/** Throws `CONF_CHANGE_INVALID` with the reason. What the core itself refuses is not repeated here. */
function checkChange(
  body: ProposalBody & { kind: 'change' },
  status: Status,
  book: AddressBook,
  maxPromoteLag: number,
): void {
  const { confState } = status;
  const present = allIds(confState);
  const told = new Set(decodeConfContext(body.context)?.members.map((member) => member.id));
  const voters = new Set(confState.voters);
  if (body.changes.length === 0) refuse('it changes nothing');
  for (const { type, nodeId } of body.changes) {
    if (type === ConfChangeType.RemoveNode) {
      if (!present.has(nodeId)) refuse(`node ${String(nodeId)} is not a member`);
      voters.delete(nodeId);
      continue;
    }
    if (book.wasRemoved(nodeId))
      refuse(`node ${String(nodeId)} was removed, and ids are not reused: give the node a new id`);
    if (!present.has(nodeId) && !told.has(nodeId) && book.address(nodeId) === undefined)
      refuse(`the address of node ${String(nodeId)} is not known`);
    if (type === ConfChangeType.AddLearnerNode) {
      if (confState.learners.includes(nodeId)) refuse(`node ${String(nodeId)} is a learner already`);
      voters.delete(nodeId);
      continue;
    }
    if (confState.voters.includes(nodeId)) refuse(`node ${String(nodeId)} is a voter already`);
    if (confState.learners.includes(nodeId)) checkLag(nodeId, status, maxPromoteLag);
    voters.add(nodeId);
  }
  if (voters.size === 0) refuse('no voter would be left');
}

/**
 * A leader that is to be removed hands over first. Else, with two voters, the one that stays might never
 * learn that the removal is committed, and could not be elected without the one that is gone.
 */
function leaveBeforeRemoval(body: ProposalBody & { kind: 'change' }, core: RaftCore): void {
  const { id, progress } = core.status();
  const removed = new Set(
    body.changes.filter(({ type }) => type === ConfChangeType.RemoveNode).map(({ nodeId }) => nodeId),
  );
  const to = removed.has(id) ? successor(progress, new Set([id, ...removed])) : undefined;
  if (to === undefined) return;
  core.transferLeader(to);
  throw new BalsaError(
    'NOT_LEADER',
    `node ${String(id)}, which is to be removed, hands leadership to node ${String(to)} first: ask again`,
    {
      details: { leader: to },
    },
  );
}

/** The voter with the most of the log; one that was heard of lately, if there is any. */
export function successor(
  progress: readonly PeerProgress[],
  except: ReadonlySet<NodeId>,
): NodeId | undefined {
  const voters = progress.filter(({ id, learner }) => !learner && !except.has(id));
  voters.sort((a, b) => Number(b.recentActive) - Number(a.recentActive) || b.match - a.match || a.id - b.id);
  return voters[0]?.id;
}

/** A voter that lags may keep the cluster from committing anything until it has caught up (thesis §4.2.1). */
function checkLag(id: NodeId, status: Status, maxLag: number): void {
  const match = status.progress.find((peer) => peer.id === id)?.match ?? 0;
  if (match === 0)
    refuse(
      `learner ${String(id)} has not answered yet, so that nothing is known to have reached it: see that it runs and can be reached, and ask again`,
    );
  const lag = status.lastIndex - match;
  if (lag > maxLag)
    refuse(
      `learner ${String(id)} still lags ${String(lag)} entries behind, at most ${String(maxLag)} are allowed: wait until it has caught up`,
    );
}

function refuse(why: string): never {
  throw new BalsaError('CONF_CHANGE_INVALID', `the membership change is refused: ${why}`);
}
