/**
 * A plan: what a process is to do with a store, made from a seed, so that the process that does it and the one
 * that judges what is left know it alike.
 *
 * A plan has lanes: the engine, two groups and an ordered store. A round takes at most one step of each lane, and
 * the steps of a round run beside one another. Within a lane, step follows step: after a crash a lane is where its
 * last acknowledged step left it, or where the one in flight would have.
 */
import {
  Entry,
  entryOverheadBytes,
  EntryType,
  type ConfState,
  type HardState,
  type IndexedConfState,
  type KeyValue,
  type SnapshotMetadata,
  type StoreIdentity,
} from '@balsa/raft-core';
import { bytes, conf, pattern } from '../make.ts';
import { seededRandom, type Random } from './random.ts';

/** A snapshot is named by the plan (`ref`); its id is the store's. */
export type Action =
  | { readonly kind: 'stamp'; readonly identity: StoreIdentity }
  | { readonly kind: 'reopen' }
  | {
      readonly kind: 'write';
      readonly entries?: readonly Entry[];
      readonly hardState?: HardState;
      readonly confState?: IndexedConfState;
      readonly install?: string;
      readonly restored?: string;
    }
  | { readonly kind: 'compact'; readonly index: number }
  | {
      readonly kind: 'create' | 'receive';
      readonly ref: string;
      readonly metadata: SnapshotMetadata;
      readonly chunks: readonly Uint8Array[];
    }
  | { readonly kind: 'prune'; readonly keep: number }
  | { readonly kind: 'maintain' }
  | {
      readonly kind: 'put';
      readonly changes: readonly (readonly [Uint8Array, Uint8Array | undefined])[];
      readonly appliedIndex: number;
    }
  | { readonly kind: 'sync' }
  | { readonly kind: 'restore'; readonly pairs: readonly KeyValue[]; readonly appliedIndex: number };

export type Lane = 'engine' | 'a' | 'b' | 'kv';
export const groupLanes = ['a', 'b'] as const;

export interface Step {
  /** From 0, in the order in which steps begin. */
  readonly id: number;
  readonly lane: Lane;
  readonly action: Action;
}

export interface Plan {
  readonly seed: number;
  readonly orderedStore: boolean;
  readonly rounds: readonly (readonly Step[])[];
}

export interface PlanOptions {
  readonly seed: number;
  /** Rounds after the first, which stamps the identity. */
  readonly rounds: number;
  readonly orderedStore: boolean;
  /** Writes of group a behind the rounds, one after another: a vote, and so many that change neither term nor vote. Default: none. */
  readonly plain?: number;
  /** Bytes of the entries of a `big` step, together. Default 100 000. */
  readonly bigBytes?: number;
  /** Largest entry that the store takes, in bytes as `entrySize` counts; at least 1024. Default: larger than any of a plan. */
  readonly maxEntryBytes?: number | undefined;
}

/** Every kind of change comes up in every sixteen rounds; the seed says with what in it. */
const groupKinds = [
  ...['append', 'vote', 'append', 'create', 'commit', 'compact', 'overwrite', 'append'],
  ...['install', 'append', 'conf', 'big', 'maintain', 'append', 'create', 'prune'],
] as const;
const storeKinds = ['put', 'put', 'sync', 'put', 'restore', 'put', 'put', 'maintain', 'put', 'sync'] as const;

export function makePlan(options: PlanOptions): Plan {
  const { seed, orderedStore, maxEntryBytes = Infinity } = options;
  const random = seededRandom(seed);
  let id = 0;
  const step = (lane: Lane, action: Action): Step => ({ id: id++, lane, action });
  const identity = {
    clusterId: '00c0ffee00c0ffee',
    nodeId: 1,
    incarnation: '0123456789abcdef',
    maxEntryBytes: Math.min(1_000_000, maxEntryBytes),
  };
  const bigBytes = Math.min(options.bigBytes ?? 100_000, maxEntryBytes - entryOverheadBytes);
  const rounds: Step[][] = [[step('engine', { kind: 'stamp', identity })]];
  const groups = groupLanes.map((lane, i) => new GroupPlanner(lane, random, bigBytes, i * 5));
  const store = new StorePlanner(random);
  for (let round = 0; round < options.rounds; round++) {
    if (round === Math.floor(options.rounds / 2)) rounds.push([step('engine', { kind: 'reopen' })]);
    const steps: Step[] = [];
    for (const group of groups) {
      // Now alone, now together: a shared sync and one of its own are different paths.
      if (random.chance(0.25)) continue;
      steps.push(step(group.lane, group.next()));
    }
    if (orderedStore && random.chance(0.8)) steps.push(step('kv', store.next()));
    if (steps.length > 0) rounds.push(steps);
  }
  const [group] = groups;
  if (options.plain !== undefined && group !== undefined)
    for (const action of group.plain(options.plain)) rounds.push([step(group.lane, action)]);
  return { seed, orderedStore, rounds };
}

/** Steps of one group that a correct store never refuses. */
class GroupPlanner {
  readonly lane: Lane;
  readonly #random: Random;
  readonly #bigBytes: number;
  #turn: number;
  #boundary = 0;
  #terms: number[] = [];
  #hard: HardState = { term: 1, vote: 0, commit: 0 };
  #conf: IndexedConfState = { index: 0, state: conf(1, 2, 3) };
  #snapshots = 0;
  /** What has to come next, whatever the turn says. */
  readonly #queue: Action[] = [];

  constructor(lane: Lane, random: Random, bigBytes: number, turn: number) {
    this.lane = lane;
    this.#random = random;
    this.#bigBytes = bigBytes;
    this.#turn = turn;
  }

  get #last(): number {
    return this.#boundary + this.#terms.length;
  }

  next(): Action {
    const queued = this.#queue.shift();
    if (queued !== undefined) return queued;
    const kind = groupKinds[this.#turn++ % groupKinds.length] ?? 'append';
    if (this.#last === 0) return this.#append();
    switch (kind) {
      case 'vote':
        return this.#vote();
      case 'commit':
        return this.#commitAll();
      case 'create':
        return this.#hard.commit > 0 ? this.#create() : this.#append();
      case 'compact':
        return { kind: 'compact', index: this.#compact() };
      case 'overwrite':
        return this.#overwrite();
      case 'install':
        return this.#receive();
      case 'conf':
        return this.#confChange();
      case 'big':
        return this.#append(this.#bigBytes);
      case 'maintain':
        return { kind: 'maintain' };
      case 'prune':
        return { kind: 'prune', keep: 1 };
      default:
        return this.#append();
    }
  }

  /** What the rounds left to come, a vote, and so many writes of an entry or of its commit. */
  *plain(count: number): Generator<Action> {
    yield* this.#queue.splice(0);
    yield { kind: 'write', hardState: this.#raiseTerm() };
    for (let i = 0; i < count; i++)
      yield i % 2 === 0 ? { kind: 'write', entries: [this.#entry(this.#last + 1, 40)] } : this.#commitAll();
  }

  #entry(index: number, size: number, type: EntryType = EntryType.Normal): Entry {
    const term = this.#hard.term;
    this.#terms.push(term);
    const seed = index * 131 + term * 17 + this.lane.charCodeAt(0);
    return new Entry(term, index, type, pattern(size, seed));
  }

  #append(total?: number): Action {
    const count = this.#random.int(1, 5);
    const first = this.#last + 1;
    const size = (): number => (total === undefined ? this.#random.int(0, 900) : Math.floor(total / count));
    const entries = Array.from({ length: count }, (_, i) => this.#entry(first + i, size()));
    const commit = Math.max(this.#hard.commit, this.#last - this.#random.int(0, 2));
    if (this.#random.chance(0.3)) return { kind: 'write', entries };
    this.#hard = { ...this.#hard, commit: Math.min(commit, this.#last) };
    return { kind: 'write', entries, hardState: this.#hard };
  }

  /** The commit index alone: no entry in the batch, and no vote changed. */
  #commitAll(): Action {
    if (this.#hard.commit === this.#last) return this.#append();
    this.#hard = { ...this.#hard, commit: this.#last };
    return { kind: 'write', hardState: this.#hard };
  }

  /** A term and a vote at once; now and then the term first, and the vote in a write of its own. */
  #vote(): Action {
    const { vote, ...rest } = this.#raiseTerm();
    if (this.#random.chance(0.5)) return { kind: 'write', hardState: { ...rest, vote } };
    this.#queue.push({ kind: 'write', hardState: { ...rest, vote } });
    return { kind: 'write', hardState: { ...rest, vote: 0 } };
  }

  #raiseTerm(): HardState {
    this.#hard = { ...this.#hard, term: this.#hard.term + 1, vote: this.#random.int(1, 3) };
    return this.#hard;
  }

  /** Replaces the suffix behind the commit by a shorter one of a higher term. */
  #overwrite(): Action {
    const from = this.#random.int(this.#hard.commit + 1, this.#last + 1);
    const hardState = this.#raiseTerm();
    this.#terms.length = from - 1 - this.#boundary;
    return { kind: 'write', entries: [this.#entry(from, this.#random.int(0, 300))], hardState };
  }

  #compact(): number {
    const index = Math.max(this.#boundary, this.#hard.commit - this.#random.int(0, 4));
    this.#terms.splice(0, index - this.#boundary);
    this.#boundary = index;
    return index;
  }

  #chunks(): Uint8Array[] {
    const count = this.#random.int(0, 3);
    return Array.from({ length: count }, (_, i) =>
      pattern(this.#random.int(1, 6000), this.#snapshots * 7 + i),
    );
  }

  #create(): Action {
    const index = this.#hard.commit;
    // The term of the boundary is not kept here; a snapshot is made of what is above it.
    const term = this.#terms[index - this.#boundary - 1];
    if (term === undefined || index < this.#conf.index) return this.#append();
    const metadata = { index, term, confState: this.#conf.state };
    return { kind: 'create', ref: `${this.lane}${++this.#snapshots}`, metadata, chunks: this.#chunks() };
  }

  #receive(): Action {
    const ref = `${this.lane}${++this.#snapshots}`;
    const index = this.#last + this.#random.int(1, 9);
    const hardState = { ...this.#raiseTerm(), commit: index };
    const state = conf(1, 2, 3, 4 + (index % 3));
    const metadata = { index, term: hardState.term, confState: state };
    this.#queue.push({ kind: 'write', install: ref, hardState }, { kind: 'write', restored: ref });
    this.#boundary = index;
    this.#terms = [];
    this.#hard = hardState;
    this.#conf = { index, state };
    return { kind: 'receive', ref, metadata, chunks: this.#chunks() };
  }

  #confChange(): Action {
    const entry = this.#entry(this.#last + 1, 20, EntryType.ConfChangeV2);
    const state: ConfState = { ...conf(1, 2, 3), learners: [4 + (entry.index % 5)] };
    this.#conf = { index: entry.index, state };
    this.#hard = { ...this.#hard, commit: entry.index };
    this.#queue.push({ kind: 'write', confState: this.#conf });
    return { kind: 'write', entries: [entry], hardState: this.#hard };
  }
}

class StorePlanner {
  readonly #random: Random;
  #turn = 0;
  #applied = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  next(): Action {
    const kind = storeKinds[this.#turn++ % storeKinds.length] ?? 'put';
    this.#applied += this.#random.int(1, 4);
    const appliedIndex = this.#applied;
    const key = (n: number): Uint8Array => bytes(`key-${String(n).padStart(4, '0')}`);
    const value = (n: number): Uint8Array => pattern(this.#random.int(0, 500), appliedIndex * 31 + n);
    if (kind === 'sync' || kind === 'maintain') return { kind };
    if (kind === 'restore') {
      const pairs = Array.from({ length: this.#random.int(1, 30) }, (_, i) => ({
        key: key(i),
        value: value(i),
      }));
      return { kind, pairs, appliedIndex };
    }
    const changes = Array.from({ length: this.#random.int(1, 6) }, () => {
      const n = this.#random.int(0, 60);
      return [key(n), this.#random.chance(0.2) ? undefined : value(n)] as const;
    });
    return { kind: 'put', changes, appliedIndex };
  }
}
