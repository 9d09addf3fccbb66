import { setTimeout as sleep } from 'node:timers/promises';
import { CommandFailure } from './failure.ts';

export interface WaitOptions {
  /** Milliseconds until it is given up. */
  readonly timeoutMs: number;
  /** What is waited for, as it goes after "waited N s for". */
  readonly what: string;
  readonly signal?: AbortSignal;
  /** Milliseconds between looks. Default 50. */
  readonly everyMs?: number;
}

/** Looks again and again until `look` gives something, and resolves with it. */
export async function waitFor<T>(look: () => Promise<T | undefined>, options: WaitOptions): Promise<T> {
  const deadline = performance.now() + options.timeoutMs;
  for (;;) {
    options.signal?.throwIfAborted();
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() >= deadline) {
      throw new CommandFailure(`Waited ${options.timeoutMs / 1000} s for ${options.what}, in vain.`);
    }
    await sleep(
      options.everyMs ?? 50,
      undefined,
      options.signal === undefined ? {} : { signal: options.signal },
    );
  }
}
