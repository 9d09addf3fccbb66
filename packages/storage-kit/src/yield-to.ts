import type { Env } from '@balsa/raft-core';

/** Gives everything else its turn. */
export function yieldTo(env: Env): Promise<void> {
  return new Promise((resolve) => {
    env.setTimer(0, resolve);
  });
}
