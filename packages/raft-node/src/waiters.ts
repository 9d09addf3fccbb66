/** Callers that wait for one and the same thing to happen. */
import type { BalsaError, Env } from '@balsa/raft-core';
import { Call } from './call.ts';

export class Waiters<T> {
  readonly #env: Env;
  #waiting: { readonly call: Call<T>; readonly late: () => BalsaError }[] = [];

  constructor(env: Env) {
    this.#env = env;
  }

  /** Rejects with what `late` makes after `timeoutMs`, to within one tick. */
  wait(timeoutMs: number, late: () => BalsaError): Promise<T> {
    const call = new Call<T>(this.#env, {}, timeoutMs, () => undefined);
    this.#waiting.push({ call, late });
    return call.promise;
  }

  resolve(value: T): void {
    for (const { call } of this.#waiting.splice(0)) call.resolve(value);
  }

  reject(error: BalsaError): void {
    for (const { call } of this.#waiting.splice(0)) call.reject(error);
  }

  tick(): void {
    const now = this.#env.now();
    this.#waiting = this.#waiting.filter(({ call, late }) => {
      if (now < call.deadline) return true;
      call.reject(late());
      return false;
    });
  }
}
