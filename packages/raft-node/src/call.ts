/** One waiting caller: a promise with a deadline and an abort signal. */
import { isBalsaError, type BalsaError, type Env } from '@balsa/raft-core';

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

  /** Calls back when the signal fires before the call is settled; at once when it has fired already. */
  onAbort(callback: () => void): void {
    if (this.#signal === undefined) return;
    if (this.#signal.aborted) {
      callback();
      return;
    }
    this.#abortListener = callback;
    this.#signal.addEventListener('abort', callback, { once: true });
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
