/**
 * The line between a node process and the process that started it.
 *
 * A child started with an IPC channel reports over it and stops when it breaks: the channel ends with
 * the parent, however it died, so no orphan is left. Without a channel the report is a line on stdout.
 */

import type { ChildReport } from '@balsa/cluster';

export function report(value: ChildReport): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined) {
      if (value.type === 'ready') process.stdout.write(`${JSON.stringify(value)}\n`);
      resolve();
      return;
    }
    // A parent that is gone cannot be told anything; its absence is handled by onParentGone.
    process.send(value, undefined, undefined, () => {
      resolve();
    });
  });
}

export function onParentGone(stop: () => void): void {
  if (process.send !== undefined) process.once('disconnect', stop);
}
