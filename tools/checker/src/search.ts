/**
 * Is there one order of a key's operations, each taking effect at one moment between call and return,
 * that the model allows?
 *
 * Just-in-time linearization (Lowe, "Testing for linearizability", 2017; the search goes back to Wing and
 * Gong, 1993): the events are read in order of time. A configuration is the state of the key and which of
 * the pending operations have taken effect already; an operation is made to take effect only when its
 * return is reached. The search goes into depth, fewest effects first: a history that has an explanation is
 * rarely looked at twice. Configurations that led nowhere are remembered for each return.
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
}

/** A return, and what is pending just before it. */
interface Return {
  readonly target: Pending;
  /** Those of known outcome first: effects of the others are spent only where nothing else helps. */
  readonly pending: readonly Pending[];
}

/** One return on the way into depth: configurations before it that are still to be looked at, fewest effects first. */
interface Level<State> {
  readonly seen: Frontier<State>;
  readonly work: Configuration<State>[];
  at: number;
  /** Whether the return was tried on the one at `at`, so that it is the turn of what else could happen first. */
  tried: boolean;
}

/** The farthest return that any order reaches, and what leads there. */
interface Farthest<State> {
  readonly index: number;
  readonly possible: { readonly state: State; readonly path: Effect<State> | undefined }[];
}

/** Configurations kept for the explanation of a violation. */
const keptPossible = 64;

export class Search<State> {
  readonly #model: Model<State>;
  readonly #budget: number;
  #explored = 0;
  #returns: Return[] = [];
  /** For each return, configurations just after it that were gone into. */
  #after: Frontier<State>[] = [];
  #farthest: Farthest<State> = { index: -1, possible: [] };

  /** `budget` bounds the configurations looked at over the whole search, and with them its memory. */
  constructor(model: Model<State>, budget: number) {
    this.#model = model;
    this.#budget = budget;
  }

  run(operations: readonly Operation[]): SearchResult<State> {
    this.#returns = returnsOf(operations, (one) => this.#model.readsOnly(one));
    this.#after = this.#returns.map(() => new Frontier(this.#model));
    const levels: Level<State>[] = [];
    let next: Configuration<State> | undefined = {
      state: this.#model.init(),
      known: 0n,
      unknown: 0n,
      path: undefined,
    };
    for (;;) {
      if (next !== undefined) {
        if (levels.length === this.#returns.length) return { verdict: 'ok', explored: this.#explored };
        levels.push(this.#enter(levels.length, next));
      }
      const level = levels.at(-1);
      if (level === undefined) return this.#violation();
      if (this.#explored >= this.#budget) return { verdict: 'undecided', explored: this.#explored };
      next = this.#advance(levels.length - 1, level);
      if (next === undefined && level.at >= level.work.length) levels.pop();
    }
  }

  #enter(index: number, configuration: Configuration<State>): Level<State> {
    if (index > this.#farthest.index) this.#farthest = { index, possible: [] };
    const { possible } = this.#farthest;
    if (index === this.#farthest.index && possible.length < keptPossible) possible.push(configuration);
    const seen = new Frontier(this.#model);
    seen.add(configuration);
    return { seen, work: [configuration], at: 0, tried: false };
  }

  /** Looks at one more configuration before the return; gives one after it, if the return can be next. */
  #advance(index: number, level: Level<State>): Configuration<State> | undefined {
    const one = level.work[level.at];
    const place = this.#returns[index];
    if (one === undefined || place === undefined) return undefined;
    const { target } = place;
    const happened = (one.known & target.bit) !== 0n;
    if (!level.tried) {
      level.tried = true;
      this.#explored++;
      const reached = happened ? one : this.#effect(one, target);
      if (reached === undefined) return undefined;
      const after = { ...reached, known: reached.known & ~target.bit };
      return this.#after[index]?.add(after) === true ? after : undefined;
    }
    level.tried = false;
    level.at++;
    // Effects behind the target's can wait for the next return.
    if (!happened) this.#expand(one, place, level);
    return undefined;
  }

  #expand(one: Configuration<State>, { target, pending }: Return, level: Level<State>): void {
    for (const other of pending) {
      const next = other === target ? undefined : this.#effect(one, other);
      if (next !== undefined) this.#explored++;
      if (next !== undefined && level.seen.add(next)) level.work.push(next);
    }
  }

  #violation(): SearchResult<State> {
    const { index, possible } = this.#farthest;
    const place = this.#returns[index];
    if (place === undefined) throw new Error('a history without returns has an explanation');
    const pending = place.pending.filter((one) => one !== place.target).map(({ operation }) => operation);
    return {
      verdict: 'violation',
      explored: this.#explored,
      operation: place.target.operation,
      possible,
      pending,
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

/** Every return with what is pending there. Slots are used again once an operation has returned. */
function returnsOf(operations: readonly Operation[], readsOnly: (one: Operation) => boolean): Return[] {
  const returns: Return[] = [];
  const pending = new Map<Operation, Pending>();
  const free: bigint[] = [];
  let nextSlot = 0;
  for (const { operation, isCall } of eventsOf(operations)) {
    const known = isKnown(operation);
    if (!isCall) {
      const target = pending.get(operation);
      if (target === undefined) throw new Error('an operation returned that was not called');
      const all = [...pending.values()];
      returns.push({
        target,
        pending: [...all.filter((one) => one.known), ...all.filter((one) => !one.known)],
      });
      pending.delete(operation);
      free.push(target.bit);
    } else if (known || !readsOnly(operation)) {
      const bit = free.pop() ?? 1n << BigInt(nextSlot++);
      pending.set(operation, {
        operation,
        bit,
        known,
        twin: known ? 0n : twinOf(operation, pending.values()),
      });
    }
  }
  return returns;
}

/** The newest equal one: that one waits for the one before it in turn. */
function twinOf({ op, input }: Operation, pending: Iterable<Pending>): bigint {
  let twin = 0n;
  const text = JSON.stringify(input);
  for (const { operation, known, bit } of pending) {
    if (!known && operation.op === op && JSON.stringify(operation.input) === text) twin = bit;
  }
  return twin;
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
