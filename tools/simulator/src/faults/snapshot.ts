/** What goes wrong with snapshots. */
import { ProgressState, type NodeId } from '@balsa/raft-core';
import type { Cluster } from '../world/cluster.ts';
import type { Host } from '../world/host.ts';
import { members, told, when, type Faults, type FaultEnd, type Stage } from './fault.ts';
import { startLater } from './process.ts';

/** Virtual milliseconds: that somebody is cut off at most, and that a snapshot is waited for. */
const strandedMs = 15_000;
const waitMs = 4000;

/** Whether the leader has no longer what the node needs next. */
function leftBehind(cluster: Cluster, host: Host): boolean {
  const first = cluster.leader()?.core?.status().firstIndex ?? 0;
  return host.core === undefined || first > host.core.lastIndex + 1;
}

function isSentSnapshot(cluster: Cluster, id: NodeId): boolean {
  const progress = cluster.leader()?.core?.status().progress ?? [];
  return progress.some((peer) => peer.id === id && peer.state === ProgressState.Snapshot);
}

/** While a snapshot is on its way to `host`. */
function disturb(stage: Stage, host: Host): FaultEnd | undefined {
  const { cluster, chance } = stage;
  const leader = cluster.leader();
  const cutOff = (one: Host, leastMs = 50): FaultEnd => {
    cluster.onFault(one.id, 'snapshot disturbed', `it reaches nobody while node ${host.id} is sent one`);
    return {
      end: cluster.cuts.add((network) => network.isolate(one.id)),
      afterMs: chance.skewed(leastMs, 5000),
    };
  };
  const bystanders = members(cluster, host, leader);
  if (chance.happens(0.3)) return bystanders.length === 0 ? undefined : cutOff(chance.pick(bystanders));
  // In the middle of it: while its end has its disk at work.
  const die = (one: Host): void => {
    cluster.onFault(one.id, 'snapshot disturbed', `it dies while node ${host.id} is sent one`);
    one.kill(chance.happens(0.5) ? 'anything' : undefined);
    stage.endLater(startLater(stage, [one]));
  };
  if (chance.happens(0.4)) {
    const installing = host.life;
    cluster.onReceived.set(host.id, () => {
      if (!stage.active() || host.life !== installing) return;
      if (chance.happens(0.5)) {
        host.disk.trap(chance.below(14), () => {
          if (stage.active() && host.life === installing) die(host);
        });
        return;
      }
      // For longer than anybody waits for a leader.
      host.disk.trouble.stalledUntil = cluster.clock.now + chance.skewed(1000, 8000);
      stage.endLater(cutOff(host, 1000));
    });
    return undefined;
  }
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
    die(end);
  });
  return undefined;
}

export const snapshotFaults: Faults = {
  /** A follower is cut off until it needs a snapshot; while it is sent one, more goes wrong. */
  strand: (stage) => {
    const { cluster, chance } = stage;
    const leader = cluster.leader();
    const followers = members(cluster, leader);
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
