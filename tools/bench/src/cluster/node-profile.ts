/** Nodes under V8's profiler: how they are started, and what they leave. */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { waitFor } from '@balsa/cluster';
import { builtProgram } from '../built.ts';

export interface NodeProfile {
  /** Of the event loop, from 0 to 1; a sync on the calling thread counts as use. */
  readonly utilization: number;
  /** Shares of the time, from 0 to 1, largest first. */
  readonly parts: readonly { readonly name: string; readonly share: number }[];
}

export const profileOption = '--bench-profile';
const patienceMs = 10_000;

/** The program that runs a node under the profiler. */
export function profiledProgram(): string {
  return builtProgram('cluster/profiled-node.js');
}

/** Begins, or ends, the profile of each process. */
export function signalProfiles(pids: readonly number[]): void {
  for (const pid of pids) process.kill(pid, 'SIGUSR2');
}

/** What the process left when its profile was ended. Taken away, so that the next is not mistaken for it. */
export async function profileFrom(directory: string, pid: number, signal: AbortSignal): Promise<NodeProfile> {
  const file = path.join(directory, `${pid}.json`);
  const read = (): Promise<NodeProfile | undefined> =>
    Promise.resolve(existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as NodeProfile) : undefined);
  const found = await waitFor(read, { what: 'a node to write its profile', timeoutMs: patienceMs, signal });
  rmSync(file);
  return found;
}
