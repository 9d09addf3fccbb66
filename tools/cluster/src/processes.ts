/** Processes by id, whoever started them. */
import { waitFor } from './wait.ts';

/** A killed process is gone within moments, in milliseconds. */
const goneMs = 10_000;

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Somebody else's process is a process all the same.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

export async function untilGone(pid: number, what: string): Promise<void> {
  await waitFor(async () => (isAlive(pid) ? undefined : true), { timeoutMs: goneMs, what, everyMs: 10 });
}
