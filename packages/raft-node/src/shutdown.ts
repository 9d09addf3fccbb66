/** Closing what a node holds, one part after another, within a bounded time. */
import { LogLevel, type Env, type Timer } from '@balsa/raft-core';

/** One part, and how it is closed. */
export type ClosingStep = readonly [what: string, close: () => Promise<void>];

/** One part that fails to close does not keep the others open. Never rejects; ends after `timeoutMs`, whatever hangs. */
export async function closeAll(
  node: string,
  env: Env,
  timeoutMs: number,
  steps: readonly ClosingStep[],
): Promise<void> {
  let timer: Timer | undefined;
  const bound = new Promise<void>((resolve) => {
    timer = env.setTimer(timeoutMs, () => {
      env.log.log(LogLevel.Error, `${node} did not stop within ${String(timeoutMs)} ms`);
      resolve();
    });
  });
  await Promise.race([closeEach(node, env, steps), bound]);
  timer?.cancel();
}

async function closeEach(node: string, env: Env, steps: readonly ClosingStep[]): Promise<void> {
  for (const [what, close] of steps) {
    try {
      await close();
    } catch (error) {
      env.log.log(LogLevel.Warn, `closing the ${what} of ${node} failed: ${String(error)}`, { error });
    }
  }
}
