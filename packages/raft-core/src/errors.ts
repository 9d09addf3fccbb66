/**
 * Every error that Balsa reports, in one registry.
 *
 * A code is part of the public API and covered by semver; a message is not. `docs/errors.md` is
 * generated from this table, and a test fails on a code that is used but not registered, or
 * registered but never used.
 */

/**
 * What is known about the effect of a failed call.
 * - `refused`: nothing happened, and nothing will later.
 * - `unknown`: it may have happened, may still happen, or may never happen.
 */
export type Outcome = 'refused' | 'unknown';

export interface ErrorEntry {
  /** One sentence: what it means. */
  readonly meaning: string;
  /** Whether the same call may succeed later without anybody changing anything. */
  readonly retryable: boolean;
  readonly outcome: Outcome;
  /** What to do about it. */
  readonly remedy: string;
  /** How the key-value service says it to a Redis client (first word of the error reply). */
  readonly resp: string;
  /** How the HTTP side says it. */
  readonly http: number;
}

function entry(
  meaning: string,
  remedy: string,
  opts: Partial<Pick<ErrorEntry, 'retryable' | 'outcome' | 'resp' | 'http'>> = {},
): ErrorEntry {
  return {
    meaning,
    remedy,
    retryable: opts.retryable ?? false,
    outcome: opts.outcome ?? 'refused',
    resp: opts.resp ?? 'ERR',
    http: opts.http ?? 500,
  };
}

/** Stable codes, in the order of the registry. */
export type ErrorCode =
  | 'INVALID_ARGUMENT'
  | 'INVALID_CONFIG'
  | 'OUT_OF_RANGE'
  | 'INVARIANT_BROKEN'
  | 'PROPOSAL_DROPPED'
  | 'STEP_LOCAL_MSG'
  | 'STEP_PEER_NOT_FOUND'
  | 'STEP_INVALID_MESSAGE'
  | 'CONF_CHANGE_INVALID'
  | 'REQUEST_SNAPSHOT_DROPPED'
  | 'WIRE_MALFORMED'
  | 'WIRE_TOO_LARGE'
  | 'HANDSHAKE_REFUSED'
  | 'STORE_GAP'
  | 'STORE_BELOW_FIRST'
  | 'STORE_COMMIT_OUT_OF_RANGE'
  | 'STORE_TERM_REGRESSION'
  | 'STORE_WRITE_IN_FLIGHT'
  | 'STORE_COMPACTED'
  | 'STORE_UNAVAILABLE'
  | 'STORE_COMPACT_OUT_OF_RANGE'
  | 'STORE_CONF_UNRECORDED'
  | 'STORE_CORRUPT'
  | 'STORE_ACKNOWLEDGED_WRITE_LOST'
  | 'STORE_UNKNOWN_OUTCOME'
  | 'STORE_POISONED'
  | 'STORE_CLOSED'
  | 'STORE_NOT_OPEN'
  | 'STORE_NOT_FOUND'
  | 'STORE_LOCKED'
  | 'STORE_FENCED'
  | 'STORE_UNSAFE_SETTING'
  | 'STORE_FORMAT_VERSION'
  | 'STORE_IDENTITY_MISMATCH'
  | 'STORE_ALREADY_BOOTSTRAPPED'
  | 'STORE_NOT_BOOTSTRAPPED'
  | 'STORE_ENTRY_TOO_LARGE'
  | 'STORE_SNAPSHOT_OUT_OF_DATE'
  | 'STORE_SNAPSHOT_INVALID'
  | 'STORE_SNAPSHOT_NOT_FOUND'
  | 'STORE_SNAPSHOT_ABORTED'
  | 'STORE_IO'
  | 'SCRATCH_TOO_SMALL'
  | 'STATE_MACHINE_FAILED'
  | 'STATE_AHEAD_OF_LOG'
  | 'STATE_BEHIND_LOG'
  | 'UNKNOWN_COMMAND_VERSION'
  | 'NOT_LEADER'
  | 'OVERLOADED'
  | 'STOPPED'
  | 'NOT_A_MEMBER'
  | 'UNKNOWN_OUTCOME'
  | 'ABORTED'
  | 'TIMEOUT'
  | 'PEER_UNREACHABLE'
  | 'ADDRESS_IN_USE'
  | 'SNAPSHOT_TRANSFER_FAILED';

export const errorRegistry: Readonly<Record<ErrorCode, ErrorEntry>> = {
  // --- arguments and configuration
  INVALID_ARGUMENT: entry('An argument is not of the form the call takes.', 'Pass what the message says.', {
    http: 400,
  }),
  INVALID_CONFIG: entry(
    'A configuration field has a value that cannot work.',
    'Change the field named in the message.',
    { http: 400 },
  ),
  OUT_OF_RANGE: entry(
    'A number is not a safe integer, or lies outside its range.',
    'Use a value within the range in the message.',
    { http: 400 },
  ),

  // --- raft-core
  INVARIANT_BROKEN: entry(
    'A rule that Raft relies on does not hold; the node stops rather than go on wrongly.',
    'Report it with the log of the node; do not restart the node on the same data before it is understood.',
  ),
  PROPOSAL_DROPPED: entry(
    'The core did not take the proposal: no leader, a transfer under way, or too much uncommitted data.',
    'Try again shortly.',
    { retryable: true, resp: 'TRYAGAIN', http: 503 },
  ),
  STEP_LOCAL_MSG: entry(
    'A message of a purely local type came from another member.',
    'Find the peer that sends it: it does not speak this protocol.',
  ),
  STEP_PEER_NOT_FOUND: entry(
    'A response came from a node that is not a member.',
    'Nothing, when a member was just removed; otherwise check the peer list.',
  ),
  STEP_INVALID_MESSAGE: entry(
    'A message from a peer is not one that a correct member can send.',
    'Check the version and the health of the peer named in the message.',
  ),
  CONF_CHANGE_INVALID: entry(
    'A membership change cannot be made from the present membership.',
    'Read the reason in the message; look at the membership first.',
    { http: 400 },
  ),
  REQUEST_SNAPSHOT_DROPPED: entry(
    'A snapshot cannot be asked for now.',
    'Try again when there is a leader and no snapshot is under way.',
    { retryable: true, http: 503 },
  ),

  // --- wire
  WIRE_MALFORMED: entry(
    'Bytes received are not a message of this protocol.',
    'Check the version and the address of the peer.',
  ),
  WIRE_TOO_LARGE: entry(
    'A frame is larger than the limit.',
    'Raise the limit on both sides, or send less at once.',
  ),
  HANDSHAKE_REFUSED: entry(
    'A peer and this node cannot talk: another cluster, another node than expected, or no common version.',
    'Check addresses, cluster ids and versions of both.',
  ),

  // --- storage
  STORE_GAP: entry(
    'Entries to write do not follow the last one, or are not in order.',
    'A bug of the caller: write from at most last + 1.',
  ),
  STORE_BELOW_FIRST: entry(
    'Entries to write begin below the first index of the log.',
    'A bug of the caller: compacted entries are never written again.',
  ),
  STORE_COMMIT_OUT_OF_RANGE: entry(
    'The commit index to write lies beyond the last entry.',
    'A bug of the caller: write commit with or after the entries it covers.',
  ),
  STORE_TERM_REGRESSION: entry(
    'A term to write is lower than one already stored.',
    'A bug of the caller: terms never go back.',
  ),
  STORE_WRITE_IN_FLIGHT: entry(
    'A write of this group has not settled yet.',
    'Wait for it: one write of a group is in flight at a time.',
  ),
  STORE_COMPACTED: entry('The entries asked for have been compacted away.', 'Use a snapshot.', {
    outcome: 'refused',
  }),
  STORE_UNAVAILABLE: entry(
    'The entries asked for lie beyond the last one.',
    'A bug of the caller: ask only for what is stored.',
  ),
  STORE_COMPACT_OUT_OF_RANGE: entry(
    'The index to compact to lies beyond what may be dropped.',
    'Compact only to what is applied, covered by durable state, and within the log.',
  ),
  STORE_CONF_UNRECORDED: entry(
    'A membership change below the index to compact to has no recorded conf state.',
    'Write the conf state of the entry first.',
  ),
  STORE_CORRUPT: entry(
    'Stored data does not match its checksum or its place.',
    'Do not delete files. Remove the member and add a new one with a new id; keep the damaged directory for inspection.',
  ),
  STORE_ACKNOWLEDGED_WRITE_LOST: entry(
    'The database opened without an error but lacks writes that it had acknowledged.',
    'Do not start this node on this data: remove the member and add a new one with a new id.',
  ),
  STORE_UNKNOWN_OUTCOME: entry(
    'A write failed after bytes may have left; whether it took effect is not known.',
    'Close and reopen the store: what is found is made durable before anything is promised.',
    { outcome: 'unknown', http: 503 },
  ),
  STORE_POISONED: entry(
    'An earlier write of this store had an unknown outcome.',
    'Close and reopen the store.',
  ),
  STORE_CLOSED: entry('The store is closed.', 'Open it first.', { http: 503 }),
  STORE_NOT_OPEN: entry('The group has not been opened yet.', 'Call open() and wait for it.'),
  STORE_NOT_FOUND: entry(
    'A directory holds no data that Balsa knows.',
    'Give the data directory of a node, or the directory of balsa start; the message says what was looked for.',
  ),
  STORE_LOCKED: entry(
    'Another process owns the data directory.',
    'Stop the other process, or give this node a directory of its own.',
  ),
  STORE_FENCED: entry('Another owner has taken over this data directory.', 'Stop this process.'),
  STORE_UNSAFE_SETTING: entry(
    'A setting of the engine would lose acknowledged writes.',
    "Change the setting as the message says, or say durability: 'relaxed' and accept the loss.",
  ),
  STORE_FORMAT_VERSION: entry(
    'The data was written in a format that this version does not read.',
    'Use the version named in the message, or restore from a backup.',
  ),
  STORE_IDENTITY_MISMATCH: entry(
    'The data belongs to another cluster or another node.',
    'Point the node at its own directory.',
  ),
  STORE_ALREADY_BOOTSTRAPPED: entry(
    'The data directory already has an identity.',
    'Start without bootstrapping, or use an empty directory.',
  ),
  STORE_NOT_BOOTSTRAPPED: entry(
    'The data directory is empty, but the node is to continue an existing cluster.',
    'Give the right directory; for a new member, add it to the cluster and start it with --join.',
  ),
  STORE_ENTRY_TOO_LARGE: entry(
    'An entry is larger than the store or the cluster takes.',
    'Send smaller values; the limit is set when a cluster is bootstrapped.',
    { http: 413 },
  ),
  STORE_SNAPSHOT_OUT_OF_DATE: entry(
    'A snapshot lies behind what the store already has.',
    'Nothing: it is not needed.',
  ),
  STORE_SNAPSHOT_INVALID: entry(
    'A snapshot is incomplete, damaged or not the one announced.',
    'Send it again.',
    { retryable: true },
  ),
  STORE_SNAPSHOT_NOT_FOUND: entry(
    'There is no such snapshot in the store.',
    'List the snapshots; ask the leader for a new one.',
  ),
  STORE_SNAPSHOT_ABORTED: entry('The snapshot was aborted before it was complete.', 'Create it again.', {
    retryable: true,
  }),
  STORE_IO: entry(
    'The operating system or the engine refused an operation.',
    'Read the cause: a full disk, lost permission, or a failing device.',
    { http: 503 },
  ),
  SCRATCH_TOO_SMALL: entry(
    'A copy of the data, to be looked at instead of them, does not fit where it was to be.',
    'Name a directory with enough room with --scratch, best on the same disk; the message says how much it takes.',
  ),

  // --- state machine
  STATE_MACHINE_FAILED: entry(
    'The state machine failed to open, apply, sync, restore or write itself out, or broke its contract; the node stops.',
    'Read the cause; mend it and start the node again.',
  ),
  STATE_AHEAD_OF_LOG: entry(
    'The state machine has applied more than the log holds, and no restore is pending.',
    'The log lost data: remove the member and add a new one with a new id.',
  ),
  STATE_BEHIND_LOG: entry(
    'The state machine lies behind the first entry of the log and no snapshot can bring it forward.',
    'Let the node ask the leader for a snapshot, or replace the member.',
  ),
  UNKNOWN_COMMAND_VERSION: entry(
    'A committed command has a version that this node does not know; it stops rather than skip it.',
    'Upgrade this node.',
  ),

  // --- runtime
  NOT_LEADER: entry(
    'This node is not the leader and does not forward, or knows no leader.',
    'Ask the leader named in the error; wait when there is none.',
    { retryable: true, resp: 'TRYAGAIN', http: 503 },
  ),
  OVERLOADED: entry('A queue of this node is full.', 'Slow down and try again.', {
    retryable: true,
    resp: 'BUSY',
    http: 503,
  }),
  STOPPED: entry('The node is stopped or stopping.', 'Use another node.', { resp: 'TRYAGAIN', http: 503 }),
  NOT_A_MEMBER: entry(
    'This node was removed from the group: it hears of nothing new and proposes nothing.',
    'Use another node and stop this one; its id is used up, so a replacement gets a new one.',
    { resp: 'TRYAGAIN', http: 503 },
  ),
  UNKNOWN_OUTCOME: entry(
    'The proposal left this node and its fate is not known: it may have been applied, or may be later.',
    'Read back before trying again, or make the command safe to repeat.',
    { outcome: 'unknown', resp: 'UNKNOWN', http: 503 },
  ),
  ABORTED: entry('The caller gave up waiting.', 'Nothing; a proposal may still take effect.', {
    outcome: 'unknown',
    resp: 'UNKNOWN',
    http: 499,
  }),
  TIMEOUT: entry(
    'No answer within the time limit, and nothing was changed.',
    'Try again; when it lasts, look whether a majority of members is up.',
    { retryable: true, resp: 'TRYAGAIN', http: 504 },
  ),

  // --- transport
  PEER_UNREACHABLE: entry(
    'A peer cannot be reached.',
    'Nothing: the node keeps trying. When it lasts, check the address.',
    { retryable: true },
  ),
  ADDRESS_IN_USE: entry(
    'A port that this node is to listen on is taken.',
    'Stop what uses it, or choose another port.',
  ),
  SNAPSHOT_TRANSFER_FAILED: entry('A snapshot could not be sent whole.', 'Nothing: the leader tries again.', {
    retryable: true,
  }),
};

export interface BalsaErrorOptions {
  readonly cause?: unknown;
  /** Machine-readable particulars: index, path, leader, limit, ... */
  readonly details?: Readonly<Record<string, unknown>>;
}

const brand = Symbol.for('balsa.error');

/** The one error class. Ask `isBalsaError(e, code)`, never `instanceof`: it works across copies of the package. */
export class BalsaError extends Error {
  readonly code: ErrorCode;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, options: BalsaErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = code === 'INVARIANT_BROKEN' ? 'InvariantError' : 'BalsaError';
    this.code = code;
    this.details = options.details ?? {};
    Object.defineProperty(this, brand, { value: true });
  }

  /** See {@link ErrorEntry.retryable}. */
  get retryable(): boolean {
    return errorRegistry[this.code].retryable;
  }

  /** See {@link Outcome}. */
  get outcome(): Outcome {
    return errorRegistry[this.code].outcome;
  }

  /** See {@link ErrorEntry.remedy}. */
  get remedy(): string {
    return errorRegistry[this.code].remedy;
  }
}

/** Whether `error` is one of ours and, when `code` is given, has that code. */
export function isBalsaError(error: unknown, code?: ErrorCode): error is BalsaError {
  if (typeof error !== 'object' || error === null || !(brand in error)) return false;
  return code === undefined || (error as { code?: unknown }).code === code;
}

/** A BalsaError as it is, anything else wrapped with `code` and kept as cause. */
export function toBalsaError(error: unknown, code: ErrorCode, message: string): BalsaError {
  return isBalsaError(error) ? error : new BalsaError(code, message, { cause: error });
}
