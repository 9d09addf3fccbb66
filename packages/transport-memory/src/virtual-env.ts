/** An Env whose time moves only when a test says so. */
import {
  assertSafeInteger,
  BalsaError,
  silentLogger,
  type Env,
  type Logger,
  type Timer,
} from '@balsa/raft-core';
import { createRandom } from './random.ts';
import { nextTurn } from './real-env.ts';
import { TimerHeap } from './timer-heap.ts';

export interface VirtualEnvOptions {
  /** Safe integer; the same seed gives the same run. */
  readonly seed: number;
  /** Dropped by default. */
  readonly log?: Logger;
  /**
   * Waited for between any two timers, so that promises settle before time goes on. By default one turn
   * of the real event loop, which drains every microtask.
   */
  readonly settle?: () => Promise<void>;
}

export interface VirtualEnv extends Env {
  /** Timers that are set and have neither run nor been cancelled. */
  readonly pendingTimers: number;
  /**
   * Moves time on by `ms` milliseconds, running what comes due in order of time and then of setting.
   * What a timer callback throws rejects the call, with time standing at that timer.
   */
  advance(ms: number): Promise<void>;
  /**
   * Moves time on, timer by timer, until `condition` holds. Rejects with `TIMEOUT` when it does not
   * within `maxMs` virtual milliseconds; `what` names the condition in the message.
   */
  runUntil(condition: () => boolean, maxMs: number, what?: string): Promise<void>;
  /** Lets promises settle without moving time. */
  settle(): Promise<void>;
}

/** Starts at time 0. One `advance` or `runUntil` at a time. */
export function createVirtualEnv(options: VirtualEnvOptions): VirtualEnv {
  return new VirtualClock(options);
}

/** More callbacks than this without time moving is a loop of zero timers, which would never end. */
const maxCallbacksPerInstant = 1_000_000;

class Scheduled implements Timer {
  readonly due: number;
  readonly order: number;
  callback: (() => void) | undefined;
  readonly #onCancel: () => void;

  constructor(due: number, order: number, callback: () => void, onCancel: () => void) {
    this.due = due;
    this.order = order;
    this.callback = callback;
    this.#onCancel = onCancel;
  }

  cancel(): void {
    if (this.callback === undefined) return;
    this.callback = undefined;
    this.#onCancel();
  }
}

class VirtualClock implements VirtualEnv {
  readonly log: Logger;
  readonly random: () => number;
  readonly #settle: () => Promise<void>;
  readonly #heap: TimerHeap<Scheduled> = new TimerHeap();
  #now = 0;
  #order = 0;
  #pending = 0;
  #running = false;
  #instantCallbacks = 0;

  constructor(options: VirtualEnvOptions) {
    assertSafeInteger(options.seed, 'seed', Number.MIN_SAFE_INTEGER);
    this.log = options.log ?? silentLogger;
    this.random = createRandom(options.seed);
    this.#settle = options.settle ?? nextTurn;
  }

  now(): number {
    return this.#now;
  }

  get pendingTimers(): number {
    return this.#pending;
  }

  setTimer(ms: number, callback: () => void): Timer {
    if (!(ms >= 0 && ms < Number.MAX_SAFE_INTEGER)) {
      throw new BalsaError(
        'OUT_OF_RANGE',
        `a timer needs a delay of 0 or more milliseconds, but got ${String(ms)}`,
      );
    }
    const timer = new Scheduled(this.#now + ms, this.#order++, callback, () => {
      this.#pending--;
    });
    this.#pending++;
    this.#heap.push(timer);
    return timer;
  }

  settle(): Promise<void> {
    return this.#settle();
  }

  async advance(ms: number): Promise<void> {
    if (!(ms >= 0))
      throw new BalsaError('OUT_OF_RANGE', `time moves on by 0 or more milliseconds, not ${String(ms)}`);
    await this.#run(this.#now + ms, () => false);
  }

  async runUntil(condition: () => boolean, maxMs: number, what = 'the condition'): Promise<void> {
    if (await this.#run(this.#now + maxMs, condition)) return;
    throw new BalsaError(
      'TIMEOUT',
      `${what} did not come to hold within ${String(maxMs)} virtual milliseconds`,
    );
  }

  async #run(until: number, condition: () => boolean): Promise<boolean> {
    if (this.#running) {
      throw new BalsaError(
        'INVALID_ARGUMENT',
        'virtual time is already moving: await the earlier advance or runUntil first',
      );
    }
    this.#running = true;
    this.#instantCallbacks = 0;
    try {
      await this.#settle();
      while (!condition()) {
        const timer = this.#popDue(until);
        if (timer === undefined) {
          this.#now = Math.max(this.#now, until);
          return false;
        }
        this.#fire(timer);
        await this.#settle();
      }
      return true;
    } finally {
      this.#running = false;
    }
  }

  #fire(timer: Scheduled): void {
    this.#instantCallbacks = timer.due > this.#now ? 0 : this.#instantCallbacks + 1;
    if (this.#instantCallbacks > maxCallbacksPerInstant) {
      throw new BalsaError(
        'INVARIANT_BROKEN',
        `over ${String(maxCallbacksPerInstant)} timers ran without time moving on: timers of 0 ms set each other for ever`,
      );
    }
    this.#now = Math.max(this.#now, timer.due);
    const callback = timer.callback;
    timer.callback = undefined;
    this.#pending--;
    callback?.();
  }

  /** The next live timer that is due by `until`, taken off the heap. Cancelled ones are thrown away on the way. */
  #popDue(until: number): Scheduled | undefined {
    for (let top = this.#heap.top(); top !== undefined; top = this.#heap.top()) {
      if (top.callback !== undefined && top.due > until) return undefined;
      this.#heap.pop();
      if (top.callback !== undefined) return top;
    }
    return undefined;
  }
}
