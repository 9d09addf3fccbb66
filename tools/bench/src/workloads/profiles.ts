/** For adapters and clusters that missed a bar: where their time goes. */
import path from 'node:path';
import { profileLane } from '../measure/profile.ts';
import type { Bar, Profile } from '../report/report.ts';
import { adapterRunner, titleOf } from './append.ts';
import { profileCluster } from './cluster-profile.ts';
import type { WorkloadContext } from './context.ts';

const profileMs = 600;

export async function profileMissed(context: WorkloadContext, bars: readonly Bar[]): Promise<Profile[]> {
  const { entrants, plan, signal, say, inDirectory } = context;
  const profiles: Profile[] = [];
  for (const { label, text } of bars.filter(({ met }) => met === false)) {
    const entrant = entrants.find(({ source }) => source.label === label);
    const cell = plan.append.find(
      ({ batch, payloadBytes, groups }) =>
        groups === 1 && payloadBytes === 256 && text.startsWith(`${label}, batch ${batch}:`),
    );
    if (entrant === undefined || cell === undefined) continue;
    say(`profile: ${label}, ${titleOf(cell)}`);
    const functions = await inDirectory(async (directory) => {
      const { lane } = await adapterRunner(context, cell, entrant, path.join(directory, 'data'));
      try {
        return await profileLane(lane, profileMs, signal);
      } finally {
        await lane.close();
      }
    });
    profiles.push({ label, cell: titleOf(cell), functions });
  }
  profiles.push(...(await profileClusters(context, bars)));
  return profiles;
}

/** One cluster for all that its bars missed. */
async function profileClusters(context: WorkloadContext, bars: readonly Bar[]): Promise<Profile[]> {
  const missed = bars.filter(({ met, text }) => met === false && text.startsWith('three processes'));
  const entrant = context.entrants.find(({ source }) => source.label === missed[0]?.label);
  const counts = [1, ...context.plan.cluster.clients.filter((count) => count > 1)].filter((count) =>
    missed.some(({ text }) => text.includes(count === 1 ? 'one client' : ` ${count} clients`)),
  );
  if (entrant === undefined || counts.length === 0) return [];
  try {
    return await profileCluster(context, entrant, counts);
  } catch (error) {
    context.signal.throwIfAborted();
    context.say(`profile: the cluster could not be profiled: ${String(error)}`);
    return [];
  }
}
