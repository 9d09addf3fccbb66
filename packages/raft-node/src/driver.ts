/** The one loop that drives a core: inputs in, and while there is a Ready, its work out. */
import {
  isBalsaError,
  type Env,
  type Message,
  type RaftCore,
  type Ready,
  type Timer,
} from '@balsa/raft-core';
import type { MetricsRecorder } from './metrics.ts';

export interface DriverOptions {
  readonly core: RaftCore;
  readonly env: Env;
  readonly metrics: MetricsRecorder;
  readonly running: () => boolean;
  /**
   * Ticks whose time has passed unseen since this was asked last. It is asked before the core is given anything: a
   * lease is a matter of time, not of ticks that came, and a process that stood still must not trust it.
   */
  readonly missedTicks: () => number;
  /** Gives the core what has gathered since the last turn. */
  readonly flush: () => void;
  readonly onReady: (ready: Ready) => void;
  /** The core broke a rule, or a part of the node failed in its turn: the node stops. */
  readonly onError: (error: unknown) => void;
}

export class Driver {
  readonly #options: DriverOptions;
  #pumping = false;
  #again = false;
  #turn: Timer | undefined;

  constructor(options: DriverOptions) {
    this.#options = options;
  }

  /** Gives the core an input and does what follows from it, in this turn. */
  input(give: () => void): void {
    if (!this.#options.running()) return;
    try {
      this.#passTime();
      give();
    } catch (error) {
      this.#options.onError(error);
      return;
    }
    this.pump();
  }

  /** Delivers a message. What a peer sends can be refused, never thrown further. */
  step(message: Message): void {
    const { core, metrics } = this.#options;
    try {
      core.step(message);
    } catch (error) {
      if (!isBalsaError(error) || error.code === 'INVARIANT_BROKEN') throw error;
      metrics.rejected(error.code);
    }
  }

  /** Does what has gathered once the present turn is over, so that what arrives together goes together. */
  schedule(): void {
    const { env, running } = this.#options;
    if (!running() || this.#turn !== undefined) return;
    this.#turn = env.setTimer(0, () => {
      this.#turn = undefined;
      this.pump();
    });
  }

  /** Safe to call from within itself: then the outer call goes on once more. */
  pump(): void {
    const { core, running, flush, onReady, onError } = this.#options;
    if (!running()) return;
    if (this.#pumping) {
      this.#again = true;
      return;
    }
    this.#pumping = true;
    try {
      this.#passTime();
      do {
        this.#again = false;
        flush();
        while (running() && core.hasReady()) onReady(core.ready());
      } while (this.#wantsMore() && running());
    } catch (error) {
      onError(error);
    } finally {
      this.#pumping = false;
    }
  }

  stop(): void {
    this.#turn?.cancel();
    this.#turn = undefined;
  }

  #passTime(): void {
    const missed = this.#options.missedTicks();
    if (missed > 0) this.#options.core.missedTicks(missed);
  }

  #wantsMore(): boolean {
    return this.#again;
  }
}
