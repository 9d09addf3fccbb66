/** One node of a transcript: a core, its store, its work queues and an "appender" state machine. */
import { decodeConfChange } from '../codec/conf-change.ts';
import { defaultConfig, type RaftConfig, type RaftInitialState } from '../config.ts';
import type { Fetch, RaftCore } from '../core.ts';
import { BalsaError } from '../errors.ts';
import { invariant } from '../invariants.ts';
import type { Message } from '../message.ts';
import {
  EmptyHardState,
  EntryType,
  NoLimit,
  type Entry,
  type HardState,
  type NodeId,
  type Snapshot,
} from '../types.ts';
import type { RawNode } from '../raw-node.ts';
import type { TranscriptOutput } from './transcript-output.ts';
import { TranscriptStorage } from './transcript-storage.ts';

/** What the transcripts ask of a core beyond its public face. */
export interface CoreUnderTest {
  readonly core: RaftCore;
  /** One line for each member, in order of id; empty when this node does not lead. */
  progressText(): string;
  setRandomizedElectionTimeout(ticks: number): void;
  /** raft-rs's calls, for the transcripts that make them. */
  readonly extras?: Pick<
    RawNode,
    'adjustMaxInflightMsgs' | 'assignCommitGroups' | 'enableGroupCommit' | 'requestSnapshot'
  >;
}

export type MakeCore = (config: RaftConfig, initial: RaftInitialState) => CoreUnderTest;

/** What `add-nodes` may set. */
export type NodeOptions = Partial<Omit<RaftConfig, 'id' | 'random' | 'logger' | 'peek'>>;

/** The configuration of etcd's harness: short timeouts, every limit and every option off. */
const stub: Omit<RaftConfig, 'id' | 'random' | 'logger' | 'peek'> = {
  ...defaultConfig,
  electionTick: 3,
  heartbeatTick: 1,
  maxSizePerMsg: NoLimit,
  maxCommittedSizePerReady: 0,
  maxUncommittedEntriesSize: 0,
  maxInflightMsgs: 2 ** 31 - 1,
  maxInflightBytes: 0,
  checkQuorum: false,
  preVote: false,
  stepDownOnRemoval: false,
  asyncStorageWrites: false,
};

/** What a store reports at a restart in place of what it holds. */
export interface RestartReport {
  readonly applied: number | undefined;
  readonly term: number | undefined;
  readonly vote: NodeId | undefined;
  readonly commit: number | undefined;
}

export interface TranscriptNodeOptions {
  readonly id: NodeId;
  readonly start: Snapshot;
  readonly options: NodeOptions;
  readonly output: TranscriptOutput;
  readonly random: () => number;
  readonly makeCore: MakeCore;
}

export class TranscriptNode {
  readonly id: NodeId;
  readonly config: RaftConfig;
  readonly storage: TranscriptStorage;
  readonly appendWork: Message[] = [];
  readonly applyWork: Message[] = [];
  /** What a cold store was asked for, oldest first. */
  readonly fetches: Fetch[] = [];
  readonly #history: Snapshot[];
  readonly #makeCore: MakeCore;
  #test: CoreUnderTest;

  constructor({ id, start, options, output, random, makeCore }: TranscriptNodeOptions) {
    this.id = id;
    this.#history = [start];
    this.storage = new TranscriptStorage(() => this.#history.at(-1));
    if (start.metadata.index > 0) this.storage.install(start);
    this.config = { ...stub, ...options, id, random, logger: output, peek: this.storage };
    this.#makeCore = makeCore;
    this.#test = makeCore(this.config, {
      hardState: EmptyHardState,
      confState: start.metadata.confState,
      outline: this.storage.outline(),
    });
  }

  get core(): RaftCore {
    return this.#test.core;
  }

  get newestSnapshot(): Snapshot {
    const snapshot = this.#history.at(-1);
    invariant(snapshot !== undefined, 'transcript: the history starts with a snapshot');
    return snapshot;
  }

  get extras(): NonNullable<CoreUnderTest['extras']> {
    const { extras } = this.#test;
    if (extras === undefined)
      throw new BalsaError('INVALID_ARGUMENT', "this core has none of raft-rs's calls");
    return extras;
  }

  progressText(): string {
    return this.#test.progressText();
  }

  setRandomizedElectionTimeout(ticks: number): void {
    this.#test.setRandomizedElectionTimeout(ticks);
  }

  /**
   * Loses all but the store and what was applied, and starts again. What the store reports may be overridden, as one
   * that lost or mixed up something would.
   */
  restart(report: RestartReport): void {
    this.appendWork.length = 0;
    this.applyWork.length = 0;
    this.fetches.length = 0;
    const { installed } = this.storage;
    // What came from a leader is no history of this node's own, until it starts from it.
    if (installed !== undefined && installed.metadata.index > this.newestSnapshot.metadata.index)
      this.#history.push(installed);
    const wanted = report.applied ?? this.newestSnapshot.metadata.index;
    while (this.#history.length > 1 && this.newestSnapshot.metadata.index > wanted) this.#history.pop();
    const { hardState } = this.storage;
    const stored: HardState = {
      term: report.term ?? hardState.term,
      vote: report.vote ?? hardState.vote,
      commit: report.commit ?? Math.max(hardState.commit, wanted),
    };
    this.#test = this.#makeCore(
      { ...this.config, applied: wanted },
      {
        hardState: stored,
        confState: this.newestSnapshot.metadata.confState,
        outline: this.storage.outline(),
      },
    );
    this.storage.hardState = stored;
  }

  persist(hardState: HardState | undefined, entries: readonly Entry[], snapshot: Snapshot | undefined): void {
    if (hardState !== undefined) this.storage.hardState = hardState;
    this.storage.append(entries);
    if (snapshot !== undefined && snapshot.metadata.index > 0) this.storage.install(snapshot);
  }

  /** Applies entries one by one, and takes a snapshot after each. */
  apply(entries: readonly Entry[]): void {
    for (const entry of entries) {
      const before = this.newestSnapshot;
      let update = entry.data;
      let confState = before.metadata.confState;
      if (entry.type !== EntryType.Normal) {
        const change = decodeConfChange(entry.type, entry.data);
        update = change.context;
        confState = this.core.applyConfChange(change);
      }
      const data = new Uint8Array(before.data.length + update.length);
      data.set(before.data);
      data.set(update, before.data.length);
      this.#history.push({ data, metadata: { index: entry.index, term: entry.term, confState } });
    }
  }
}
