/** What goes wrong with snapshots. */
import { ProgressState, type NodeId } from '@balsa/raft-core';
import { world } from '../world/clock.ts';
import type { Cluster } from '../world/cluster.ts';
import type { Host } from '../world/host.ts';
import { told, type Faults, type FaultEnd, type Stage } from './fault.ts';
import { startLater } from './process.ts';

/** Virtual milliseconds: between two looks, that somebody is cut off at most, and that a snapshot is waited for. */
const lookMs = 10;
const strandedMs = 15_000;
const waitMs = 4000;

function others(cluster: Cluster, ...without: readonly (Host | undefined)[]): Host[] {
  const { voters, learners } = cluster.confState;
  const members = [...voters, ...learners].map((id) => cluster.host(id));
  return members.filter((host) => host.state === 'running' && !without.includes(host));
}

/** Whether the leader has no longer what the node needs next. */
function leftBehind(cluster: Cluster, host: Host): boolean {
  const first = cluster.leader()?.core?.status().firstIndex ?? 0;
  return host.core === undefined || first > host.core.lastIndex + 1;
}

function isSentSnapshot(cluster: Cluster, id: NodeId): boolean {
  const progress = cluster.leader()?.core?.status().progress ?? [];
  return progress.some((peer) => peer.id === id && peer.state === ProgressState.Snapshot);
}

/** Asks now and then until `happened`, `ms` have passed or everything is mended; then `next` hears which. */
function when(stage: Stage, ms: number, happened: () => boolean, next: (so: boolean) => void): void {
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

/** While a snapshot is on its way to `host`. */
function disturb(stage: Stage, host: Host): FaultEnd | undefined {
  const { cluster, chance } = stage;
  const leader = cluster.leader();
  const cutOff = (one: Host): FaultEnd => {
    cluster.onFault(one.id, 'snapshot disturbed', `it reaches nobody while node ${host.id} is sent one`);
    return { end: cluster.cuts.add((network) => network.isolate(one.id)), afterMs: chance.skewed(50, 5000) };
  };
  const bystanders = others(cluster, host, leader);
  if (chance.happens(0.3)) return bystanders.length === 0 ? undefined : cutOff(chance.pick(bystanders));
  // In the middle of it: while its end has its disk at work.
  const cuts = chance.happens(0.45);
  const end = cuts && leader !== undefined && chance.happens(0.3) ? leader : host;
  const { life } = end;
  // Deaths come later than cuts: also while it installs and restores what has arrived.
  end.disk.trap(cuts ? chance.below(12) : 4 + chance.below(18), () => {
    if (end.life !== life || !stage.active()) return;
    if (cuts) {
      stage.endLater(cutOff(end));
      return;
    }
    cluster.onFault(end.id, 'snapshot disturbed', `it dies while node ${host.id} is sent one`);
    end.kill(chance.happens(0.5) ? 'anything' : undefined);
    stage.endLater(startLater(stage, [end]));
  });
  return undefined;
}

export const snapshotFaults: Faults = {
  /** A follower is cut off until it needs a snapshot; while it is sent one, more goes wrong. */
  strand: (stage) => {
    const { cluster, chance } = stage;
    const leader = cluster.leader();
    const followers = others(cluster, leader);
    if (leader === undefined || followers.length === 0) return undefined;
    const host = chance.pick(followers);
    told(stage, host, 'strand', 'reaches nobody until the others have shortened their logs');
    const end = cluster.cuts.add((network) => network.isolate(host.id));
    when(
      stage,
      strandedMs,
      () => leftBehind(cluster, host),
      () => {
        end();
        when(
          stage,
          waitMs,
          () => isSentSnapshot(cluster, host.id),
          (sent) => {
            const more = sent ? disturb(stage, host) : undefined;
            if (more !== undefined) stage.endLater(more);
          },
        );
      },
    );
    return { afterMs: strandedMs, end };
  },
};
