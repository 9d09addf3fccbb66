/** What `balsa inspect` says, as `--json` prints it. Described in docs/operations.md; a change of meaning is a new version. */
import {
  errorRegistry,
  isBalsaError,
  type ConfState,
  type ErrorCode,
  type StoreIdentity,
  type TermRun,
} from '@balsa/raft-core';
import { EngineChoiceError } from '@balsa/engines';
import type { RecordedAddresses } from '@balsa/raft-node';
import { codeOf, CommandFailure, withCauses } from '../messages.ts';

export const schemaVersion = 1;

export interface ProblemReport {
  readonly code: ErrorCode;
  readonly message: string;
  /** What to do. */
  readonly remedy: string;
  /** In which part of the node it is; undefined when in the whole. */
  readonly where?: string;
}

export interface EntryReport {
  readonly index: number;
  readonly term: number;
  readonly type: 'normal' | 'conf-change';
  /** Of its data and context. */
  readonly bytes: number;
  /** For people. */
  readonly does: string;
}

export interface EntriesReport {
  readonly entries: readonly EntryReport[];
  /** What was asked for and is not shown begins here; undefined when all is. */
  readonly next: number | undefined;
  readonly last: number;
}

export interface SnapshotReport {
  readonly id: string;
  readonly index: number;
  readonly term: number;
  readonly bytes: number;
  readonly chunks: number;
  readonly origin: 'created' | 'received';
}

export interface GroupReport {
  readonly name: string;
  readonly term: number;
  readonly vote: number;
  readonly commit: number;
  /** Of the key-value service's state; undefined where there is none. */
  readonly applied: number | undefined;
  /** The membership and the index at which it took effect. */
  readonly members: ConfState & { readonly index: number };
  readonly log: {
    readonly firstIndex: number;
    readonly lastIndex: number;
    readonly entries: number;
    /** The last compacted index and its term. */
    readonly boundary: TermRun;
    /** Where each term begins. */
    readonly terms: readonly TermRun[];
    readonly bytes: number;
    readonly garbageBytes: number;
  };
  /** Newest first. */
  readonly snapshots: readonly SnapshotReport[];
  /** A snapshot that is installed and not yet in the state machine. */
  readonly pendingRestore: SnapshotReport | undefined;
  /** Membership changes that stand in the log, the newest ones. */
  readonly changes: readonly EntryReport[];
  /** What the runtime has recorded; undefined where there is nothing of it. */
  readonly addresses: RecordedAddresses | undefined;
  readonly listed: EntriesReport | undefined;
}

export interface StoreReport {
  readonly name: string;
  readonly appliedIndex: number;
  readonly pairs: number;
  readonly bytes: number;
}

/** How much was read and found whole. */
export interface VerifiedReport {
  readonly entries: number;
  readonly chunks: number;
  readonly pairs: number;
}

export interface NodeReport {
  readonly name: string;
  /** Where the engine's files are. */
  readonly directory: string;
  readonly storage: string;
  readonly files: number;
  readonly bytes: number;
  readonly engineVersion: string | undefined;
  /** Undefined in a store that was never bootstrapped. */
  readonly identity: StoreIdentity | undefined;
  readonly groups: readonly GroupReport[];
  readonly stores: readonly StoreReport[];
  /** Only with `--verify`. */
  readonly verified: VerifiedReport | undefined;
  /** What the store warned of when it was opened. */
  readonly notes: readonly string[];
  readonly problems: readonly ProblemReport[];
}

export interface InspectReport {
  readonly schemaVersion: number;
  readonly directory: string;
  /** Whether nothing was found wrong: exit code 0. */
  readonly ok: boolean;
  readonly nodes: readonly NodeReport[];
  /** What kept the whole from being looked at. */
  readonly error?: ProblemReport;
}

/** A wrong choice on the command line, or nothing to inspect: exit code 2. */
export class WrongUse extends CommandFailure {}

export function isWrongUse(error: unknown): boolean {
  return error instanceof WrongUse || error instanceof EngineChoiceError;
}

export function problemOf(error: unknown, where?: string): ProblemReport {
  const code = codeOf(error) ?? (isWrongUse(error) ? 'INVALID_ARGUMENT' : 'STORE_IO');
  const message = error instanceof Error ? withCauses(error) : String(error);
  const remedy = isBalsaError(error) ? error.remedy : errorRegistry[code].remedy;
  return { code, message, remedy, ...(where === undefined ? {} : { where }) };
}
