/** What a node is started with, the default of everything that has one, and the bounds on everything that queues. */
import {
  assertSafeInteger,
  entryOverheadBytes,
  ReadOnlyOption,
  type Engine,
  type Env,
  type NodeId,
  type RaftCore,
  type StateMachine,
  type Tracer,
  type Transport,
} from '@balsa/raft-core';
import { checkFields, checkPart, longestTimerMs, refuse, type Kind } from './check-options.ts';

/** A member of the cluster and where it listens. */
export interface Member {
  readonly id: NodeId;
  /** In the transport's own form: `host:port`, a path, a key of a simulated network. */
  readonly address: string;
}

/** Starts a new cluster. The same values go to every initial member. */
export interface BootstrapOptions {
  /** Sixteen hexadecimal digits. */
  readonly clusterId: string;
  /** The initial voters, this node among them. */
  readonly members: readonly Member[];
  /** Constant of the cluster: the largest entry in bytes, its envelope and overhead included. Default 8 MiB. */
  readonly maxEntryBytes?: number;
}

/** Starts a member of an existing cluster on an empty store: it waits to be contacted by the leader. */
export interface JoinOptions {
  /** Sixteen hexadecimal digits. */
  readonly clusterId: string;
  /** As the cluster was bootstrapped with. Default 8 MiB. */
  readonly maxEntryBytes?: number;
}

/** Bounds on what queues, waits or travels. At a bound the node pushes back with the code named. */
export interface NodeLimits {
  /** Proposals of this node that wait for their result (`OVERLOADED`). Default 4096. */
  readonly maxPendingProposals: number;
  /** Bytes of those proposals (`OVERLOADED`). Default 64 MiB. */
  readonly maxPendingBytes: number;
  /** Proposals given to the core, or forwarded, at once. Default 512. */
  readonly maxProposalBatch: number;
  /** Bytes given to the core, or forwarded, at once; a larger single proposal goes alone. Default 1 MiB. */
  readonly maxProposalBatchBytes: number;
  /** Reads of this node that wait (`OVERLOADED`). Default 4096. */
  readonly maxReadsPending: number;
  /** Bytes of entries in one append message. Default 1 MiB. */
  readonly maxMessageBytes: number;
  /** Append messages in flight to one peer. Default 256. */
  readonly maxInflightMessages: number;
  /** Bytes of entries in flight to one peer. Default 16 MiB. */
  readonly maxInflightBytes: number;
  /** Leader: bytes proposed and not yet committed (`PROPOSAL_DROPPED`). Default 64 MiB. */
  readonly maxUncommittedBytes: number;
  /** Bytes of committed entries handed to the state machine and not yet applied. Default 4 MiB. */
  readonly maxApplyBytes: number;
  /**
   * Bytes of recent entries kept in memory, as `entrySize` counts them. Default 16 MiB. An entry that a peer sent keeps
   * alive the buffer that it came in: with `transport-tcp` its message, or, when that has less than 4 KiB, a buffer of
   * 8 KiB that it shares with others.
   */
  readonly entryCacheBytes: number;
  /**
   * Of those, how many that are applied already: only for members that are further behind they are read from the
   * store. Objects that live long cost the garbage collector more than their bytes. Default 4096.
   */
  readonly entryCacheApplied: number;
  /** Snapshots that this node sends at the same time; further ones wait. Default 2. */
  readonly maxSnapshotsSending: number;
  /** A snapshot transfer without progress for this long is aborted, in milliseconds. Default 10 000. */
  readonly snapshotStallMs: number;
  /** Largest learner lag, in entries, at which `promote` is accepted. Default 1000. */
  readonly maxPromoteLag: number;
}

export const defaultLimits: NodeLimits = Object.freeze({
  maxPendingProposals: 4096,
  maxPendingBytes: 64 * 1024 * 1024,
  maxProposalBatch: 512,
  maxProposalBatchBytes: 1024 * 1024,
  maxReadsPending: 4096,
  maxMessageBytes: 1024 * 1024,
  maxInflightMessages: 256,
  maxInflightBytes: 16 * 1024 * 1024,
  maxUncommittedBytes: 64 * 1024 * 1024,
  maxApplyBytes: 4 * 1024 * 1024,
  entryCacheBytes: 16 * 1024 * 1024,
  entryCacheApplied: 4096,
  maxSnapshotsSending: 2,
  snapshotStallMs: 10_000,
  maxPromoteLag: 1000,
});

/** When the log is shortened, and how much of it stays for followers that are a little behind. */
export interface CompactionOptions {
  /** Look after this many applied entries. Default 1000. */
  readonly checkEveryEntries: number;
  /** Look after this many applied bytes. Default 8 MiB. */
  readonly checkEveryBytes: number;
  /**
   * Applied entries that stay in the log, as far as `keepBytes` allows. A persistent state machine is asked to be durable
   * once in about as many entries; that many a start may have to apply again. Default 40 000.
   */
  readonly keepEntries: number;
  /** Bytes of applied entries that stay in the log. Default 16 MiB. */
  readonly keepBytes: number;
  /** A recently active follower holds the log back up to this many bytes; a dead one never does. Default 64 MiB. */
  readonly maxLogBytes: number;
  /** Stored snapshots that stay. At least 1. Default 1. */
  readonly snapshotsKept: number;
  /**
   * With a persistent state machine, which can make another at any time: stored snapshots go when none was
   * sent for so many milliseconds. Default 600 000.
   */
  readonly snapshotIdleMs: number;
  /** Milliseconds between slices of housekeeping in the store. Default 1000. */
  readonly maintainEveryMs: number;
}

export const defaultCompaction: CompactionOptions = Object.freeze({
  checkEveryEntries: 1000,
  checkEveryBytes: 8 * 1024 * 1024,
  keepEntries: 40_000,
  keepBytes: 16 * 1024 * 1024,
  maxLogBytes: 64 * 1024 * 1024,
  snapshotsKept: 1,
  snapshotIdleMs: 600_000,
  maintainEveryMs: 1000,
});

export interface RaftNodeOptions<R> {
  /** This node's id. Never 0, never reused, not even after the member was removed. */
  readonly id: NodeId;
  /** Name of the Raft group within the engine and on the wire. Default `main`. */
  readonly group?: string;
  /** Opened by the caller. */
  readonly engine: Engine;
  /** Whether `stop`, and a start that fails, closes the engine too. Default false. */
  readonly ownEngine?: boolean;
  /** Opened and closed by the node. */
  readonly stateMachine: StateMachine<R>;
  /** Started and stopped by the node. */
  readonly transport: Transport;
  readonly env: Env;
  /**
   * Stamps an empty store as a founding member. A store that already carries the same identity simply
   * continues, so a service may give it at every start. Another identity is `STORE_IDENTITY_MISMATCH`.
   */
  readonly bootstrap?: BootstrapOptions;
  /** Stamps an empty store as a member that will be added to an existing cluster. */
  readonly join?: JoinOptions;
  /** Addresses known from configuration. They win over remembered ones; membership changes carry addresses too. */
  readonly members?: readonly Member[];

  /** Milliseconds of one tick. Default 100. */
  readonly tickMs?: number;
  /** Ticks of silence before a follower campaigns. Default 10. */
  readonly electionTick?: number;
  /** Ticks between heartbeats. Default 1. */
  readonly heartbeatTick?: number;
  /** Default true (thesis §9.6). */
  readonly preVote?: boolean;
  /** Default true (thesis §6.2). */
  readonly checkQuorum?: boolean;
  /** Default `Safe` (thesis §6.4). */
  readonly readOnlyOption?: ReadOnlyOption;
  /** Milliseconds that a call waits when it gives no `timeoutMs`. Default 10 000. */
  readonly requestTimeoutMs?: number;
  /** Milliseconds that a proposal waits for a leader to become known (`NOT_LEADER`). Default: three election timeouts. */
  readonly leaderWaitMs?: number;
  /** Milliseconds after which `stop` no longer waits for what does not end. Default 10 000. */
  readonly stopTimeoutMs?: number;
  /**
   * Milliseconds after which a commit index that no other write carried is written by itself. It may
   * trail (paper Figure 2 does not persist it), so this only shortens a restart. Default 1000.
   */
  readonly commitFlushMs?: number;
  /**
   * Milliseconds that a leader holds the news of a commit back which no entries go with, while entries come no further
   * apart than ten times as long: the next ones can carry it. By so much later may a follower apply, answer reads and
   * resolve proposals that it forwarded. Default 1; 0 sends it at once.
   */
  readonly commitNewsMs?: number;
  readonly limits?: Partial<NodeLimits>;
  readonly compaction?: Partial<CompactionOptions>;
  /**
   * The core's option of this name (raft-rs's) stays 0 here, and anything else is refused with `INVALID_CONFIG`.
   * Entries applied before they are durable can be lost from the log by a crash: a state machine that keeps its
   * applied index then finds itself ahead of its log, and so does a snapshot made of one in memory.
   */
  readonly maxApplyUnpersistedLogLimit?: 0;
  /** Is told what the core does, event by event: see `TraceEvent`. Default undefined, which costs nothing. */
  readonly tracer?: Tracer;
  /** Is given the core before it runs, for simulators and tools to look at. Only the node may drive it. */
  readonly onCore?: (core: RaftCore) => void;
}

/** Options with every default filled in. */
export interface NodeSettings {
  readonly id: NodeId;
  readonly group: string;
  readonly tickMs: number;
  readonly electionTick: number;
  readonly heartbeatTick: number;
  readonly preVote: boolean;
  readonly checkQuorum: boolean;
  readonly readOnlyOption: ReadOnlyOption;
  readonly requestTimeoutMs: number;
  readonly leaderWaitMs: number;
  readonly stopTimeoutMs: number;
  readonly commitFlushMs: number;
  readonly commitNewsMs: number;
  readonly limits: NodeLimits;
  readonly compaction: CompactionOptions;
}

const hex64 = /^[0-9a-f]{16}$/;
/** The least that an entry can be bounded to: its overhead and a command of 64 bytes. */
const leastMaxEntryBytes = entryOverheadBytes + 64;

/** What a node is made of. A type asks for them; in plain JavaScript one is soon forgotten, or another object given. */
const parts = {
  env: ['now', 'setTimer', 'random'],
  engine: ['identity', 'stamp', 'group', 'orderedStore', 'close'],
  stateMachine: ['open', 'apply', 'sync', 'snapshot', 'restore', 'close'],
  transport: [
    'start',
    'checkAddress',
    'setPeer',
    'removePeer',
    'send',
    'sendControl',
    'sendSnapshot',
    'stop',
  ],
} as const satisfies { readonly [Part in keyof RaftNodeOptions<unknown>]?: readonly string[] };

const kinds = {
  id: 'number',
  group: 'string',
  engine: 'object',
  ownEngine: 'boolean',
  stateMachine: 'object',
  transport: 'object',
  env: 'object',
  bootstrap: 'object',
  join: 'object',
  members: 'list',
  tickMs: 'number',
  electionTick: 'number',
  heartbeatTick: 'number',
  preVote: 'boolean',
  checkQuorum: 'boolean',
  readOnlyOption: 'number',
  requestTimeoutMs: 'number',
  leaderWaitMs: 'number',
  stopTimeoutMs: 'number',
  commitFlushMs: 'number',
  commitNewsMs: 'number',
  limits: 'object',
  compaction: 'object',
  maxApplyUnpersistedLogLimit: 'number',
  tracer: 'function',
  onCore: 'function',
} as const satisfies Readonly<Record<keyof RaftNodeOptions<unknown>, Kind>>;

/** With what the status of a node says of a member besides: it may be handed on as it is. */
export const memberKinds = { id: 'number', address: 'string', kind: 'string' } as const;

const bootstrapKinds = {
  clusterId: 'string',
  members: 'list',
  maxEntryBytes: 'number',
} as const satisfies Readonly<Record<keyof BootstrapOptions, Kind>>;
const joinKinds = {
  clusterId: 'string',
  maxEntryBytes: 'number',
} as const satisfies Readonly<Record<keyof JoinOptions, Kind>>;

/**
 * Fills in defaults and refuses, with `INVALID_CONFIG` or `OUT_OF_RANGE` naming the field, what cannot work, and with
 * `INVALID_ARGUMENT` a field that there is not. Nothing was opened or written yet.
 */
export function resolveOptions<R>(options: RaftNodeOptions<R>): NodeSettings {
  // A node, an engine or a transport may be of any class, with fields of its own: only its methods are looked at.
  for (const part of Object.keys(parts) as (keyof typeof parts)[])
    checkPart(part, (options as Partial<RaftNodeOptions<R>> | undefined)?.[part], parts[part]);
  checkFields('options', options, kinds);
  assertSafeInteger(options.id, 'id', 1);
  const group = options.group ?? 'main';
  if (group.length === 0 || group.length > 256) refuse('group', 'be 1 to 256 characters long', group);
  checkFounding(options);
  const applyUnpersisted: number = options.maxApplyUnpersistedLogLimit ?? 0;
  if (applyUnpersisted !== 0) {
    refuse(
      'maxApplyUnpersistedLogLimit',
      'be 0: this runtime applies only what is durable',
      applyUnpersisted,
    );
  }
  for (const member of options.members ?? []) checkMember('members', member, options.transport);
  return {
    id: options.id,
    group,
    ...resolveTimes(options),
    ...resolveReads(options),
    ...resolveBounds(options),
  };
}

function resolveTimes<R>(options: RaftNodeOptions<R>) {
  const tickMs = timerMs(options.tickMs ?? 100, 'tickMs', 1);
  const electionTick = assertSafeInteger(options.electionTick ?? 10, 'electionTick', 2);
  const heartbeatTick = assertSafeInteger(options.heartbeatTick ?? 1, 'heartbeatTick', 1);
  if (electionTick <= heartbeatTick)
    refuse('electionTick', `be greater than heartbeatTick (${String(heartbeatTick)})`, electionTick);
  return {
    tickMs,
    electionTick,
    heartbeatTick,
    requestTimeoutMs: assertSafeInteger(options.requestTimeoutMs ?? 10_000, 'requestTimeoutMs', 1),
    leaderWaitMs: assertSafeInteger(options.leaderWaitMs ?? 3 * electionTick * tickMs, 'leaderWaitMs', 1),
    stopTimeoutMs: timerMs(options.stopTimeoutMs ?? 10_000, 'stopTimeoutMs', 1),
    commitFlushMs: timerMs(options.commitFlushMs ?? 1000, 'commitFlushMs', 1),
    commitNewsMs: timerMs(options.commitNewsMs ?? 1, 'commitNewsMs', 0),
  };
}

function resolveReads<R>(options: RaftNodeOptions<R>) {
  const { preVote = true, checkQuorum = true, readOnlyOption = ReadOnlyOption.Safe } = options;
  if (!Object.values(ReadOnlyOption).includes(readOnlyOption))
    refuse('readOnlyOption', 'be ReadOnlyOption.Safe or ReadOnlyOption.LeaseBased', readOnlyOption);
  if (readOnlyOption === ReadOnlyOption.LeaseBased && !checkQuorum)
    refuse('readOnlyOption', 'be Safe unless checkQuorum is on', readOnlyOption);
  return { preVote, checkQuorum, readOnlyOption };
}

function resolveBounds<R>(options: RaftNodeOptions<R>) {
  const limits = filledIn('limits', defaultLimits, options.limits);
  for (const [name, value] of numbersOf(limits)) assertSafeInteger(value, `limits.${name}`, 1);
  const compaction = filledIn('compaction', defaultCompaction, options.compaction);
  for (const [name, value] of numbersOf(compaction)) {
    assertSafeInteger(value, `compaction.${name}`, name.startsWith('keep') ? 0 : 1);
  }
  return { limits, compaction };
}

function numbersOf(fields: NodeLimits | CompactionOptions): [string, number][] {
  return Object.entries(fields) as [string, number][];
}

/** What is given and is not undefined, over the defaults. */
function filledIn<T extends object>(where: string, defaults: T, given: Partial<T> = {}): T {
  checkFields(where, given, Object.fromEntries(Object.keys(defaults).map((name) => [name, 'number'])));
  return {
    ...defaults,
    ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
  };
}

function timerMs(value: number, field: string, min: number): number {
  assertSafeInteger(value, field, min);
  if (value > longestTimerMs) refuse(field, `be at most ${String(longestTimerMs)} milliseconds`, value);
  return value;
}

function checkFounding<R>({ id, bootstrap, join, transport }: RaftNodeOptions<R>): void {
  if (bootstrap !== undefined && join !== undefined) {
    refuse('join', 'not be given together with bootstrap: a node either founds a cluster or joins one', join);
  }
  if (join !== undefined) {
    checkFields('join', join, joinKinds);
    checkCluster('join', join);
  }
  if (bootstrap === undefined) return;
  checkFields('bootstrap', bootstrap, bootstrapKinds);
  checkCluster('bootstrap', bootstrap);
  const { members } = bootstrap;
  if ((members as unknown) === undefined) refuse('bootstrap.members', 'be a list', members);
  for (const member of members) checkMember('bootstrap.members', member, transport);
  const ids = members.map((member) => member.id);
  const told = ids.join(', ');
  if (!ids.includes(id)) refuse('bootstrap.members', `contain this node, ${String(id)}`, told);
  if (new Set(ids).size !== ids.length) refuse('bootstrap.members', 'name each id once', told);
  const addresses = members.map((member) => member.address);
  if (new Set(addresses).size !== addresses.length)
    refuse('bootstrap.members', 'name each address once', addresses.join(', '));
}

function checkMember(field: string, member: Member, transport: Pick<Transport, 'checkAddress'>): void {
  checkFields(`${field}[]`, member, memberKinds);
  assertSafeInteger(member.id, `${field}[].id`, 1);
  const refusal = refusalOfAddress(member.address, transport);
  if (refusal !== undefined) refuse(`${field}[].address`, `be an address (${refusal})`, member.address);
}

/** Why a member cannot be reached there, if so. */
export function refusalOfAddress(
  address: unknown,
  transport: Pick<Transport, 'checkAddress'>,
): string | undefined {
  if (typeof address !== 'string') return `it has to be a text, but is ${typeof address}`;
  if (address.length === 0 || address.length > 1024) return 'it has to be 1 to 1024 characters long';
  try {
    transport.checkAddress(address);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Before anything is stamped: a store keeps these for ever. */
function checkCluster(where: string, { clusterId, maxEntryBytes }: JoinOptions): void {
  if (typeof clusterId !== 'string' || !hex64.test(clusterId))
    refuse(`${where}.clusterId`, 'be sixteen hexadecimal digits, lower case', clusterId);
  if (maxEntryBytes !== undefined)
    assertSafeInteger(maxEntryBytes, `${where}.maxEntryBytes`, leastMaxEntryBytes);
}
