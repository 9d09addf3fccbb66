/**
 * RaftCore: the core as its driver sees it. `RawNode` is the implementation.
 *
 * A pure state machine: the same calls in the same order give the same Readys, byte for byte. No call
 * awaits, reads a clock, or throws because of what a remote peer sent (that is refused with a code).
 * A broken invariant throws `INVARIANT_BROKEN`; the driver then stops the node for good.
 *
 * One loop drives it: put inputs in (tick, step, propose, ...), and while `hasReady()`, take a `ready()`
 * and do its work in the order that `Ready` says.
 */
import type { Message } from './message.ts';
import type {
  ConfChange,
  ConfState,
  Entry,
  HardState,
  LogIndex,
  NodeId,
  Snapshot,
  SoftState,
  StateType,
  Term,
} from './types.ts';

/** A read that may be served once `index` is applied. */
export interface ReadState {
  readonly index: LogIndex;
  /** What was given to `readIndex`. */
  readonly context: Uint8Array;
}

/** Entries or a snapshot that are not in memory. Each is answered exactly once, in any order, by `fetched`, `snapshotReady` or `fetchFailed`. */
export type Fetch =
  | {
      readonly id: number;
      readonly purpose: 'send';
      readonly to: NodeId;
      readonly low: LogIndex;
      readonly high: LogIndex;
      readonly maxBytes: number;
    }
  | {
      readonly id: number;
      readonly purpose: 'apply';
      readonly low: LogIndex;
      readonly high: LogIndex;
      readonly maxBytes: number;
    }
  | { readonly id: number; readonly purpose: 'snapshot'; readonly to: NodeId; readonly minIndex: LogIndex };

/**
 * Work to do now.
 *
 * Asynchronous mode (`asyncStorageWrites`): all of it is in `messages`, which leave at once and in order:
 * - to `LocalAppendThread` (MsgStorageAppend): persist, in order of arrival, its `entries` (replacing the
 *   suffix), its hard state (`term`, `vote`, `commit`; absent when all three are 0) and its `snapshot`
 *   (installed in the log AND restored into the state machine before the answer). When durable, deliver
 *   its `responses`: those addressed to this node by `step`, the others through the transport. One
 *   without responses need not be durable at once.
 * - to `LocalApplyThread` (MsgStorageApply): apply its `entries` in order, calling `applyConfChange` for
 *   membership changes, then deliver its `responses` by `step`. Entries at or below what the state machine
 *   already contains are skipped, `applyConfChange` included: a snapshot may have overtaken them.
 * - the rest through the transport; but hold a MsgVote back until the MsgStorageAppend beside it is durable. As in etcd,
 *   the core counts its own vote only then, yet the others alone can elect it: a crash would make it forget that it led
 *   that term, and it could lead the same term once more, with other entries at the same places.
 * Work of one thread is done in order; there is no order between the two. The other fields repeat what
 * the messages hold, for logging.
 *
 * Synchronous mode: persist `entries`, `hardState` and `snapshot`, then send `messages`, apply
 * `committedEntries`, then call `advance(ready)`.
 */
export interface Ready {
  /** Increasing by one from 1. */
  readonly number: number;
  /** When changed. */
  readonly softState: SoftState | undefined;
  /** When changed. */
  readonly hardState: HardState | undefined;
  /** Reads that are confirmed. */
  readonly readStates: readonly ReadState[];
  /** To be persisted; they replace the stored suffix from the first one's index. */
  readonly entries: readonly Entry[];
  /** To be installed in the store and restored into the state machine, before `entries`. */
  readonly snapshot: Snapshot | undefined;
  /** To be applied, in order. At most `maxCommittedSizePerReady` bytes, or one entry. */
  readonly committedEntries: readonly Entry[];
  /** To be sent, in this order for each receiver; the network may lose, repeat and reorder them. */
  readonly messages: readonly Message[];
  /** Whether `entries` and `hardState` must be durable before messages that depend on them leave. */
  readonly mustSync: boolean;
  /** To be read from the store and answered, each once. At most one of a kind for each peer is out. */
  readonly fetches: readonly Fetch[];
}

export const ProgressState = { Probe: 0, Replicate: 1, Snapshot: 2 } as const;
export type ProgressState = (typeof ProgressState)[keyof typeof ProgressState];

export interface PeerProgress {
  readonly id: NodeId;
  /** The member has the log up to here, durably. */
  readonly match: LogIndex;
  /** The next entry to send. */
  readonly next: LogIndex;
  readonly state: ProgressState;
  readonly learner: boolean;
  /** Something was heard of it since the last check of the quorum. */
  readonly recentActive: boolean;
  /** No appends until an answer comes, or a snapshot has arrived. */
  readonly paused: boolean;
  /** Index of the snapshot under way; 0 when none. */
  readonly pendingSnapshot: LogIndex;
  /** Appends that it has not answered; at most `maxInflightMsgs`. */
  readonly inflightMessages: number;
  /** As far as the member said; 0 without `RaftConfig.reportCommitIndex`. */
  readonly committed: LogIndex;
}

/** What does not grow with the membership. */
export interface BasicStatus {
  readonly id: NodeId;
  readonly term: Term;
  readonly vote: NodeId;
  readonly leader: NodeId;
  readonly state: StateType;
  readonly commit: LogIndex;
  readonly applied: LogIndex;
  readonly firstIndex: LogIndex;
  readonly lastIndex: LogIndex;
  /** Where a transfer is heading; 0 when none. */
  readonly leadTransferee: NodeId;
}

export interface Status extends BasicStatus {
  readonly confState: ConfState;
  /** Leader only, else empty; in order of id. */
  readonly progress: readonly PeerProgress[];
}

export interface RaftCore {
  /** One unit of logical time: timeouts are counted in these. How long one lasts is the driver's to say, and alike on all members. */
  tick(): void;

  /**
   * Ticks whose time has passed, but that did not come because the process stood still or was late. They count for the
   * lease of reads and for nothing else. Where `ReadOnlyOption.LeaseBased` is used they are told before any other input.
   */
  missedTicks(count: number): void;
  /** Starts an election now (pre-vote first, where that is on). */
  campaign(): void;
  /**
   * Leader: appends; follower: forwards, unless told not to. That it was taken is no promise: it is committed when it
   * comes back in `committedEntries`, and may be lost with a leader. Throws `PROPOSAL_DROPPED` when it is not taken:
   * without a leader, during a transfer, by a node that is no member, or beyond `maxUncommittedEntriesSize` bytes.
   * The payload is shared, not copied. Its size has no bound here: the driver holds to `maxEntryBytes`.
   */
  propose(data: Uint8Array, context?: Uint8Array): void;
  /** Several payloads as one proposal, in order: all are taken or none is. An empty list does nothing. Throws `PROPOSAL_DROPPED`. */
  proposeBatch(payloads: readonly Uint8Array[]): void;
  /** As `propose`. A change that the present membership does not allow is replaced by a no-op: watch what is applied. */
  proposeConfChange(change: ConfChange, context?: Uint8Array): void;
  /**
   * To be called when a committed membership change is applied; the new membership counts from here on.
   * With no voters or learners changed (all node ids 0) it is a no-op, and so it is while a received snapshot
   * waits to be installed, since that contains it. Throws `CONF_CHANGE_INVALID`.
   */
  applyConfChange(change: ConfChange): ConfState;
  /** Delivers a message. Throws `STEP_LOCAL_MSG`, `STEP_PEER_NOT_FOUND`, `STEP_INVALID_MESSAGE` or `PROPOSAL_DROPPED`; nothing has changed then. */
  step(message: Message): void;
  /** Whether `ready` has anything to say. Cheap. */
  hasReady(): boolean;
  /** Takes all work that has gathered; it is not handed out again. See `Ready` for the order in which to do it. */
  ready(): Ready;
  /** Synchronous mode only: the work of the last Ready is done, writes durable and entries applied. Once for each Ready, before the next. */
  advance(ready: Ready): void;
  /** Asks for a linearizable read; the answer is a ReadState with this context. Contexts must be unique. May be lost: ask again. */
  readIndex(context: Uint8Array): void;
  /** Leader: hands over to a voter once that has the whole log; given up after an election timeout. Follower: asks the leader to. Proposals are dropped meanwhile. */
  transferLeader(to: NodeId): void;
  /** A follower forgets its leader, so that it may vote at once. */
  forgetLeader(): void;
  /** Leader: a message to `id` was lost for sure. It sends one append at a time there until something is heard. */
  reportUnreachable(id: NodeId): void;
  /** The snapshot sent to `id` was stored there (`ok`) or was not. Must be called for every MsgSnap. */
  reportSnapshot(id: NodeId, ok: boolean): void;
  /** The store has dropped entries <= index, durably. Lower indexes than before do nothing. Throws `OUT_OF_RANGE` beyond the applied index. */
  compacted(index: LogIndex): void;
  /** Answers a fetch of purpose `send` or `apply`. A result that has been overtaken is dropped. */
  fetched(id: number, entries: readonly Entry[]): void;
  /** Answers a fetch of purpose `snapshot`. */
  snapshotReady(id: number, snapshot: Snapshot): void;
  /** A fetch could not be answered now. `compacted`: the entries are gone; `unavailable`: try again later. */
  fetchFailed(id: number, reason: 'compacted' | 'unavailable'): void;
  /** A copy, for people and metrics: it grows with the membership. */
  status(): Status;
  /** Cheap parts of `status`, without allocation. */
  readonly term: Term;
  readonly leader: NodeId;
  readonly state: StateType;
  readonly committed: LogIndex;
  readonly applied: LogIndex;
  readonly lastIndex: LogIndex;
  /** Leader: whether a membership change may be under way, so that no other one is taken. */
  readonly hasPendingConf: boolean;
}
