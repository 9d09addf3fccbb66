/** Time and chance as one process of one machine sees them. */
import { LogLevel, type Env, type Logger, type Timer } from '@balsa/raft-core';
import type { Chance } from './chance.ts';
import type { Clock, Owner } from './clock.ts';

/** A machine's clock: it runs too fast or too slow, and jumps forward. It never goes back. */
export class MachineClock {
  readonly #clock: Clock;
  #rate = 1;
  #base = 0;
  #reading = 0;

  constructor(clock: Clock, startedAt: number) {
    this.#clock = clock;
    this.#base = clock.now;
    this.#reading = startedAt;
  }

  now(): number {
    return this.#reading + (this.#clock.now - this.#base) * this.#rate;
  }

  /** Virtual milliseconds for `ms` of this clock. */
  worldTime(ms: number): number {
    return ms / this.#rate;
  }

  setRate(rate: number): void {
    this.#reading = this.now();
    this.#base = this.#clock.now;
    this.#rate = rate;
  }

  jump(ms: number): void {
    this.#reading += ms;
  }
}

export interface NodeEnvOptions {
  readonly clock: Clock;
  readonly machine: MachineClock;
  readonly owner: Owner;
  readonly chance: Chance;
  readonly onLog: (level: LogLevel, text: string) => void;
}

/** The Env of one life of one node. */
export function nodeEnv(options: NodeEnvOptions): Env {
  const { clock, machine, owner, chance, onLog } = options;
  const log: Logger = {
    enabled: (level) => level >= LogLevel.Warn,
    log: (level, text) => {
      if (level >= LogLevel.Warn && owner.alive) onLog(level, text);
    },
  };
  return {
    now: () => machine.now(),
    setTimer: (ms, callback): Timer => clock.set(owner, ms === 0 ? 0 : machine.worldTime(ms), callback),
    random: () => chance.next(),
    log,
  };
}
