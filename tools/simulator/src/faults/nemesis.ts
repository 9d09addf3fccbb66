/** Makes things go wrong, as the plan says, and everything well again in the end. */
import { faultNames, type FaultName } from '../plan.ts';
import { Chance } from '../world/chance.ts';
import { world } from '../world/clock.ts';
import type { Cluster } from '../world/cluster.ts';
import { diskFaults } from './disk.ts';
import type { FaultEnd, Faults } from './fault.ts';
import { membershipFaults } from './membership.ts';
import { networkFaults } from './network.ts';
import { processFaults } from './process.ts';

const faults: Faults = { ...networkFaults, ...processFaults, ...diskFaults, ...membershipFaults };

export class Nemesis {
  readonly #cluster: Cluster;
  #active = true;
  readonly #open = new Set<FaultEnd>();

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
    // Each kind draws from a stream of its own and has a clock of its own: leaving one out leaves the others alone.
    const kinds = cluster.plan.faults.filter((name) => faults[name] !== undefined);
    for (const name of kinds) {
      const chance = Chance.of(cluster.plan.seed, `fault ${name} ${faultNames.indexOf(name)}`);
      this.#schedule(name, chance, kinds.length);
    }
    cluster.onStoppedByItself = (host) => {
      cluster.clock.set(world, 500, () => host.start());
    };
  }

  #schedule(name: FaultName, chance: Chance, kinds: number): void {
    const { clock, plan } = this.#cluster;
    clock.set(world, chance.between(0, 2) * plan.faultEveryMs * kinds, () => {
      if (!this.#active) return;
      const end = faults[name]?.({ cluster: this.#cluster, chance });
      if (end !== undefined) this.#endLater(end);
      this.#schedule(name, chance, kinds);
    });
  }

  #endLater(end: FaultEnd): void {
    this.#open.add(end);
    this.#cluster.clock.set(world, end.afterMs, () => {
      if (this.#open.delete(end)) end.end();
    });
  }

  /** Ends every fault now and begins no other. */
  heal(): void {
    this.#active = false;
    for (const end of this.#open) end.end();
    this.#open.clear();
    const { network, hosts } = this.#cluster;
    network.heal();
    network.setLoss(0);
    network.setDuplicate(0);
    network.setReorder(0);
    this.#cluster.divided = false;
    this.#cluster.unclogAll();
    for (const host of hosts.values()) {
      host.clock.setRate(1);
      host.resume();
      Object.assign(host.disk.trouble, { slowness: 1, stalledUntil: 0, failing: 0, full: false });
      host.start();
    }
  }
}
