/** What goes wrong between nodes. */
import type { NodeId } from '@balsa/raft-core';
import type { MemoryNetwork } from '@balsa/transport-memory';
import { world } from '../world/clock.ts';
import type { Host } from '../world/host.ts';
import { told, victim, type Fault, type Faults, type Stage } from './fault.ts';

function ids({ cluster }: Pick<Stage, 'cluster'>): NodeId[] {
  return [...cluster.hosts.values()].filter((host) => host.state !== 'retired').map((host) => host.id);
}

/** How long something stays cut. */
function cutMs({ chance }: Stage): number {
  return chance.skewed(50, 12_000);
}

/** Some way in which the network falls apart. */
function shape({ chance, cluster }: Stage, host: Host): (network: MemoryNetwork) => void {
  const all = chance.shuffled(ids({ cluster }));
  const kind = chance.next();
  if (kind < 0.35 || all.length < 2) return (network) => network.isolate(host.id);
  if (kind < 0.65) {
    const at = 1 + chance.below(all.length - 1);
    return (network) => network.partition([all.slice(0, at), all.slice(at)]);
  }
  const outward = chance.happens(0.5);
  const some = all.filter((id) => id !== host.id && chance.happens(0.7));
  return (network) => {
    for (const other of some) network.oneWay(outward ? host.id : other, outward ? other : host.id);
  };
}

/** Cuts the network within milliseconds: in the middle of what was begun just now. */
export function divideSoon(stage: Stage): void {
  const { chance, cluster } = stage;
  cluster.clock.set(world, chance.skewed(0.5, 300), () => {
    const host = victim(stage);
    if (host === undefined || !stage.active()) return;
    stage.endLater({ end: cluster.cuts.add(shape(stage, host)), afterMs: chance.skewed(300, 6000) });
  });
}

const weather = (name: 'loss' | 'duplicate' | 'reorder', most: number): Fault => {
  return (stage) => {
    const { network } = stage.cluster;
    const set = (chance: number): void => {
      if (name === 'loss') network.setLoss(chance);
      else if (name === 'duplicate') network.setDuplicate(chance);
      else network.setReorder(chance);
    };
    const value = stage.chance.skewed(0.01, most);
    set(value);
    told(stage, undefined, name, value.toFixed(3));
    return { afterMs: stage.chance.skewed(100, 10_000), end: () => set(stage.cluster.plan[name]) };
  };
};

/** Paths become long for a while. */
const delay: Fault = (stage) => {
  const { cluster, chance } = stage;
  const [low, high] = cluster.plan.latencyMs;
  const most = high + chance.skewed(10, 2000);
  cluster.network.setLatency(low, most);
  told(stage, undefined, 'delay', `up to ${most.toFixed(0)} ms`);
  return { afterMs: chance.skewed(50, 5000), end: () => cluster.network.setLatency(low, high) };
};

export const networkFaults: Faults = {
  delay,
  loss: weather('loss', 0.5),
  duplicate: weather('duplicate', 0.8),
  reorder: weather('reorder', 0.8),

  partition: (stage) => {
    const all = stage.chance.shuffled(ids(stage));
    if (all.length < 2) return undefined;
    const at = 1 + stage.chance.below(all.length - 1);
    const groups = [all.slice(0, at), all.slice(at)];
    told(stage, undefined, 'partition', groups.map((group) => group.join(',')).join(' | '));
    return { end: stage.cluster.cuts.add((network) => network.partition(groups)), afterMs: cutMs(stage) };
  },

  isolate: (stage) => {
    const host = victim(stage);
    if (host === undefined) return undefined;
    told(stage, host, 'isolate', 'reaches nobody');
    return { end: stage.cluster.cuts.add((network) => network.isolate(host.id)), afterMs: cutMs(stage) };
  },

  'one-way': (stage) => {
    const host = victim(stage);
    const others = ids(stage).filter((id) => id !== host?.id);
    if (host === undefined || others.length === 0) return undefined;
    const outward = stage.chance.happens(0.5);
    const some = stage.chance.happens(0.5) ? others : [stage.chance.pick(others)];
    told(stage, host, 'one-way', `${outward ? 'does not reach' : 'is not reached by'} ${some.join(',')}`);
    const end = stage.cluster.cuts.add((network) => {
      for (const other of some) network.oneWay(outward ? host.id : other, outward ? other : host.id);
    });
    return { end, afterMs: cutMs(stage) };
  },

  late: (stage) => {
    const { cluster } = stage;
    cluster.late = stage.chance.skewed(0.01, 0.5);
    told(stage, undefined, 'late', cluster.late.toFixed(3));
    return {
      afterMs: stage.chance.skewed(100, 10_000),
      end: () => {
        cluster.late = cluster.plan.late;
      },
    };
  },

  /** One shape of the network after another, without a moment in which all is well. */
  swizzle: (stage) => {
    const { chance, cluster } = stage;
    let left = 2 + chance.below(4);
    let over = false;
    let before = (): void => undefined;
    const turn = (): void => {
      const host = victim(stage);
      if (over || host === undefined) return;
      const next = cluster.cuts.add(shape(stage, host));
      before();
      before = next;
      if (--left > 0) cluster.clock.set(world, chance.skewed(50, 3000), turn);
    };
    told(stage, undefined, 'swizzle', `${left} shapes, one after another`);
    turn();
    return {
      afterMs: chance.skewed(500, 12_000),
      end: () => {
        over = true;
        before();
      },
    };
  },

  clog: (stage) => {
    const all = ids(stage);
    if (all.length < 2) return undefined;
    const [from = 0, to = 0] = stage.chance.shuffled(all);
    stage.cluster.clog(from, to);
    told(stage, undefined, 'clog', `from ${from} to ${to}`);
    return { afterMs: stage.chance.skewed(20, 5000), end: () => stage.cluster.unclog(from, to) };
  },

  disconnect: (stage) => {
    const all = ids(stage);
    if (all.length < 2) return undefined;
    const [a = 0, b = 0] = stage.chance.shuffled(all);
    stage.cluster.network.disconnect(a, b);
    told(stage, undefined, 'disconnect', `${a} and ${b}`);
    return { afterMs: 0, end: () => undefined };
  },
};
