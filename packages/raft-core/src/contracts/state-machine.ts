/** StateMachine: what the replicated log is applied to. */
import type { LogIndex, SnapshotMetadata, Term } from '../types.ts';

/** One committed command. */
export interface Command {
  readonly index: LogIndex;
  readonly term: Term;
  /**
   * What was given to `propose`, without the runtime's envelope. Mostly a view of the message that it came in: a state
   * machine that keeps a part of it copies that part, or keeps the whole message alive.
   */
  readonly data: Uint8Array;
}

export interface ApplyBatch {
  /** Ascending indexes, possibly none (when only membership changes and no-ops were committed). */
  readonly commands: readonly Command[];
  /** Everything up to here is applied once the call resolves, whether or not it was a command. */
  readonly appliedIndex: LogIndex;
}

/** A point in time of the state, ready to be written out. */
export interface StateView {
  /** Read from inside the view. */
  readonly appliedIndex: LogIndex;
  /**
   * The state as chunks of at most `maxChunkBytes`, bounded in memory: the next chunk is made when it
   * is asked for. The same state gives the same bytes on every node and engine.
   */
  chunks(): AsyncIterable<Uint8Array>;
  /** Idempotent. */
  release(): Promise<void>;
}

/**
 * Calls never overlap, except `snapshot` views, which are read beside `apply`. Any error stops the
 * node: a committed command is never skipped. Deterministic: the same commands in the same order give
 * the same state and the same results on every node.
 */
export interface StateMachine<Result = unknown> {
  /** Whether the state outlives the process. Then nothing is applied before it is durable in the local log. */
  readonly persistent: boolean;
  /** Recovers; the applied index, 0 when the state lives in memory or is new. */
  open(): Promise<{ readonly appliedIndex: LogIndex }>;
  /** One result per command, in order. Need not be durable, but what survives a crash is a prefix. */
  apply(batch: ApplyBatch): Promise<readonly Result[]>;
  /** Resolves with the durable applied index. */
  sync(): Promise<LogIndex>;
  /** Cheap. */
  snapshot(): Promise<StateView>;
  /** Replaces the whole state, durably and atomically. Idempotent: may be repeated after a crash. */
  restore(metadata: SnapshotMetadata, chunks: AsyncIterable<Uint8Array>): Promise<void>;
  close(): Promise<void>;
}
