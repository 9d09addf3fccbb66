/**
 * The nouns of Raft as plain data.
 *
 * Indexes, terms and node ids are `number`, asserted to be safe integers at every boundary (see
 * `assertSafeInteger` in `invariants.ts`); a larger value is refused with `OUT_OF_RANGE`.
 * All byte payloads are `Uint8Array`. Nobody mutates an entry, a message or a payload after handing
 * it over: owners share, they do not copy.
 */

/** Identifies a member of one cluster. Never 0 and never reused. */
export type NodeId = number;
/** Election period (paper §5.1). Starts at 0, only ever grows. */
export type Term = number;
/** Position in the log. The first entry has index 1; 0 means "before the log". */
export type LogIndex = number;

/** The absent node: no leader, no vote. */
export const None: NodeId = 0;

/** No byte limit. */
export const NoLimit: number = Number.MAX_SAFE_INTEGER;

export const EntryType = {
  Normal: 0,
  ConfChange: 1,
  ConfChangeV2: 2,
} as const;
export type EntryType = (typeof EntryType)[keyof typeof EntryType];

/** The one empty payload, so that empty data never allocates. */
export const EmptyBytes: Uint8Array = new Uint8Array(0);

/**
 * One log entry. A class, so that every entry has the same hidden shape on the hot path.
 * `data` is empty for the no-op that a new leader appends (paper §8).
 * `context` is raft-rs's per-entry blob; empty unless a caller of `propose` gave one.
 *
 * The entries of a decoded message say the same, but not as properties of their own: before one is cloned,
 * posted to a thread (both throw otherwise), spread or compared by properties, take `plainEntry` of it. A `RaftNode`
 * has done so before its store, its transport and its state machine see any.
 */
export class Entry {
  readonly term: Term;
  readonly index: LogIndex;
  readonly type: EntryType;
  readonly data: Uint8Array;
  readonly context: Uint8Array;
  constructor(
    term: Term,
    index: LogIndex,
    type: EntryType = EntryType.Normal,
    data: Uint8Array = EmptyBytes,
    context: Uint8Array = EmptyBytes,
  ) {
    this.term = term;
    this.index = index;
    this.type = type;
    this.data = data;
    this.context = context;
  }
}

/**
 * What must be on disk before a vote or an acknowledgement leaves (paper Figure 2, "persistent state"),
 * and the commit index, which may trail on disk.
 */
export interface HardState {
  readonly term: Term;
  readonly vote: NodeId;
  readonly commit: LogIndex;
}

export const EmptyHardState: HardState = Object.freeze({ term: 0, vote: None, commit: 0 });

/** What changes without being persisted. */
export interface SoftState {
  readonly leader: NodeId;
  readonly state: StateType;
}

export const StateType = {
  Follower: 0,
  Candidate: 1,
  Leader: 2,
  PreCandidate: 3,
} as const;
export type StateType = (typeof StateType)[keyof typeof StateType];

/**
 * The membership at one index (thesis §4.3). `votersOutgoing` is non-empty only in a joint
 * configuration; `learnersNext` are voters of the outgoing half that become learners on leaving it.
 * All lists are sorted ascending without duplicates.
 */
export interface ConfState {
  readonly voters: readonly NodeId[];
  readonly votersOutgoing: readonly NodeId[];
  readonly learners: readonly NodeId[];
  readonly learnersNext: readonly NodeId[];
  readonly autoLeave: boolean;
}

export const EmptyConfState: ConfState = Object.freeze({
  voters: Object.freeze([]),
  votersOutgoing: Object.freeze([]),
  learners: Object.freeze([]),
  learnersNext: Object.freeze([]),
  autoLeave: false,
});

/** What a snapshot covers: everything up to and including `index`; `confState` is the one AT `index`. */
export interface SnapshotMetadata {
  readonly index: LogIndex;
  readonly term: Term;
  readonly confState: ConfState;
}

/**
 * A snapshot as raft-core sees it. `data` is opaque to the core; in the runtime it carries the
 * encoded description of chunks that travel beside the message (size, chunk count, digest), never
 * the state itself.
 */
export interface Snapshot {
  readonly metadata: SnapshotMetadata;
  readonly data: Uint8Array;
}

export const ConfChangeType = {
  AddNode: 0,
  RemoveNode: 1,
  UpdateNode: 2,
  AddLearnerNode: 3,
} as const;
export type ConfChangeType = (typeof ConfChangeType)[keyof typeof ConfChangeType];

export const ConfChangeTransition = {
  /** Simple change when one voter changes, else joint with automatic leave. */
  Auto: 0,
  /** Joint, left automatically once applied. */
  Implicit: 1,
  /** Joint, left only by an explicit empty change. */
  Explicit: 2,
} as const;
export type ConfChangeTransition = (typeof ConfChangeTransition)[keyof typeof ConfChangeTransition];

export interface ConfChangeSingle {
  readonly type: ConfChangeType;
  readonly nodeId: NodeId;
}

/** The original one-at-a-time membership change (thesis §4.1). */
export interface ConfChangeV1 {
  readonly version: 1;
  readonly id: number;
  readonly type: ConfChangeType;
  readonly nodeId: NodeId;
  readonly context: Uint8Array;
}

/** A membership change that may be joint (thesis §4.3). No changes at all means "leave joint". */
export interface ConfChangeV2 {
  readonly version: 2;
  readonly transition: ConfChangeTransition;
  readonly changes: readonly ConfChangeSingle[];
  readonly context: Uint8Array;
}

export type ConfChange = ConfChangeV1 | ConfChangeV2;
