/**
 * Virtual time, and who spends it.
 *
 * One event at a time: a callback runs, everything that its promises set off settles, then the judge looks, then
 * comes the next. Promises settle because the next step is queued by `process.nextTick` from within Node's
 * microtask queue: Node drains that queue before it takes the next tick, and no turn of the event loop is spent.
 */
import { TimerHeap, before } from '@balsa/transport-memory';
import type { Timer } from '@balsa/raft-core';

/** Whose time it is. A dead owner's callbacks never run; a paused one's wait until it goes on. */
export interface Owner {
  readonly id: number;
  alive: boolean;
  paused: boolean;
}

/** What belongs to no node: the network, the clients, the faults. */
export const world: Owner = { id: 0, alive: true, paused: false };

class Scheduled implements Timer {
  due: number;
  order: number;
  callback: (() => void) | undefined;
  readonly owner: Owner;

  constructor(due: number, order: number, owner: Owner, callback: () => void) {
    this.due = due;
    this.order = order;
    this.owner = owner;
    this.callback = callback;
  }

  cancel(): void {
    this.callback = undefined;
  }
}

/** Events between two real turns of the event loop, in which signals and output get their chance. */
const eventsPerTurn = 4096;

export class Clock {
  /** Virtual milliseconds. */
  now = 0;
  /** Callbacks that ran. */
  events = 0;
  /** Called after every event, once all that it set off has settled. What it throws ends the run. */
  afterEvent: () => void = () => undefined;
  readonly #heap: TimerHeap<Scheduled> = new TimerHeap();
  /** Those due at this very moment, in order of setting: most are. */
  #soon: Scheduled[] = [];
  #soonAt = 0;
  #order = 0;
  readonly #waiting = new Map<Owner, Scheduled[]>();

  set(owner: Owner, ms: number, callback: () => void): Timer {
    if (!(ms >= 0 && ms < Number.MAX_SAFE_INTEGER)) throw new RangeError(`a timer of ${String(ms)} ms`);
    const timer = new Scheduled(this.now + ms, this.#order++, owner, callback);
    if (ms === 0) this.#soon.push(timer);
    else this.#heap.push(timer);
    return timer;
  }

  /** Resolves after `ms` of the world's time. */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.set(world, ms, resolve));
  }

  /** What waited while the owner was paused runs now, or after a while, in order. */
  resume(owner: Owner, afterMs = 0): void {
    owner.paused = false;
    const waiting = this.#waiting.get(owner) ?? [];
    this.#waiting.delete(owner);
    for (const timer of waiting) {
      timer.due = this.now + afterMs;
      timer.order = this.#order++;
      if (afterMs === 0) this.#soon.push(timer);
      else this.#heap.push(timer);
    }
  }

  /** Runs events until `done` says so, or `maxEvents` more have run. False when they ran out. */
  run(done: () => boolean, maxEvents: number): Promise<boolean> {
    const last = this.events + maxEvents;
    return new Promise((resolve, reject) => {
      const turn = (): void => {
        try {
          this.afterEvent();
          const ended = done();
          if (ended || this.events >= last) {
            resolve(ended);
            return;
          }
          if (!this.#fireNext()) throw new Error('nothing will ever happen again in this world');
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)));
          return;
        }
        if (this.events % eventsPerTurn === 0) setImmediate(turn);
        else queueMicrotask(afterMicrotasks);
      };
      // Queued from within a microtask: else it would run before the microtasks that are waiting.
      const afterMicrotasks = (): void => process.nextTick(turn);
      queueMicrotask(afterMicrotasks);
    });
  }

  #fireNext(): boolean {
    for (let timer = this.#next(); timer !== undefined; timer = this.#next()) {
      const { callback, owner } = timer;
      if (callback === undefined || !owner.alive) continue;
      if (owner.paused) {
        const waiting = this.#waiting.get(owner);
        if (waiting === undefined) this.#waiting.set(owner, [timer]);
        else waiting.push(timer);
        continue;
      }
      if (timer.due > this.now) this.now = timer.due;
      timer.callback = undefined;
      this.events++;
      callback();
      return true;
    }
    return false;
  }

  #next(): Scheduled | undefined {
    const soon = this.#soon[this.#soonAt];
    const top = this.#heap.top();
    if (soon === undefined || (top !== undefined && before(top, soon))) {
      if (top !== undefined) this.#heap.pop();
      return top;
    }
    this.#soonAt++;
    if (this.#soonAt === this.#soon.length) {
      this.#soon = [];
      this.#soonAt = 0;
    }
    return soon;
  }
}
