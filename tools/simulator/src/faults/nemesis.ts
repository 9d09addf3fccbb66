/** Makes things go wrong, as the plan says, and everything well again in the end. */
import { majority } from '@balsa/raft-core';
import { faultNames, type FaultName, type ProfileName } from '../plan.ts';
import { Chance } from '../world/chance.ts';
import { world } from '../world/clock.ts';
import type { Cluster } from '../world/cluster.ts';
import type { Host } from '../world/host.ts';
import { diskFaults } from './disk.ts';
import type { FaultEnd, Faults } from './fault.ts';
import { leadershipFaults } from './leadership.ts';
import { membershipFaults } from './membership.ts';
import { networkFaults } from './network.ts';
import { processFaults, survivals } from './process.ts';
import { snapshotFaults } from './snapshot.ts';

const faults: Faults = {
  ...networkFaults,
  ...processFaults,
  ...diskFaults,
  ...membershipFaults,
  ...snapshotFaults,
  ...leadershipFaults,
};

/** What did not fit is tried again after so much of the usual time. */
const again = 0.25;

/** What a profile is about comes more often. */
const favourites: Readonly<Partial<Record<ProfileName, FaultName>>> = {
  membership: 'membership',
  storage: 'seesaw',
  lease: 'fade',
};

/** Virtual milliseconds after which a node that has stopped by itself is started again. */
const restartMs = 500;

interface Planned {
  /** Events that will have happened. */
  readonly at: number;
  readonly begin: () => void;
}

/** With these, who is a member changes, by themselves or because machines have to be replaced. */
const replacing: ReadonlySet<FaultName> = new Set(['membership', 'wipe', 'flip', 'misdirect']);

export class Nemesis {
  readonly #cluster: Cluster;
  #active = true;
  readonly #open = new Set<FaultEnd>();
  readonly #planned: Planned[] = [];
  /** The least of those that are planned. */
  #nextAt = Infinity;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
    // Each kind draws from a stream of its own and has a clock of its own: leaving one out leaves the others alone.
    const kinds = cluster.plan.faults.filter((name) => faults[name] !== undefined);
    for (const name of kinds) {
      const chance = Chance.of(cluster.plan.seed, `fault ${name} ${faultNames.indexOf(name)}`);
      this.#schedule(name, chance, kinds.length);
    }
    cluster.afterEvent = () => {
      if (cluster.clock.events >= this.#nextAt) this.#begin();
    };
    const chance = Chance.of(cluster.plan.seed, 'stopped');
    cluster.onStoppedByItself = (host) => {
      cluster.clock.set(world, restartMs, () => host.start());
      if (!cluster.plan.faults.includes('power') || !chance.happens(0.3)) return;
      // What a node has refused, or taken back, must not be there again.
      cluster.clock.set(world, chance.between(0, restartMs), () => {
        if (!this.#active || host.state !== 'down') return;
        cluster.onFault(host.id, 'power', 'goes after it has stopped by itself');
        host.kill(chance.pick(survivals));
      });
    };
  }

  #schedule(name: FaultName, chance: Chance, kinds: number, share = 1): void {
    const { clock, plan } = this.#cluster;
    const stage = {
      cluster: this.#cluster,
      chance,
      active: () => this.#active,
      endLater: (end: FaultEnd) => this.#endLater(end),
    };
    const every = (kinds * plan.faultEveryEvents) / (name === favourites[plan.profile] ? 3 : 1);
    const at = clock.events + chance.between(0, 2) * every * share;
    const begin = (): void => {
      const end = faults[name]?.(stage);
      if (end !== undefined) this.#endLater(end);
      this.#schedule(name, chance, kinds, end === undefined ? again : 1);
    };
    this.#planned.push({ at, begin });
    this.#nextAt = Math.min(this.#nextAt, at);
  }

  /** Begins all that is due, each as an event of its own. */
  #begin(): void {
    const { clock } = this.#cluster;
    const due = this.#planned.filter(({ at }) => at <= clock.events);
    const later = this.#planned.filter(({ at }) => at > clock.events);
    this.#planned.splice(0, Infinity, ...later);
    this.#nextAt = Math.min(...later.map(({ at }) => at));
    for (const { begin } of due) {
      clock.set(world, 0, () => {
        if (this.#active) begin();
      });
    }
  }

  #endLater(end: FaultEnd): void {
    this.#open.add(end);
    this.#cluster.clock.set(world, end.afterMs, () => {
      if (this.#open.delete(end)) end.end();
    });
  }

  /**
   * Ends every fault, but leaves all down that a quorum does not need. Gives that quorum; undefined, with nothing
   * changed, where the plan does not have it so, or where nobody can say what a quorum is.
   */
  healCore(): Host[] | undefined {
    const { plan, confState, hosts } = this.#cluster;
    const fixed = !plan.faults.some((name) => replacing.has(name));
    if (!plan.coreFirst || !fixed || confState.voters.length < 3) return undefined;
    const chance = Chance.of(plan.seed, 'core');
    const core = chance.shuffled(confState.voters).slice(0, majority(confState.voters.length));
    this.heal();
    this.#cluster.rolledOut = true;
    for (const host of hosts.values()) {
      const restarts = plan.mixedPreVote && core.includes(host.id);
      if (restarts || !core.includes(host.id)) host.kill();
      if (restarts) host.start();
    }
    return core.map((id) => this.#cluster.host(id));
  }

  /** Ends every fault now and begins no other. */
  heal(): void {
    this.#active = false;
    for (const end of this.#open) end.end();
    this.#open.clear();
    const { network, hosts, cuts } = this.#cluster;
    cuts.endAll();
    network.setLoss(0);
    network.setDuplicate(0);
    network.setReorder(0);
    this.#cluster.late = 0;
    this.#cluster.unclogAll();
    for (const host of hosts.values()) {
      host.clock.setRate(1);
      host.disk.disarm();
      host.resume();
      Object.assign(host.disk.trouble, { slowness: 1, failing: 0, full: false });
      host.disk.unstall();
      host.start();
    }
  }
}
