/** Members come and go. */
import type { MembershipChange } from '@balsa/raft-node';
import type { FaultName } from '../plan.ts';
import { divideSoon } from './network.ts';
import { byItself, told, type Faults, type Stage } from './fault.ts';

const mostVoters = 5;
/** Where data can be lost, members change one at a time: else a quorum could be lost with them. */
const losing: ReadonlySet<FaultName> = new Set(['flip', 'misdirect', 'wipe']);

/** Some voter goes, or stops voting. */
function parting({ cluster, chance }: Stage): MembershipChange {
  const id = chance.pick(cluster.confState.voters);
  return chance.happens(0.6) ? { type: 'remove', id } : { type: 'addLearner', id };
}

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
    const grow = chance.happens(0.65);
    const learner = learners.find((id) => cluster.host(id).state === 'running');
    if (learner !== undefined && chance.happens(0.4)) changes.push({ type: 'addVoter', id: learner });
    else if (grow && voters.length + learners.length < mostVoters + 1) {
      const host = cluster.addHost();
      host.start();
      const { id, address } = host.member;
      changes.push({ type: chance.happens(0.15) ? 'addLearner' : 'addVoter', id, address });
    }
    if ((changes.length === 0 || chance.happens(0.5)) && voters.length > 1) changes.push(parting(stage));
    if (changes.length === 0) return undefined;
    told(stage, undefined, 'membership', changes.map(({ type, id }) => `${type} ${id}`).join(', '));
    cluster.change(changes);
    // The second must wait for the first, or be refused.
    if (hurried && voters.length > 2 && chance.happens(0.5)) cluster.change([parting(stage)]);
    if (chance.happens(0.4)) divideSoon(stage);
    return byItself;
  },
};
