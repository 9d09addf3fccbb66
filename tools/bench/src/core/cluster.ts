/**
 * Members in one thread that hand their messages to each other directly, in the same loop and with the same
 * settings as the rival: what is persisted, what counts as committed and when the log is compacted are alike.
 */
import { EmptyHardState, RawNode, type ConfState, type LogIndex, type Message } from '@balsa/raft-core';
import { LogStore } from './log-store.ts';
import { Wire } from './wire.ts';

export interface ClusterOptions {
  readonly nodes: number;
  /** Proposals for each drain, or entries of the one proposal. */
  readonly batch: number;
  /** One proposal of `batch` entries instead of `batch` proposals. */
  readonly multi: boolean;
  /** Every message is encoded and decoded on its way. */
  readonly codec: boolean;
  /** raft-rs's option, which etcd's core does not have. */
  readonly batchAppend: boolean;
}

/** The log begins behind a snapshot at this index and term. */
const boundary = { index: 1, term: 1 };
const compactEvery = 20_000;
const compactAfter = 30_000;
const keep = 1_000;

interface Member {
  readonly core: RawNode;
  readonly store: LogStore;
  applied: LogIndex;
}

function createMember(id: number, options: ClusterOptions): Member {
  const voters = Array.from({ length: options.nodes }, (_, i) => i + 1);
  const confState: ConfState = {
    voters,
    votersOutgoing: [],
    learners: [],
    learnersNext: [],
    autoLeave: false,
  };
  const core = new RawNode(
    {
      id,
      random: () => 0.5,
      electionTick: 10,
      heartbeatTick: 1,
      applied: boundary.index,
      maxSizePerMsg: 1 << 20,
      maxInflightMsgs: 256,
      // What the rival does not have, or has off by default.
      maxInflightBytes: 0,
      maxCommittedSizePerReady: 0,
      maxUncommittedEntriesSize: 0,
      checkQuorum: false,
      preVote: false,
      asyncStorageWrites: false,
      batchAppend: options.batchAppend,
    },
    {
      hardState: EmptyHardState,
      confState,
      outline: { boundary, runs: [], confIndexes: [], lastIndex: boundary.index },
    },
  );
  return { core, store: new LogStore(boundary.index), applied: boundary.index };
}

/** Every entry carries the same payload, as the rival's do: making payloads is not the core's work. */
export class Cluster {
  readonly #options: ClusterOptions;
  readonly #payload: Uint8Array;
  /** One batch of it. */
  readonly #payloads: readonly Uint8Array[];
  readonly #members: readonly Member[];
  readonly #leader: Member;
  readonly #wire: Wire | undefined;

  constructor(options: ClusterOptions, payload: Uint8Array) {
    this.#options = options;
    this.#payload = payload;
    this.#payloads = Array.from({ length: options.batch }, () => payload);
    this.#wire = options.codec ? new Wire() : undefined;
    this.#members = Array.from({ length: options.nodes }, (_, i) => createMember(i + 1, options));
    const leader = this.#members[0];
    if (leader === undefined) throw new Error('a cluster has at least one member');
    this.#leader = leader;
    leader.core.campaign();
    this.#drain();
  }

  /** Entries that the leader's state machine was given. */
  get applied(): LogIndex {
    return this.#leader.applied;
  }

  /** Proposes `count` entries, batch after batch, each committed and applied before the next. */
  run(count: number, afterBatch?: () => void): void {
    for (let done = 0; done < count;) {
      const size = Math.min(this.#options.batch, count - done);
      this.#propose(size);
      done += size;
      this.#drain();
      this.#compact();
      afterBatch?.();
    }
  }

  /** Throws when a follower is more than two batches behind: the work was then not done. */
  checkFollowers(): void {
    for (const { applied } of this.#members) {
      if (applied + 2 * this.#options.batch < this.applied) throw new Error('a follower lags');
    }
  }

  #propose(size: number): void {
    const { core } = this.#leader;
    if (this.#options.multi) {
      core.proposeBatch(size === this.#payloads.length ? this.#payloads : this.#payloads.slice(0, size));
    } else {
      for (let i = 0; i < size; i++) core.propose(this.#payload);
    }
  }

  /** Until nobody has anything to do. */
  #drain(): void {
    const members = this.#members;
    for (let busy = true; busy;) {
      busy = false;
      for (let i = 0; i < members.length; i++) {
        const member = members[i];
        while (member?.core.hasReady() === true) {
          busy = true;
          this.#work(member);
        }
      }
    }
  }

  #work(member: Member): void {
    const { core, store } = member;
    const ready = core.ready();
    const { messages, committedEntries } = ready;
    if (ready.hardState !== undefined) store.hardState = ready.hardState;
    if (ready.entries.length > 0) store.append(ready.entries);
    for (let i = 0; i < messages.length; i++) this.#deliver(messages[i]);
    const last = committedEntries.length === 0 ? undefined : committedEntries[committedEntries.length - 1];
    if (last !== undefined) member.applied = last.index;
    core.advance(ready);
  }

  #deliver(message: Message | undefined): void {
    const member = message === undefined ? undefined : this.#members[message.to - 1];
    if (message === undefined || member === undefined) throw new Error('a message to nobody');
    member.core.step(this.#wire === undefined ? message : this.#wire.pass(message));
  }

  #compact(): void {
    if (this.applied % compactEvery >= this.#options.batch || this.applied <= compactAfter) return;
    for (const { core, store, applied } of this.#members) {
      store.compactTo(applied - keep);
      core.compacted(applied - keep);
    }
  }
}
