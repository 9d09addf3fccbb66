/** What goes wrong while one leader takes over from another. */
import { StateType } from '@balsa/raft-core';
import { world } from '../world/clock.ts';
import type { Host } from '../world/host.ts';
import { setCommand } from '../work/operations.ts';
import { members, told, when, type FaultEnd, type Faults, type Stage } from './fault.ts';

/** Virtual milliseconds: of a tick, and that an election and its acceptance are waited for. */
const tickMs = 100;
const electionMs = 8000;
const acceptanceMs = 3000;

function isolateLater(stage: Stage, host: Host): void {
  const end = stage.cluster.cuts.add((network) => network.isolate(host.id));
  stage.endLater({ end, afterMs: stage.chance.skewed(300, 6000) });
}

/** One follower does not hear it any more. When that one campaigns, in a lull mostly with a log like the others', nobody does. */
function spreading(stage: Stage, leader: Host, others: readonly Host[]): FaultEnd {
  const { cluster, chance } = stage;
  const first = chance.pick(others);
  told(stage, leader, 'fade', `node ${first.id} does not hear it, and soon nobody does`);
  cluster.lull = chance.happens(0.7);
  const unheard = chance.happens(0.7);
  const cut = cluster.cuts.add((network) => {
    network.oneWay(leader.id, first.id);
    if (unheard) network.oneWay(first.id, leader.id);
  });
  const end = (): void => {
    cluster.lull = false;
    cut();
  };
  const campaigns = (): boolean => (first.core?.state ?? StateType.Follower) !== StateType.Follower;
  when(stage, electionMs / 2, campaigns, (so) => {
    cluster.clock.set(world, chance.skewed(0.5, 60), () => {
      end();
      if (so && stage.active()) isolateLater(stage, leader);
    });
  });
  return { end, afterMs: electionMs };
}

/** Nobody hears it any more, and what they said is late. Then nothing comes at all. */
function deaf(stage: Stage, leader: Host, others: readonly Host[]): FaultEnd {
  const { cluster, chance } = stage;
  const ms = chance.between(0.3, 1) * cluster.plan.electionTick * tickMs;
  told(stage, leader, 'fade', `nobody hears it, and what it is told comes ${ms.toFixed(0)} ms late`);
  const cut = cluster.cuts.add((network) => {
    for (const { id } of others) network.oneWay(leader.id, id);
  });
  for (const { id } of others) cluster.clog(id, leader.id);
  return {
    afterMs: ms,
    end: () => {
      for (const { id } of others) cluster.unclog(id, leader.id);
      if (stage.active()) isolateLater(stage, leader);
      cut();
    },
  };
}

/**
 * The disk of one hangs while it takes the entries of a leader that reaches nobody else, and then those of the next
 * leader: what it was about to write is replaced before it is written.
 */
function hung(stage: Stage, leader: Host, others: readonly Host[]): FaultEnd {
  const { cluster, chance } = stage;
  const one = chance.happens(0.6) ? leader : chance.pick(others);
  const rest = others.filter((host) => host !== one);
  told(
    stage,
    one,
    'seesaw',
    `its disk hangs until there is another leader than ${leader.id}, and it follows that one`,
  );
  one.disk.trouble.stalledUntil = cluster.clock.now + electionMs + acceptanceMs;
  let cut = (): void => undefined;
  // Some of what hangs has reached the others, and what comes later has not.
  cluster.clock.set(world, chance.skewed(0.5, 100), () => {
    if (!stage.active()) return;
    cut = cluster.cuts.add((network) => {
      for (const { id } of rest) {
        network.oneWay(leader.id, id);
        network.oneWay(id, leader.id);
      }
    });
  });
  const end = (): void => {
    cut();
    one.disk.unstall();
  };
  const successor = (): Host | undefined => {
    const other = cluster.leader();
    return other === leader ? undefined : other;
  };
  const follows = (): boolean => {
    const other = successor();
    return other !== undefined && one.core?.leader === other.id;
  };
  when(
    stage,
    electionMs,
    () => successor() !== undefined,
    () => {
      if (one === leader) cut();
      when(stage, acceptanceMs, follows, () => {
        cluster.clock.set(world, chance.skewed(0.5, 300), end);
      });
    },
  );
  return { end, afterMs: electionMs + acceptanceMs };
}

/**
 * It writes what nobody else gets, dies and comes back with it, and the next leader replaces that. Each start begins a
 * segment of its log, so that what is replaced lies in one of the oldest, and the store has space to give back.
 */
function overruled(stage: Stage, leader: Host): FaultEnd {
  const { cluster, chance } = stage;
  told(stage, leader, 'seesaw', 'it writes what nobody else gets, dies, and is overruled');
  const { life } = leader;
  const site = cluster.judge.site(leader.id);
  const before = site.model.last;
  const end = cluster.cuts.add((network) => network.isolate(leader.id));
  leader.node?.propose(setCommand(cluster, leader), { timeoutMs: 1000 }).catch(() => undefined);
  const runs = (): boolean => leader.state === 'running';
  const dies = (again: number): void => {
    leader.kill();
    leader.start();
    when(stage, acceptanceMs, runs, () => {
      if (again > 0) dies(again - 1);
      else when(stage, electionMs, () => runs() && (cluster.leader() ?? leader) !== leader, end);
    });
  };
  when(
    stage,
    acceptanceMs,
    () => site.model.last > before,
    (so) => {
      if (!so || leader.life !== life) end();
      else dies(chance.below(4));
    },
  );
  return { end, afterMs: 2 * electionMs + acceptanceMs };
}

/** A leader and fewer than half of the others reach nobody else; what they tell each other may come late. */
function seesaw(stage: Stage): FaultEnd | undefined {
  const { cluster, chance } = stage;
  const leader = cluster.leader();
  const others = chance.shuffled(members(cluster, leader));
  const few = Math.floor(others.length / 2);
  if (leader === undefined || few === 0) return undefined;
  if (cluster.plan.tidies && chance.happens(0.5)) return overruled(stage, leader);
  if (chance.happens(0.4)) return hung(stage, leader, others);
  const along = others.slice(0, chance.below(few));
  const side = [leader, ...along].map(({ id }) => id);
  const rest = others.slice(along.length).map(({ id }) => id);
  told(stage, leader, 'seesaw', `it leads ${side.join(',')} alone, follows, and leads again`);
  const cut = cluster.cuts.add((network) => network.partition([side, rest]));
  cluster.late = Math.max(cluster.late, chance.skewed(0.05, 0.6));
  const { trouble } = chance.pick([leader, ...along]).disk;
  if (chance.happens(0.3)) trouble.stalledUntil = cluster.clock.now + chance.skewed(50, 4000);
  else if (chance.happens(0.7)) trouble.slowness = chance.skewed(3, 100);
  const end = (): void => {
    cut();
    cluster.late = cluster.plan.late;
    trouble.slowness = 1;
  };
  const successor = (): Host | undefined => {
    const other = cluster.leader();
    return other === leader ? undefined : other;
  };
  when(
    stage,
    electionMs,
    () => successor() !== undefined,
    () => {
      cut();
      const other = successor();
      const follows = (): boolean => other !== undefined && leader.core?.leader === other.id;
      when(stage, acceptanceMs, follows, (so) => {
        // Refused or not: the leader that was leads again, or somebody does.
        if (so) other?.node?.transferLeadership(leader.id).catch(() => undefined);
      });
    },
  );
  return { end, afterMs: electionMs + acceptanceMs };
}

export const leadershipFaults: Faults = {
  /** A leader loses touch bit by bit: others think of a new one, and it still believes in itself. */
  fade: (stage) => {
    const { cluster, chance } = stage;
    const leader = cluster.leader();
    const others = members(cluster, leader);
    if (leader === undefined || others.length === 0) return undefined;
    return chance.happens(0.5) ? spreading(stage, leader, others) : deaf(stage, leader, others);
  },

  seesaw,
};
