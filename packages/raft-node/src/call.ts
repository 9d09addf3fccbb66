/** One waiting caller: a promise with a deadline and an abort signal. */
import { BalsaError, isBalsaError, type Env } from '@balsa/raft-core';
import { describeValue } from './check-options.ts';

/** How long a call may wait. */
export interface CallOptions {
  /** Rejects with `ABORTED` when it fires; a proposal that has left may still take effect. */
  readonly signal?: AbortSignal;
  /** Milliseconds, kept to within one tick. Default: `requestTimeoutMs` of the node. */
  readonly timeoutMs?: number;
}

export class Call<T> {
  readonly promise: Promise<T>;
  readonly startedAt: number;
  /** In the time of Env. */
  readonly deadline: number;
  readonly #onSettled: ((code: string) => void) | undefined;
  readonly #signal: AbortSignal | undefined;
  #abortListener: (() => void) | undefined;
  #resolve: (value: T) => void = () => undefined;
  #reject: (error: BalsaError) => void = () => undefined;
  #settled = false;

  /** `onSettled` gets `ok` or the code of the error. */
  constructor(env: Env, options: CallOptions, defaultTimeoutMs: number, onSettled?: (code: string) => void) {
    checkOptions(options);
    this.promise = new Promise<T>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.startedAt = env.now();
    this.deadline = this.startedAt + (options.timeoutMs ?? defaultTimeoutMs);
    this.#signal = options.signal;
    this.#onSettled = onSettled;
  }

  get settled(): boolean {
    return this.#settled;
  }

  /** Rejects with `ABORTED` when the signal fires before the call is settled; at once when it has fired already. */
  heedSignal(text: string): void {
    const signal = this.#signal;
    if (signal === undefined) return;
    const abort = (): void => this.reject(new BalsaError('ABORTED', text, { cause: signal.reason }));
    if (signal.aborted) {
      abort();
      return;
    }
    this.#abortListener = abort;
    signal.addEventListener('abort', abort, { once: true });
  }

  resolve(value: T): void {
    if (!this.#settle('ok')) return;
    this.#resolve(value);
  }

  reject(error: BalsaError): void {
    if (!this.#settle(isBalsaError(error) ? error.code : 'UNKNOWN_OUTCOME')) return;
    this.#reject(error);
  }

  /** Called once, with `ok` or the code of the error. */
  protected ended(code: string): void {
    this.#onSettled?.(code);
  }

  #settle(code: string): boolean {
    if (this.#settled) return false;
    this.#settled = true;
    if (this.#abortListener !== undefined) this.#signal?.removeEventListener('abort', this.#abortListener);
    this.ended(code);
    return true;
  }
}

/** A deadline that is no number would never come, and what is no signal would throw once the call is under way. */
function checkOptions({ timeoutMs, signal }: CallOptions): void {
  if (timeoutMs !== undefined && (typeof timeoutMs !== 'number' || Number.isNaN(timeoutMs)))
    refuse('timeoutMs', 'a number of milliseconds', timeoutMs);
  if (signal !== undefined && !isSignal(signal)) refuse('signal', 'an AbortSignal', signal);
}

function isSignal(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { aborted, addEventListener, removeEventListener } = value as Record<string, unknown>;
  return (
    typeof aborted === 'boolean' &&
    typeof addEventListener === 'function' &&
    typeof removeEventListener === 'function'
  );
}

function refuse(field: string, must: string, value: unknown): never {
  throw new BalsaError('INVALID_ARGUMENT', `${field} has to be ${must}, but is ${describeValue(value)}`);
}
