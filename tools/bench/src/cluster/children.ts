/** Processes of a cluster that this one has started. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';

/** Of those that could be started. */
export function pidsOf(children: readonly ChildProcess[]): number[] {
  return children.flatMap(({ pid }) => (pid === undefined ? [] : [pid]));
}

/** In their order; resolves when all have ended. */
export async function killAll(children: readonly ChildProcess[]): Promise<void> {
  const ended = children
    .filter((child) => child.pid !== undefined && child.exitCode === null && child.signalCode === null)
    .map((child) => once(child, 'exit'));
  for (const child of children) child.kill('SIGKILL');
  await Promise.all(ended);
}
