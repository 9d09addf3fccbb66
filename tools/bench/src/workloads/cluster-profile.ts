/** Where the time of a cluster goes: its leader and a follower under the profiler, with what a SET costs each. */
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { BenchCluster } from '../cluster/bench-cluster.ts';
import { loadLeader, warmUp } from '../cluster/load.ts';
import { profiledProgram, profileFrom, profileOption, signalProfiles } from '../cluster/node-profile.ts';
import { usageNow, usageOf, type Usage } from '../measure/process-usage.ts';
import type { Figure, Profile } from '../report/report.ts';
import type { Entrant, WorkloadContext } from './context.ts';

const profileMs = 1000;

export async function profileCluster(
  context: WorkloadContext,
  entrant: Entrant,
  clientCounts: readonly number[],
): Promise<Profile[]> {
  const { label } = entrant.source;
  return context.inDirectory(async (directory) => {
    const profiles = path.join(directory, 'profiles');
    mkdirSync(profiles);
    const nodes = await BenchCluster.start(context, entrant, directory, {
      program: profiledProgram(),
      nodeArguments: [profileOption, profiles],
    });
    try {
      await warmUp(nodes, context.plan.cluster.warmUpMs, context.signal);
      const found: Profile[] = [];
      for (const count of clientCounts) {
        context.say(`profile: ${label}, three processes, ${count} ${count === 1 ? 'client' : 'clients'}`);
        found.push(...(await profileLoad(context, nodes, label, count, profiles)));
      }
      return found;
    } finally {
      await nodes.stop();
    }
  });
}

/** What one process did in a run. */
interface Work extends Usage {
  readonly writes: number;
  readonly entries: number;
}

async function profileLoad(
  context: WorkloadContext,
  nodes: BenchCluster,
  label: string,
  count: number,
  directory: string,
): Promise<Profile[]> {
  await loadLeader(nodes, count, profileMs / 2, context.signal);
  const members = await nodes.membersLeaderFirst();
  const pids = members.map(({ pid }) => pid);
  const worked = (): Promise<Work[]> =>
    Promise.all(
      members.map(async ({ pid, metrics }) => {
        const counts = await metrics();
        const of = (name: string): number => counts?.get(name) ?? Number.NaN;
        return {
          ...usageOf(pid),
          writes: of('balsa_raft_storage_writes_total'),
          entries: of('balsa_raft_entries_persisted_total'),
        };
      }),
    );
  signalProfiles(pids);
  const before = await worked();
  const own = usageNow([]);
  const { latencies, elapsedMs } = await loadLeader(nodes, count, profileMs, context.signal);
  const ownMs = usageNow([]).cpuMs - own.cpuMs;
  const after = await worked();
  signalProfiles(pids);
  const sets = latencies.count;
  const cell = `${count} ${count === 1 ? 'client' : 'clients'}, under the profiler`;
  const rate: Figure = { name: 'SETs/s', value: (sets * 1000) / elapsedMs };
  const client: Figure = { name: 'us CPU a SET in the clients', value: (ownMs * 1000) / sets };
  const found: Profile[] = [];
  for (const [i, name] of ['the leader', 'a follower'].entries()) {
    const [pid, from, to] = [pids[i], before[i], after[i]];
    if (pid === undefined || from === undefined || to === undefined) continue;
    const { utilization, parts } = await profileFrom(directory, pid, context.signal);
    const figures: Figure[] = [
      { name: 'us CPU a SET', value: ((to.cpuMs - from.cpuMs) * 1000) / sets },
      {
        name: 'SETs in one write and sync of the log',
        value: (to.entries - from.entries) / (to.writes - from.writes),
      },
      { name: 'syncs of the log a SET', value: (to.writes - from.writes) / sets },
      { name: 'bytes to the disk a SET', value: (to.writtenBytes - from.writtenBytes) / sets },
      { name: 'use of the event loop', value: utilization },
    ].filter(({ value }) => Number.isFinite(value));
    found.push({
      label: `${label}, ${name}`,
      cell,
      functions: parts,
      figures: i === 0 ? [rate, ...figures, client] : figures,
    });
  }
  return found;
}
