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

  constructor(options: TickerOptions) {
    this.#options = options;
  }

  start(): void {
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
    this.start();
    onTick();
  }
}
