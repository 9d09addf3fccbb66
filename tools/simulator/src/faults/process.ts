/** What goes wrong with processes, machines and their clocks. */
import type { Survival } from '../world/inode.ts';
import { byItself, told, victim, type FaultEnd, type Faults, type Stage } from './fault.ts';
import type { Host } from '../world/host.ts';

export const survivals: readonly Survival[] = [
  'nothing',
  'prefix',
  'prefix',
  'anything',
  'anything',
  'anything',
  'everything',
];

export function startLater(stage: Stage, hosts: readonly Host[]): FaultEnd {
  return {
    afterMs: stage.chance.skewed(1, 8000),
    end: () => {
      for (const host of hosts) host.start();
    },
  };
}

interface Death {
  readonly name: 'kill' | 'power';
  readonly what: string;
  /** Of a machine: what its disk keeps. */
  readonly survival?: Survival;
}

/**
 * Half of the deaths find the disk at work: a random moment would rarely hit one of those that matter. Some of them wait
 * for the next election, when logs end with other terms than what was applied.
 */
function die(stage: Stage, death: Death): FaultEnd | undefined {
  const atWork = stage.chance.happens(0.5);
  if (atWork && stage.chance.happens(0.3)) {
    stage.cluster.onElected = () => {
      const host = victim(stage);
      if (host !== undefined && stage.active()) dieNow(stage, host, death, true);
    };
    return byItself;
  }
  const host = victim(stage);
  if (host === undefined) return undefined;
  dieNow(stage, host, death, atWork);
  return byItself;
}

function dieNow(stage: Stage, host: Host, { name, what, survival }: Death, atWork: boolean): void {
  const { life } = host;
  const kill = (): void => {
    if (host.life !== life || !stage.active()) return;
    told(stage, host, name, what);
    host.kill(survival);
    stage.endLater(startLater(stage, [host]));
  };
  if (atWork) host.disk.trap(stage.chance.below(12), kill);
  else kill();
}

export const processFaults: Faults = {
  kill: (stage) => die(stage, { name: 'kill', what: 'the process dies' }),

  power: (stage) => {
    const survival = stage.chance.pick(survivals);
    return die(stage, { name: 'power', what: `goes, keeping ${survival} of what was not synced`, survival });
  },

  blackout: (stage) => {
    const hosts = stage.cluster.running();
    if (hosts.length === 0) return undefined;
    const survival = stage.chance.pick(survivals);
    told(stage, undefined, 'blackout', `everywhere, keeping ${survival} of what was not synced`);
    for (const host of hosts) host.kill(survival);
    return startLater(stage, hosts);
  },

  pause: (stage) => {
    const host = victim(stage);
    if (host === undefined || host.paused) return undefined;
    const { life } = host;
    // What its disk and what the others had to say meanwhile comes in either order.
    const messagesFirst = stage.chance.happens(0.5);
    const pause = (): void => {
      if (host.life !== life || host.paused || !stage.active()) return;
      told(stage, host, 'pause', 'stands still');
      host.pause();
      stage.endLater({
        afterMs: stage.chance.skewed(20, 6000),
        end: () => {
          if (host.life === life) host.resume(messagesFirst);
        },
      });
    };
    // As with deaths, some moments matter more than others; what was being read may be of no use afterwards.
    if (stage.chance.happens(0.3)) host.disk.trap(stage.chance.below(3), pause, true);
    else if (stage.chance.happens(0.4)) host.disk.trap(stage.chance.below(12), pause);
    else pause();
    return byItself;
  },

  skew: (stage) => {
    const host = stage.chance.pick([...stage.cluster.hosts.values()]);
    // Leases allow for clocks that differ by less than a tenth.
    const most = stage.cluster.plan.leaseReads ? 0.04 : 0.5;
    const rate = 1 + stage.chance.between(-most, most);
    host.clock.setRate(rate);
    told(stage, host, 'skew', `its clock runs at ${rate.toFixed(3)}`);
    return byItself;
  },

  jump: (stage) => {
    const host = stage.chance.pick([...stage.cluster.hosts.values()]);
    const ms = stage.chance.skewed(10, 100_000);
    host.clock.jump(ms);
    told(stage, host, 'jump', `its clock jumps ${ms.toFixed(0)} ms ahead`);
    return byItself;
  },

  transfer: (stage) => {
    const leader = stage.cluster.leader();
    const node = leader?.node;
    if (node === undefined) return undefined;
    const { voters } = stage.cluster.confState;
    const to = stage.chance.pick(voters);
    told(stage, leader, 'transfer', `leadership to ${to}`);
    // Refusal and failure are fine; the judge looks at what happens meanwhile.
    node.transferLeadership(to).then(
      () => stage.cluster.coverage.count('state', 'leadership transferred'),
      () => undefined,
    );
    if (!stage.chance.happens(0.4)) return byItself;
    // The old leader does not hear of the new one at first.
    const others = voters.filter((id) => id !== leader?.id);
    for (const id of others) stage.cluster.clog(id, leader?.id ?? 0);
    return {
      afterMs: stage.chance.skewed(50, 3000),
      end: () => {
        for (const id of others) stage.cluster.unclog(id, leader?.id ?? 0);
      },
    };
  },
};
