/** Members come and go. */
import type { MembershipChange } from '@balsa/raft-node';
import { byItself, told, type Faults } from './fault.ts';

const mostVoters = 5;

export const membershipFaults: Faults = {
  membership: (stage) => {
    const { cluster, chance } = stage;
    const { voters, learners } = cluster.confState;
    if (!cluster.settled()) return undefined;
    const changes: MembershipChange[] = [];
    const grow = chance.happens(0.5);
    if (grow && voters.length + learners.length < mostVoters + 1) {
      const host = cluster.addHost();
      host.start();
      const { id, address } = host.member;
      changes.push({ type: chance.happens(0.6) ? 'addLearner' : 'addVoter', id, address });
    }
    if ((!grow || chance.happens(0.4)) && voters.length > 1) {
      const id = chance.pick(voters);
      changes.push(chance.happens(0.75) ? { type: 'remove', id } : { type: 'addLearner', id });
    }
    if (changes.length === 0) return undefined;
    told(stage, undefined, 'membership', changes.map(({ type, id }) => `${type} ${id}`).join(', '));
    cluster.change(changes);
    return byItself;
  },
};
