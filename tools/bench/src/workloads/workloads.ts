/** The workloads by name, in the order in which they run. */
import { append } from './append.ts';
import { cluster } from './cluster.ts';
import { compaction } from './compaction.ts';
import type { Workload } from './context.ts';
import { openLoop } from './open-loop.ts';
import { read } from './read.ts';
import { reopen } from './reopen.ts';
import { snapshot } from './snapshot.ts';

export const workloads: readonly Workload[] = [append, openLoop, read, snapshot, compaction, reopen, cluster];

export class UnknownWorkload extends Error {}

export function chooseWorkloads(names: readonly string[] | undefined): readonly Workload[] {
  if (names === undefined) return workloads;
  const known = workloads.map(({ name }) => name);
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined)
    throw new UnknownWorkload(
      `there is no workload ${JSON.stringify(unknown)}; there are: ${known.join(', ')}`,
    );
  return workloads.filter(({ name }) => names.includes(name));
}
