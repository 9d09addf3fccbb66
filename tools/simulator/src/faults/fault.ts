/** A fault: how it begins and how it ends. */
import type { FaultName } from '../plan.ts';
import type { Chance } from '../world/chance.ts';
import { world } from '../world/clock.ts';
import type { Cluster } from '../world/cluster.ts';
import type { Host } from '../world/host.ts';

export interface Stage {
  readonly cluster: Cluster;
  readonly chance: Chance;
  /** Whether faults may still be made: false once everything was mended. */
  readonly active: () => boolean;
  /** Ends what a fault set off later, when its time comes or everything is mended. */
  readonly endLater: (end: FaultEnd) => void;
}

/** Begins it. Returns undefined when it does not fit now; else how it ends, and after how long (undefined: by itself). */
export type Fault = (stage: Stage) => FaultEnd | undefined;

export interface FaultEnd {
  readonly afterMs: number;
  readonly end: () => void;
}

export const byItself: FaultEnd = { afterMs: 0, end: () => undefined };

export type Faults = Readonly<Partial<Record<FaultName, Fault>>>;

/** A running host; more often than by chance the leader, whose trouble is the interesting one. */
export function victim({ cluster, chance }: Stage): Host | undefined {
  const running = cluster.running();
  if (running.length === 0) return undefined;
  const leader = cluster.leader();
  return leader !== undefined && chance.happens(0.35) ? leader : chance.pick(running);
}

export function told(stage: Stage, host: Host | undefined, name: FaultName, what: string): void {
  stage.cluster.onFault(host?.id ?? 0, name, what);
}

/** Members that run, but for some. */
export function members(cluster: Cluster, ...without: readonly (Host | undefined)[]): Host[] {
  const { voters, learners } = cluster.confState;
  const all = [...voters, ...learners].map((id) => cluster.host(id));
  return all.filter((host) => host.state === 'running' && !without.includes(host));
}

/** Asks now and then until `happened`, `ms` have passed or everything is mended; then `next` hears which. */
export function when(
  stage: Stage,
  ms: number,
  happened: () => boolean,
  next: (so: boolean) => void,
  lookMs = 10,
): void {
  const { clock } = stage.cluster;
  const until = clock.now + ms;
  const look = (): void => {
    if (!stage.active()) return;
    if (happened()) next(true);
    else if (clock.now >= until) next(false);
    else clock.set(world, lookMs, look);
  };
  look();
}
