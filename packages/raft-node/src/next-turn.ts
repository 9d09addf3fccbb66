import type { Env } from '@balsa/raft-core';

/** One turn of the event loop, so that whatever else is due goes first. */
export function nextTurn(env: Env): Promise<void> {
  return new Promise((resolve) => {
    env.setTimer(0, resolve);
  });
}
