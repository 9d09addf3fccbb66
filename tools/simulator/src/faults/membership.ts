/** Members come and go. */
import type { MembershipChange } from '@balsa/raft-node';
import type { FaultName } from '../plan.ts';
import { byItself, told, type Faults } from './fault.ts';

const mostVoters = 5;
/** Where data can be lost, members change one at a time: else a quorum could be lost with them. */
const losing: ReadonlySet<FaultName> = new Set(['flip', 'misdirect', 'wipe']);

export const membershipFaults: Faults = {
  membership: (stage) => {
    const { cluster, chance } = stage;
    const { voters, learners } = cluster.confState;
    const weak = [...voters, ...learners]
      .map((id) => cluster.host(id))
      .some((host) => host.damaged || host.state === 'retired');
    // A member that may turn out to be lost must not become half of a quorum.
    const hurried = chance.happens(0.4) && !cluster.plan.faults.some((name) => losing.has(name));
    if (weak || !(hurried || cluster.settled())) return undefined;
    const changes: MembershipChange[] = [];
    const grow = chance.happens(0.5);
    if (grow && voters.length + learners.length < mostVoters + 1) {
      const host = cluster.addHost();
      host.start();
      const { id, address } = host.member;
      changes.push({ type: chance.happens(0.4) ? 'addLearner' : 'addVoter', id, address });
    }
    if ((!grow || chance.happens(0.6)) && voters.length > 1) {
      const id = chance.pick(voters);
      changes.push(chance.happens(0.5) ? { type: 'remove', id } : { type: 'addLearner', id });
    }
    if (changes.length === 0) return undefined;
    told(stage, undefined, 'membership', changes.map(({ type, id }) => `${type} ${id}`).join(', '));
    cluster.change(changes);
    return byItself;
  },
};
