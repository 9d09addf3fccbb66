/** Members come and go. */
import type { MembershipChange } from '@balsa/raft-node';
import type { FaultName } from '../plan.ts';
import { divideSoon } from './network.ts';
import { byItself, members, told, when, type Faults, type Stage } from './fault.ts';

const mostVoters = 5;
/** Where data can be lost, members change one at a time: else a quorum could be lost with them. */
const losing: ReadonlySet<FaultName> = new Set(['flip', 'misdirect', 'wipe']);

/** Virtual milliseconds: for which a change is looked out for on its way, and how often. */
const underWayMs = 300;
const glanceMs = 1;

/** Some voter goes, or stops voting: often enough the leader. */
function parting({ cluster, chance }: Stage): MembershipChange {
  const { voters } = cluster.confState;
  const leader = cluster.leader()?.id ?? 0;
  const id = chance.happens(0.25) && voters.includes(leader) ? leader : chance.pick(voters);
  return chance.happens(0.6) ? { type: 'remove', id } : { type: 'addLearner', id };
}

/** Others have the change, and do not hear that it is committed: the leader still hears them, but not they it. */
function silenceLeader(stage: Stage): void {
  const { cluster, chance } = stage;
  const leader = cluster.leader();
  const last = leader?.core?.lastIndex ?? 0;
  if (leader === undefined) return;
  const others = members(cluster, leader);
  when(
    stage,
    underWayMs,
    () => others.some(({ core }) => (core?.lastIndex ?? 0) > last),
    (so) => {
      if (!so) return;
      const end = cluster.cuts.add((network) => {
        for (const { id } of others) network.oneWay(leader.id, id);
      });
      stage.endLater({ end, afterMs: chance.skewed(300, 6000) });
    },
    glanceMs,
  );
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
    const leader = cluster.leader()?.id;
    const abdicates = changes.some(({ id }) => id === leader);
    const silenced = chance.happens(abdicates ? 0.6 : 0.2);
    if (silenced) silenceLeader(stage);
    cluster.change(changes);
    // The second must wait for the first, or be refused.
    if (hurried && voters.length > 2 && chance.happens(0.5)) cluster.change([parting(stage)]);
    if (!silenced && chance.happens(0.55)) divideSoon(stage);
    return byItself;
  },
};
