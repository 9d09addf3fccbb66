/** The outside world as it is let in: time, chance and logging. Nothing else in Balsa reads a clock or rolls dice. */

export const LogLevel = { Debug: 0, Info: 1, Warn: 2, Error: 3, None: 4 } as const;
export type LogLevel = (typeof LogLevel)[keyof typeof LogLevel];

/**
 * Where log lines go. A library never prints by itself.
 * Callers on a hot path ask `enabled` first and build the text only then.
 */
export interface Logger {
  enabled(level: LogLevel): boolean;
  /** `fields` are particulars for machines; the text alone must make sense to a person. */
  log(level: LogLevel, text: string, fields?: Readonly<Record<string, unknown>>): void;
}

/** A logger that drops everything. */
export const silentLogger: Logger = Object.freeze({
  enabled: (): boolean => false,
  log: (): void => undefined,
});

export interface Timer {
  /** Idempotent; after it the callback is never called. */
  cancel(): void;
}

export interface Env {
  /** Monotonic milliseconds from an arbitrary start, with a fraction. Never goes back, whatever the wall clock does. */
  now(): number;
  /**
   * Calls `callback` once, at least `ms` milliseconds from now. `ms = 0` means: after the present turn
   * of the event loop and whatever input and output is ready, before any positive timer set later.
   */
  setTimer(ms: number, callback: () => void): Timer;
  /** Uniform in [0, 1). Of cryptographic quality in the real Env, of a seed in a simulated one. */
  random(): number;
  readonly log: Logger;
}

/** Sixteen hexadecimal digits (64 bits) from the Env's randomness, for identities and incarnations. */
export function randomHex64(env: Pick<Env, 'random'>): string {
  let text = '';
  for (let i = 0; i < 4; i++) {
    text += Math.floor(env.random() * 0x10000)
      .toString(16)
      .padStart(4, '0');
  }
  return text;
}
