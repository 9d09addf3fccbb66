/**
 * Is there one order of a key's operations, each taking effect at one moment between call and return,
 * that the model allows?
 *
 * Just-in-time linearization (Lowe, "Testing for linearizability", 2017; the search goes back to Wing and
 * Gong, 1993): the events are read in order of time, and what is kept is every configuration they leave
 * possible: the state of the key and which of the pending operations have taken effect already. An
 * operation is made to take effect only when its return is reached. So memory grows with what is pending
 * at once, not with the length of the history.
 *
 * An operation of unknown outcome stays pending for ever. Two observations keep that cheap. A configuration
 * in which more of them are still free can do whatever one with fewer can, so the latter is dropped. And
 * of equal ones (the same operation with the same input) it never matters which took effect: the first does.
 */
import type { Model } from './model.ts';
import { isKnown, type Operation } from './operation.ts';

/** The order of effects that led to a configuration, newest first. */
export interface Effect<State> {
  readonly operation: Operation;
  readonly after: State;
  readonly before: Effect<State> | undefined;
}

interface Configuration<State> {
  readonly state: State;
  /** Slots of pending operations that have taken effect: of known outcome, and of unknown. */
  readonly known: bigint;
  readonly unknown: bigint;
  readonly path: Effect<State> | undefined;
}

interface Pending {
  readonly operation: Operation;
  readonly bit: bigint;
  readonly known: boolean;
  /** An equal operation of unknown outcome with a lower slot, which takes effect first. */
  readonly twin: bigint;
}

export type SearchResult<State> =
  | { readonly verdict: 'ok'; readonly explored: number }
  | { readonly verdict: 'undecided'; readonly explored: number }
  | {
      readonly verdict: 'violation';
      readonly explored: number;
      /** No order lets this one return what it returned. */
      readonly operation: Operation;
      /** States that the key could have had just before, each with an order of effects that leads there. */
      readonly possible: readonly { readonly state: State; readonly path: Effect<State> | undefined }[];
      readonly pending: readonly Operation[];
    };

/** Configurations kept apart by state and known effects; among the rest the ones with fewest unknown effects. */
class Frontier<State> {
  readonly #model: Model<State>;
  readonly #groups = new Map<string, Configuration<State>[]>();

  constructor(model: Model<State>) {
    this.#model = model;
  }

  /** False when it adds nothing. */
  add(configuration: Configuration<State>): boolean {
    const key = `${configuration.known.toString(36)} ${this.#model.identity(configuration.state)}`;
    const group = this.#groups.get(key);
    if (group === undefined) {
      this.#groups.set(key, [configuration]);
      return true;
    }
    const { unknown } = configuration;
    if (group.some((one) => (one.unknown & unknown) === one.unknown)) return false;
    const kept = group.filter((one) => (one.unknown & unknown) !== unknown);
    kept.push(configuration);
    this.#groups.set(key, kept);
    return true;
  }

  all(): Configuration<State>[] {
    return [...this.#groups.values()].flat();
  }
}

export class Search<State> {
  readonly #model: Model<State>;
  readonly #budget: number;
  #explored = 0;
  #frontier: Configuration<State>[];
  readonly #pending = new Map<Operation, Pending>();
  #free: bigint[] = [];
  #nextSlot = 0;

  /** `budget` bounds the configurations looked at over the whole search. */
  constructor(model: Model<State>, budget: number) {
    this.#model = model;
    this.#budget = budget;
    this.#frontier = [{ state: model.init(), known: 0n, unknown: 0n, path: undefined }];
  }

  run(operations: readonly Operation[]): SearchResult<State> {
    for (const { operation, isCall } of eventsOf(operations)) {
      if (isCall) {
        this.#call(operation);
        continue;
      }
      const found = this.#return(operation);
      if (found !== undefined) return found;
    }
    return { verdict: 'ok', explored: this.#explored };
  }

  #call(operation: Operation): void {
    const known = isKnown(operation);
    if (!known && this.#model.readsOnly(operation)) return;
    const bit = this.#free.pop() ?? 1n << BigInt(this.#nextSlot++);
    this.#pending.set(operation, { operation, bit, known, twin: known ? 0n : this.#twinOf(operation) });
  }

  /** The newest equal one: that one waits for the one before it in turn. */
  #twinOf(operation: Operation): bigint {
    let twin = 0n;
    const input = JSON.stringify(operation.input);
    for (const other of this.#pending.values()) {
      if (other.known || other.operation.op !== operation.op) continue;
      if (JSON.stringify(other.operation.input) === input) twin = other.bit;
    }
    return twin;
  }

  #return(operation: Operation): SearchResult<State> | undefined {
    const target = this.#pending.get(operation);
    if (target === undefined) throw new Error('an operation returned that was not called');
    const reached = new Frontier(this.#model);
    const seen = new Frontier(this.#model);
    const work: Configuration<State>[] = [];
    for (const configuration of this.#frontier) if (seen.add(configuration)) work.push(configuration);
    const start = this.#frontier;
    for (let one = work.pop(); one !== undefined; one = work.pop()) {
      if (this.#explored >= this.#budget) return { verdict: 'undecided', explored: this.#explored };
      this.#explored++;
      if ((one.known & target.bit) !== 0n) {
        reached.add({ ...one, known: one.known & ~target.bit });
        continue;
      }
      for (const pending of this.#pending.values()) {
        const next = this.#effect(one, pending);
        if (next === undefined) continue;
        // Effects behind the target's can wait for the next return.
        if (pending === target) reached.add({ ...next, known: next.known & ~target.bit });
        else if (seen.add(next)) work.push(next);
      }
    }
    this.#pending.delete(operation);
    this.#free.push(target.bit);
    this.#frontier = reached.all();
    if (this.#frontier.length > 0) return undefined;
    return {
      verdict: 'violation',
      explored: this.#explored,
      operation,
      possible: start.map(({ state, path }) => ({ state, path })),
      pending: [...this.#pending.keys()],
    };
  }

  #effect(one: Configuration<State>, pending: Pending): Configuration<State> | undefined {
    const { bit, known, operation, twin } = pending;
    if (((known ? one.known : one.unknown) & bit) !== 0n) return undefined;
    if (twin !== 0n && (one.unknown & twin) === 0n) return undefined;
    const state = this.#model.step(one.state, operation);
    if (state === undefined) return undefined;
    // What changes nothing need not be spent.
    if (!known && this.#model.identity(state) === this.#model.identity(one.state)) return undefined;
    return {
      state,
      known: known ? one.known | bit : one.known,
      unknown: known ? one.unknown : one.unknown | bit,
      path: { operation, after: state, before: one.path },
    };
  }
}

interface HistoryEvent {
  readonly operation: Operation;
  readonly isCall: boolean;
  readonly time: number;
}

/** In order of time. Of one instant the calls come first: what only touches is taken to overlap. */
function eventsOf(operations: readonly Operation[]): HistoryEvent[] {
  const events: HistoryEvent[] = [];
  for (const operation of operations) {
    events.push({ operation, isCall: true, time: operation.call });
    if (isKnown(operation)) events.push({ operation, isCall: false, time: operation.return });
  }
  return events.sort((a, b) => a.time - b.time || Number(b.isCall) - Number(a.isCall));
}
