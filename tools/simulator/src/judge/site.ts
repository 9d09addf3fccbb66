/** What the judge knows of one node: what its disk promised, and its running core, if there is one. */
import type {
  LogIndex,
  NodeId,
  RaftCore,
  SnapshotId,
  SnapshotMetadata,
  StateType,
  Term,
  WriteBatch,
} from '@balsa/raft-core';
import { LogModel } from './log-model.ts';

export interface InFlight {
  readonly batch: WriteBatch;
  readonly installed: SnapshotMetadata | undefined;
}

/** The running core as it was seen last. */
export interface CoreView {
  readonly core: RaftCore;
  term: Term;
  state: StateType;
  committed: LogIndex;
  applied: LogIndex;
  last: LogIndex;
}

export class Site {
  readonly id: NodeId;
  model: LogModel = new LogModel();
  /** A write that has not been answered, or was answered with an unknown outcome. */
  inFlight: InFlight | undefined;
  /** A compaction of the same kind. */
  compacting: LogIndex | undefined;
  /** Writes and compactions that were answered. */
  changes = 0;
  /** Snapshots that the store holds or held. */
  readonly snapshots: Map<SnapshotId, SnapshotMetadata> = new Map();
  view: CoreView | undefined;
  /** Of the state machine: durable, and given to it. */
  syncedApplied: LogIndex = 0;
  givenApplied: LogIndex = 0;
  /** An index that a restore under way goes to. */
  restoring: LogIndex | undefined;

  /** A membership that looks out of date, and what was applied when it was seen first. */
  doubt: { readonly text: string; readonly applied: LogIndex } | undefined;

  constructor(id: NodeId) {
    this.id = id;
  }

  /** How much was changed, while nothing is under way. */
  get settled(): number | undefined {
    return this.inFlight === undefined && this.compacting === undefined ? this.changes : undefined;
  }

  /** Everything that a store may have found: with and without what was in flight. */
  candidates(): LogModel[] {
    const found: LogModel[] = [];
    for (const written of [false, true]) {
      for (const order of ['none', 'before', 'after'] as const) {
        const model = this.model.copy();
        if (written && this.inFlight === undefined) continue;
        if (order !== 'none' && this.compacting === undefined) continue;
        if (order === 'before') model.compactTo(this.compacting ?? 0);
        if (written && this.inFlight !== undefined) model.apply(this.inFlight.batch, this.inFlight.installed);
        if (order === 'after') model.compactTo(this.compacting ?? 0);
        found.push(model);
      }
    }
    return found;
  }
}
