/**
 * etcd's way to found a cluster: the first members as committed entries of term 1, the same on all of them.
 *
 * Better is a store that begins behind index 1 with the membership in its conf state, as the runtime does it:
 * whoever joins later then gets a snapshot, and the founding is durable before anything runs.
 */
import { applyConfChange } from './membership.ts';
import { asV2 } from './conf-change/conf-change.ts';
import { encodeConfChange } from './codec/conf-change.ts';
import { BalsaError } from './errors.ts';
import type { Raft } from './raft.ts';
import { ConfChangeType, EmptyBytes, Entry, None, type ConfChange, type NodeId } from './types.ts';

/** A first member. */
export interface Peer {
  readonly id: NodeId;
  /** Becomes the context of its membership change. */
  readonly context?: Uint8Array;
}

/** Appends and commits one membership change for each peer. Throws `INVALID_ARGUMENT`, with nothing changed. */
export function bootstrap(raft: Raft, peers: readonly Peer[]): void {
  const { log } = raft;
  if (log.lastIndex > 0 || raft.term > 0 || raft.tracker.progress.size > 0)
    throw new BalsaError(
      'INVALID_ARGUMENT',
      `node ${raft.name} is not new: only an empty log can be bootstrapped`,
    );
  const ids = new Set(peers.map(({ id }) => id));
  if (ids.size === 0 || ids.size < peers.length || ids.has(None))
    throw new BalsaError(
      'INVALID_ARGUMENT',
      'the first members must be at least one, with ids that differ and are not 0',
    );
  const changes = peers.map(({ id, context = EmptyBytes }): ConfChange => ({
    version: 1,
    id: 0,
    type: ConfChangeType.AddNode,
    nodeId: id,
    context,
  }));
  raft.becomeFollower(1, None);
  log.append(
    changes.map((change, i) => {
      const { type, data } = encodeConfChange(change);
      return new Entry(1, i + 1, type, data);
    }),
  );
  log.commitTo(log.lastIndex);
  // They count at once; applying the entries later changes nothing.
  for (const change of changes) applyConfChange(raft, asV2(change));
}
