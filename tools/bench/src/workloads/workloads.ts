/** The workloads by name, in the order in which they run. */
import { append } from './append.ts';
import type { Workload } from './context.ts';

export const workloads: readonly Workload[] = [append];

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
