/** Who looks after the cluster: replaces machines that are lost, promotes learners, switches off who was removed. */
import { majority } from '@balsa/raft-core';
import type { MembershipChange } from '@balsa/raft-node';
import { Chance } from '../world/chance.ts';
import type { Cluster } from '../world/cluster.ts';

/** Virtual milliseconds between looks. */
const everyMs = 300;
const removedForMs = 1500;

export class Admin {
  readonly #cluster: Cluster;
  readonly #chance: Chance;
  readonly #removedSince = new Map<number, number>();

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
    this.#chance = Chance.of(cluster.plan.seed, 'admin');
  }

  begin(): void {
    void this.#run();
  }

  async #run(): Promise<void> {
    const { clock } = this.#cluster;
    for (;;) {
      await clock.sleep(this.#chance.between(0.5, 1.5) * everyMs);
      this.#switchOffRemoved();
      const changes = this.#wanted();
      if (changes.length > 0) this.#cluster.change(changes);
    }
  }

  /**
   * A member that was removed is not needed any more, once a quorum of those who stay know of it: before that its
   * vote may still be. Without pre-vote it would only disturb the others.
   */
  #switchOffRemoved(): void {
    const { clock, confState, hosts } = this.#cluster;
    const informed = confState.voters.filter((id) => this.#cluster.isInformed(id));
    const known = informed.length >= majority(confState.voters.length);
    const members = new Set([...confState.voters, ...confState.votersOutgoing, ...confState.learners]);
    for (const host of hosts.values()) {
      if (members.has(host.id)) host.wasMember = true;
      if (!known || members.has(host.id) || !host.wasMember || host.state === 'retired') continue;
      const since = this.#removedSince.get(host.id) ?? clock.now;
      this.#removedSince.set(host.id, since);
      if (clock.now - since > removedForMs) host.retire();
    }
  }

  /** One step towards a cluster of as many healthy voters as at first. */
  #wanted(): MembershipChange[] {
    const cluster = this.#cluster;
    if (!cluster.settled()) return [];
    const { voters, learners } = cluster.confState;
    const lost = [...voters, ...learners].find((id) => cluster.host(id).state === 'retired');
    if (lost !== undefined && voters.length > 1) return [{ type: 'remove', id: lost }];
    const learner = learners.find((id) => cluster.host(id).state === 'running');
    if (learner !== undefined) return this.#chance.happens(0.5) ? [{ type: 'addVoter', id: learner }] : [];
    if (voters.length >= cluster.plan.nodes || learners.length > 0) return [];
    const fresh = [...cluster.hosts.values()].find((host) => !host.wasMember && host.state !== 'retired');
    const host = fresh ?? cluster.addHost();
    if (fresh === undefined) host.start();
    return [{ type: 'addLearner', id: host.id, address: host.member.address }];
  }
}
