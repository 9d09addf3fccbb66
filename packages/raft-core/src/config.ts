/** What a core is told at its birth. Every field's bound and unit is here. */
import { BalsaError } from './errors.ts';
import type { Logger } from './contracts/env.ts';
import type { Tracer } from './trace.ts';
import type { OutlineData } from './outline.ts';
import type { ConfState, Entry, HardState, LogIndex, NodeId, Snapshot } from './types.ts';

export const ReadOnlyOption = {
  /** A round of heartbeats confirms leadership for each batch of reads (thesis §6.4). */
  Safe: 0,
  /**
   * The leader answers from its lease (thesis §6.4.1), and like `Safe` while it holds none. Needs `checkQuorum`,
   * ticks whose rates differ by less than a tenth between members, and a driver that ticks for time that has
   * passed before it asks to read: after a pause of the process, say.
   */
  LeaseBased: 1,
} as const;
export type ReadOnlyOption = (typeof ReadOnlyOption)[keyof typeof ReadOnlyOption];

/**
 * Synchronous access to what happens to be in somebody's memory. Tried before a fetch is asked for;
 * `undefined` means "not resident" and turns into a fetch.
 */
export interface LogPeek {
  /** As `Storage.entries`: a non-empty clean prefix of `[low, high)` within `maxBytes`, or undefined. */
  entries(low: LogIndex, high: LogIndex, maxBytes: number): readonly Entry[] | undefined;
  /** The newest snapshot at or above `minIndex`, or undefined. */
  snapshot(minIndex: LogIndex, to: NodeId): Snapshot | undefined;
}

export interface RaftConfig {
  /** This node. Not 0, not a local thread id. */
  readonly id: NodeId;
  /** Ticks of silence before a follower campaigns. Greater than `heartbeatTick`. Default 10. */
  readonly electionTick: number;
  /** Ticks between heartbeats. At least 1. Default 1. */
  readonly heartbeatTick: number;
  /** Applied index at start: what the state machine already contains. Default 0 (then: the snapshot or boundary index). */
  readonly applied: LogIndex;
  /** Bytes of entries in one append; 0 means one entry at a time. Default 1 MiB. */
  readonly maxSizePerMsg: number;
  /** Bytes of committed entries handed out and not yet reported applied. 0 means `maxSizePerMsg`. Default 4 MiB. */
  readonly maxCommittedSizePerReady: number;
  /** Leader: bytes of proposals not yet committed, above which proposals are dropped; 0 means no limit. Default 64 MiB. */
  readonly maxUncommittedEntriesSize: number;
  /** Appends in flight to one peer. At least 1. Default 256. */
  readonly maxInflightMsgs: number;
  /** Bytes in flight to one peer; soft, one message may overshoot; 0 means no limit. Default 16 MiB. */
  readonly maxInflightBytes: number;
  /**
   * Bytes of recent, already persisted entries that the core keeps for sending and applying, as `entrySize` counts
   * them. Default 16 MiB. An entry of a decoded message keeps the whole buffer alive that it was decoded from, so that
   * what is really held is the buffers of the kept entries: as much again and the rest of their messages where each
   * message has a buffer of its own; up to a whole buffer for each kept entry where many share one.
   */
  readonly entryCacheBytes: number;
  /**
   * Of those, how many that are applied already: they are needed by members that are behind only. Default: no bound but
   * that of bytes.
   */
  readonly entryCacheApplied: number;
  /** Leader steps down when it heard from no quorum for an election timeout (thesis §6.2). Default true. */
  readonly checkQuorum: boolean;
  /** Ask before raising the term (thesis §9.6). Default true. */
  readonly preVote: boolean;
  /** Default `Safe`. */
  readonly readOnlyOption: ReadOnlyOption;
  /** A follower drops proposals instead of forwarding them. Default false. */
  readonly disableProposalForwarding: boolean;
  /** Do not check membership changes when they are proposed. Default false. */
  readonly disableConfChangeValidation: boolean;
  /**
   * A leader that is removed or demoted becomes a follower as soon as it applies the change. Default true.
   * Its successor must have learned that the change is committed: when two voters become one, and the one that
   * goes is the leader and fails first, the other waits for its vote. So transfer leadership before removing a leader.
   */
  readonly stepDownOnRemoval: boolean;
  /** The least election timeout in ticks, at least `electionTick`; 0 means `electionTick`. Default 0. */
  readonly minElectionTick: number;
  /** Above every election timeout in ticks, greater than the least; 0 means twice `electionTick`. Default 0. */
  readonly maxElectionTick: number;
  /** A voter refuses candidates of lower priority than its own, unless their log is longer. Default 0. */
  readonly priority: number;
  /** Entries for a peer join an append to it that has not left yet, within `maxSizePerMsg`. Default false. */
  readonly batchAppend: boolean;
  /**
   * Followers learn the commit index with the next entries or heartbeat, not by messages of its own: fewer
   * messages, later reads on followers. While a membership change is pending they are told as usual. Default false.
   */
  readonly skipBcastCommit: boolean;
  /**
   * Vote requests and refusals carry the sender's commit index and its term: whoever has that entry commits it
   * at once. A candidate that learns of a committed membership change in this way steps back. Default false.
   */
  readonly commitByVote: boolean;
  /** Acknowledgements and heartbeat responses carry the sender's commit index, which the leader then knows. Default false. */
  readonly reportCommitIndex: boolean;
  /** The answer to a read that a follower forwarded moves its commit index too, when it has that entry. Default false. */
  readonly commitByReadIndex: boolean;
  /**
   * Asynchronous mode, leader: how many committed entries may be applied before they are durable here; a quorum
   * has them. Only for state machines that lose their state with the process: a persistent one could find itself
   * ahead of its log. Ends with the leadership. Default 0.
   */
  readonly maxApplyUnpersistedLogLimit: number;
  /**
   * Ticks after which a leader takes a snapshot that it sent for lost and sends one again, unless `reportSnapshot`
   * or an acknowledgement came before; 0 means never: then every MsgSnap must be reported. Default 0.
   */
  readonly snapshotTimeoutTicks: number;
  /** Storage work goes out as MsgStorageAppend and MsgStorageApply. Default true. */
  readonly asyncStorageWrites: boolean;
  /** Uniform in [0, 1); draws the election timeouts. */
  readonly random: () => number;
  readonly logger: Logger;
  readonly peek: LogPeek | undefined;
  /** Is told what this member does, event by event: see `TraceEvent`. Default undefined, which costs nothing. */
  readonly tracer: Tracer | undefined;
}

/** What the core starts from: as `Storage.open` reported it, with `commit` raised by the runtime when the state machine knows better. */
export interface RaftInitialState {
  readonly hardState: HardState;
  readonly confState: ConfState;
  readonly outline: OutlineData;
}

/** Defaults of everything that has one. */
export const defaultConfig: Omit<RaftConfig, 'id' | 'random' | 'logger'> = Object.freeze({
  electionTick: 10,
  heartbeatTick: 1,
  applied: 0,
  maxSizePerMsg: 1024 * 1024,
  maxCommittedSizePerReady: 4 * 1024 * 1024,
  maxUncommittedEntriesSize: 64 * 1024 * 1024,
  maxInflightMsgs: 256,
  maxInflightBytes: 16 * 1024 * 1024,
  entryCacheBytes: 16 * 1024 * 1024,
  entryCacheApplied: Number.MAX_SAFE_INTEGER,
  checkQuorum: true,
  preVote: true,
  readOnlyOption: ReadOnlyOption.Safe,
  disableProposalForwarding: false,
  disableConfChangeValidation: false,
  stepDownOnRemoval: true,
  minElectionTick: 0,
  maxElectionTick: 0,
  priority: 0,
  batchAppend: false,
  skipBcastCommit: false,
  commitByVote: false,
  reportCommitIndex: false,
  commitByReadIndex: false,
  maxApplyUnpersistedLogLimit: 0,
  snapshotTimeoutTicks: 0,
  asyncStorageWrites: true,
  peek: undefined,
  tracer: undefined,
});

/** Refuses, with `INVALID_CONFIG` naming the field, what cannot work. */
export function validateConfig(config: RaftConfig): void {
  const refuse = (field: keyof RaftConfig, must: string): never => {
    throw new BalsaError(
      'INVALID_CONFIG',
      `${field} must be ${must}, but is ${JSON.stringify(config[field])}`,
      { details: { field } },
    );
  };
  const integer = (field: keyof RaftConfig, min: number): void => {
    const value = config[field];
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < min) {
      refuse(field, `a safe integer >= ${String(min)}`);
    }
  };
  integer('id', 1);
  if (config.id >= Number.MAX_SAFE_INTEGER - 1) refuse('id', 'below the ids of the local threads');
  integer('heartbeatTick', 1);
  integer('electionTick', 1);
  if (config.electionTick <= config.heartbeatTick) refuse('electionTick', 'greater than heartbeatTick');
  for (const field of [
    'applied',
    'maxSizePerMsg',
    'maxCommittedSizePerReady',
    'maxUncommittedEntriesSize',
    'maxInflightBytes',
    'entryCacheBytes',
    'entryCacheApplied',
    'maxApplyUnpersistedLogLimit',
  ] as const) {
    integer(field, 0);
  }
  integer('priority', 0);
  integer('minElectionTick', 0);
  integer('maxElectionTick', 0);
  const { least, bound } = electionTickRange(config);
  if (least < config.electionTick) refuse('minElectionTick', 'at least electionTick, or 0');
  if (bound <= least) refuse('maxElectionTick', 'greater than the least election timeout, or 0');
  integer('snapshotTimeoutTicks', 0);
  integer('maxInflightMsgs', 1);
  if (config.maxInflightBytes !== 0 && config.maxInflightBytes < config.maxSizePerMsg) {
    refuse('maxInflightBytes', 'at least maxSizePerMsg, or 0');
  }
  if (config.readOnlyOption === ReadOnlyOption.LeaseBased && !config.checkQuorum) {
    refuse('readOnlyOption', 'Safe unless checkQuorum is on');
  }
}

/** Election timeouts are drawn from `[least, bound)`, in ticks. */
export function electionTickRange(
  config: Pick<RaftConfig, 'electionTick' | 'minElectionTick' | 'maxElectionTick'>,
): {
  readonly least: number;
  readonly bound: number;
} {
  const { electionTick, minElectionTick, maxElectionTick } = config;
  return { least: minElectionTick || electionTick, bound: maxElectionTick || 2 * electionTick };
}
