/** What goes wrong with snapshots. */
import type { Cluster } from '../world/cluster.ts';
import type { Host } from '../world/host.ts';
import { members, told, when, type Faults, type FaultEnd, type Stage } from './fault.ts';
import { startLater } from './process.ts';

/** Virtual milliseconds: that somebody is cut off at most. */
const strandedMs = 15_000;
/** Virtual milliseconds between looks. Each is an event, of which a run has only so many. */
const lookMs = 50;

/** Calls to the disk of a restore, about, and of a start that has to finish one. */
const restoreCalls = 12;
const startCalls = 40;

/** Whether the leader has no longer what the node needs next. */
function leftBehind(cluster: Cluster, host: Host): boolean {
  const first = cluster.leader()?.core?.status().firstIndex ?? 0;
  return host.core === undefined || first > host.core.lastIndex + 1;
}

/** It dies while its disk is at work, and perhaps again as it starts with what it has not finished. */
function dieAtWork(stage: Stage, host: Host, calls: number, text: string): void {
  const { chance } = stage;
  const { life } = host;
  host.disk.trap(chance.below(calls), () => {
    if (!stage.active() || host.life !== life) return;
    stage.cluster.onFault(host.id, 'snapshot disturbed', text);
    host.kill(chance.happens(0.5) ? 'anything' : undefined);
    const again = chance.happens(0.4);
    const later = startLater(stage, [host]);
    stage.endLater({
      ...later,
      end: () => {
        later.end();
        if (again) dieAtWork(stage, host, startCalls, 'it dies again as it starts');
      },
    });
  });
}

/** Whoever restores the next snapshot dies of it. */
function killNextRestore(stage: Stage): void {
  stage.cluster.onRestoring = (host) => {
    if (stage.active()) dieAtWork(stage, host, restoreCalls, 'it dies while it restores one');
  };
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
    if (chance.happens(0.3)) killNextRestore(stage);
    when(
      stage,
      strandedMs,
      () => leftBehind(cluster, host),
      () => {
        end();
        cluster.onOffered.set(host.id, () => {
          const more = stage.active() ? disturb(stage, host) : undefined;
          if (more !== undefined) stage.endLater(more);
        });
      },
      lookMs,
    );
    return { afterMs: strandedMs, end };
  },
};
