/** The second phase: all is well again, so the cluster has to be, too, within a bounded virtual time. */
import { digestOf, storeKey, type StateDigest } from '@balsa/kv';
import { RawNode, StateType } from '@balsa/raft-core';
import { Violation, type Rule } from '../judge/violation.ts';
import type { Cluster } from '../world/cluster.ts';
import type { Host } from '../world/host.ts';
import { setCommand } from './operations.ts';

/** Virtual milliseconds in which a healed cluster must elect, serve and agree. */
export const healMs = 60_000;
/** However slowly virtual time moves. */
const maxEvents = 3_000_000;

async function until(
  cluster: Cluster,
  what: () => string | undefined,
  rule: Rule = 'I14 Liveness',
): Promise<void> {
  const { clock } = cluster;
  const deadline = clock.now + healMs;
  let left = what();
  let looked = -1;
  const done = (): boolean => {
    // Looking costs more than an event does.
    if (clock.now - looked < 5) return clock.now >= deadline;
    looked = clock.now;
    left = what();
    return left === undefined || clock.now >= deadline;
  };
  await clock.run(done, maxEvents);
  if (left !== undefined) {
    throw new Violation(rule, `within ${healMs} ms after all faults ended: ${left}`, describe(cluster));
  }
}

/** A quorum is enough to elect and to serve, whoever is missing. */
export async function servesWithoutOthers(cluster: Cluster, core: readonly Host[]): Promise<void> {
  cluster.coverage.count('state', 'quorum healed alone');
  await until(cluster, () => agreement(cluster, core));
  await serve(cluster, core);
}

/** Converge, serve, converge again, and come to rest. At first nobody writes: who is behind must not need that. */
export async function provesAlive(cluster: Cluster): Promise<void> {
  await until(cluster, () => agreement(cluster) ?? alike(cluster));
  await serve(cluster);
  await until(cluster, () => agreement(cluster) ?? alike(cluster));
  await returnsToRest(cluster);
  await sameState(cluster);
  await until(cluster, () => unrest(cluster), 'I15 QuiescentCounters');
}

function members(cluster: Cluster): Host[] {
  const { voters, learners } = cluster.confState;
  return [...voters, ...learners].map((id) => cluster.host(id));
}

/** Why there is no leader that all members follow; undefined when there is. */
function agreement(cluster: Cluster, among: readonly Host[] = members(cluster)): string | undefined {
  const leader = cluster.leader();
  if (leader === undefined) return 'there is no leader';
  for (const host of among) {
    if (host.state !== 'running') return `node ${host.id} is ${host.state}`;
    if (host.core?.leader !== leader.id) return `node ${host.id} does not follow leader ${leader.id}`;
  }
  const { votersOutgoing } = cluster.confState;
  return votersOutgoing.length > 0 ? 'the joint membership was not left' : undefined;
}

/** Events in which a write is answered where it can be. */
const answerEvents = 2000;

/**
 * One of those who follow is away while the others shorten their logs, and comes back to a cluster that has nothing to
 * do: what it lacks it must get without that anybody writes.
 */
async function returnsToRest(cluster: Cluster): Promise<void> {
  const { plan, confState, clock } = cluster;
  const leader = cluster.leader();
  const away = members(cluster).find((host) => host !== leader);
  const spare = confState.voters.length > 2 && cluster.settled();
  if (away === undefined || leader === undefined || !spare || plan.checkEveryEntries > 20) return;
  const before = leader.core?.lastIndex ?? 0;
  away.kill();
  // Nobody active holds the log back once it is forgotten.
  const forgotten = clock.now + 2 * plan.electionTick * 100;
  await clock.run(() => clock.now >= forgotten, maxEvents);
  // A change of membership that was under way still may make it one of those who are needed: then no write is answered.
  for (let writes = 0; writes < plan.keepEntries + 2 * plan.checkEveryEntries; writes++) {
    let isAnswered = false;
    const answered = (): void => {
      isAnswered = true;
    };
    leader.node?.propose(setCommand(cluster, leader), { timeoutMs: 1000 }).then(answered, answered);
    await clock.run(() => isAnswered, answerEvents);
    const { firstIndex = 0, lastIndex = 0 } = leader.core?.status() ?? {};
    if (firstIndex > before && firstIndex > lastIndex) break;
  }
  away.start();
  await until(cluster, () => agreement(cluster) ?? alike(cluster));
  cluster.coverage.count('state', 'member returns to a cluster at rest');
}

function alike(cluster: Cluster): string | undefined {
  const leader = cluster.leader()?.core;
  if (leader === undefined) return 'there is no leader';
  for (const { id, core, node } of members(cluster)) {
    if (core?.applied !== leader.lastIndex || core.committed !== leader.lastIndex) {
      return `node ${id} has applied ${String(core?.applied)} of ${leader.lastIndex}`;
    }
    const pending = node?.status().pending;
    if (pending !== undefined && pending.writes + pending.applies > 0) return `node ${id} has work pending`;
  }
  return undefined;
}

/** A write through every member must be answered; one may be refused while leadership settles, and is tried again. */
async function serve(cluster: Cluster, through: readonly Host[] = members(cluster)): Promise<void> {
  for (const host of through) {
    let state: 'failed' | 'asked' | 'served' = 'failed';
    let reason = '';
    const ask = (): void => {
      state = 'asked';
      const served = host.node?.propose(setCommand(cluster, host), { timeoutMs: 5000 });
      (served ?? Promise.reject(new Error('it does not run'))).then(
        () => {
          state = 'served';
        },
        (error: unknown) => {
          state = 'failed';
          reason = String(error);
        },
      );
    };
    const asked = (): string => state;
    await until(cluster, () => {
      // Replaced meanwhile: nobody expects anything of it any more.
      if (host.state === 'retired') return undefined;
      if (asked() === 'failed') ask();
      return asked() === 'served' ? undefined : `node ${host.id} does not serve: ${reason}`;
    });
  }
}

/** All have the same state, and it is what the commands make. */
async function sameState(cluster: Cluster): Promise<void> {
  const { state } = cluster.applied.kv;
  const keys = [...state.keys()];
  const expected = JSON.stringify([...state.values()]);
  const names = keys.map((key) => storeKey(Buffer.from(key, 'latin1')));
  const digests = new Map<string, number>();
  const wrong: string[] = [];
  let waiting = 0;
  const look = async (
    id: number,
    found: Promise<StateDigest>,
    values: Promise<(Uint8Array | undefined)[]>,
  ) => {
    const { digest, count, appliedIndex } = await found;
    digests.set(`${digest} of ${count} keys at index ${appliedIndex}`, id);
    const texts = (await values).map((value) => value && Buffer.from(value).toString('latin1'));
    if (count !== keys.length || JSON.stringify(texts) !== expected) wrong.push(`node ${id}: ${count} keys`);
    waiting--;
  };
  for (const { id, store } of members(cluster)) {
    if (store === undefined) continue;
    waiting++;
    void look(id, digestOf(store), store.getMany(names));
  }
  await until(cluster, () => (waiting > 0 ? 'the states cannot be read' : undefined));
  if (digests.size > 1) {
    const all = [...digests].map(([digest, id]) => `node ${id}: ${digest}`);
    throw new Violation('I5 StateMachineSafety', 'the members have different states in the end', all);
  }
  if (wrong.length > 0) {
    const text = `the state in the end is not that of the commands, which make ${keys.length} keys`;
    throw new Violation('I5 StateMachineSafety', text, wrong);
  }
}

/** What is left behind by a cluster that has nothing to do. */
function unrest(cluster: Cluster): string | undefined {
  for (const { id, node, core } of members(cluster)) {
    if (core?.state === StateType.Leader && core.status().progress.some((one) => one.inflightMessages > 0)) {
      return `leader ${id} has appends in flight`;
    }
    if (core instanceof RawNode && core.state === StateType.Leader && core.uncommittedSize > 0) {
      return `leader ${id} counts ${core.uncommittedSize} bytes as uncommitted`;
    }
    const { pending } = node?.status() ?? {};
    if (pending === undefined) continue;
    const { proposals, proposalBytes, reads, writes, applies } = pending;
    if (proposals + proposalBytes + reads + writes + applies > 0) {
      return `node ${id} is at rest with work left: ${JSON.stringify(pending)}`;
    }
  }
  return undefined;
}

function describe(cluster: Cluster): string[] {
  return [...cluster.hosts.values()].map(({ id, state, core }) => {
    if (core === undefined) return `node ${id}: ${state}`;
    const { confState, ...rest } = core.status();
    return `node ${id}: ${state} ${JSON.stringify(rest)} ${JSON.stringify(confState)}`;
  });
}
