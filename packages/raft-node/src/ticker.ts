/** The clock of a node: one tick of the core each `tickMs`, never two at once to make up for a late one. */
import { LogLevel, type Env, type Timer } from '@balsa/raft-core';
import type { MetricsRecorder } from './metrics.ts';

export interface TickerOptions {
  readonly env: Env;
  readonly metrics: MetricsRecorder;
  readonly tickMs: number;
  /** A tick that is later than this is worth a warning: elections come near. */
  readonly lateMs: number;
  readonly onTick: () => void;
}

export class Ticker {
  readonly #options: TickerOptions;
  #timer: Timer | undefined;
  #due = 0;
  #startedAt = 0;
  /** Ticks since then that somebody was told of: by `onTick`, or as missed. */
  #told = 0;

  constructor(options: TickerOptions) {
    this.#options = options;
  }

  start(): void {
    this.#startedAt = this.#options.env.now();
    this.#told = 0;
    this.#arm();
  }

  /** Ticks whose time has passed since this was asked last, and that did not come: the process stood still, or was late. */
  missed(): number {
    const { env, tickMs } = this.#options;
    const missed = Math.max(0, Math.floor((env.now() - this.#startedAt) / tickMs) - this.#told);
    this.#told += missed;
    return missed;
  }

  #arm(): void {
    const { env, tickMs } = this.#options;
    this.#due = env.now() + tickMs;
    this.#timer = env.setTimer(tickMs, () => this.#fire());
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #fire(): void {
    const { env, metrics, lateMs, onTick } = this.#options;
    const delay = env.now() - this.#due;
    metrics.add('ticks');
    metrics.observe('tickDelayMs', delay);
    if (delay > lateMs) {
      metrics.add('lateTicks');
      env.log.log(
        LogLevel.Warn,
        `a tick came ${String(Math.round(delay))} ms late: something blocked the event loop`,
        { delayMs: delay },
      );
    }
    this.#told++;
    this.#arm();
    onTick();
  }
}
