/** What a node shows of its core to tools. */
import { StateType, type RaftCore, type TraceEvent } from '@balsa/raft-core';
import { expect, test } from 'vitest';
import { Cluster } from './cluster.ts';

test('onCore is given the core of each start before it does anything', async () => {
  const seen: { readonly core: RaftCore; readonly term: number; readonly applied: number }[] = [];
  const onCore = (core: RaftCore): void => {
    expect(core.state).toBe(StateType.Follower);
    seen.push({ core, term: core.term, applied: core.applied });
  };
  const cluster = await Cluster.start({ size: 1, node: { onCore } });
  expect(seen.map(({ term }) => term)).toEqual([1]);
  await cluster.leader();
  await cluster.propose(1, 'one');
  const [first] = seen;
  expect(first?.core.state).toBe(StateType.Leader);
  expect(first?.core.committed).toBe(cluster.status(1).commit);

  await cluster.crash(1);
  await cluster.startNode(1);
  expect(seen).toHaveLength(2);
  expect(seen[1]?.core).not.toBe(first?.core);
  expect(seen[1]?.term).toBe(first?.core.term);
  await cluster.stop();
});

test('tracer is told what the core of each node does, in order', async () => {
  const events: TraceEvent[] = [];
  const cluster = await Cluster.start({ node: { tracer: (event) => events.push(event) } });
  const leader = await cluster.leader();
  await cluster.propose(leader, 'one');
  await cluster.converged([1, 2, 3], ['one']);
  const of = (id: number): string[] =>
    events.filter((event) => event.nid === String(id)).map((event) => event.name);
  expect(of(leader)).toContain('BecomeCandidate');
  expect(of(leader).indexOf('BecomeLeader')).toBeGreaterThan(of(leader).indexOf('BecomeCandidate'));
  expect(of(leader).lastIndexOf('Commit')).toBeGreaterThan(of(leader).indexOf('BecomeLeader'));
  for (const id of [1, 2, 3]) expect(of(id)).not.toEqual([]);
  await cluster.stop();
});

test('a member that a change removes is shown until the disk has the change', async () => {
  const cluster = await Cluster.start();
  const leader = await cluster.leader();
  const [stays = 0, leaves = 0] = [1, 2, 3].filter((id) => id !== leader);
  const { writes, hangWrites } = cluster.site(stays);
  const before = writes.length;
  const removed = cluster.node(leader).changeMembership([{ type: 'remove', id: leaves }]);
  const hasEntry = (): boolean => writes.slice(before).some(({ entries }) => (entries ?? []).length > 0);
  await cluster.until(hasEntry, 'the change is in the log');
  const goOn = hangWrites();
  const counts = (): boolean => cluster.status(stays).confState.voters.length === 2;
  await cluster.until(counts, 'the membership changes');
  // Whoever switches a removed member off by this list must not do so before a power cut can no longer undo it.
  expect(cluster.status(stays).members.map(({ id }) => id)).toContain(leaves);
  goOn();
  await cluster.do(removed);
  const shown = (): number => cluster.status(stays).members.length;
  await cluster.until(() => shown() === 2, 'the member is gone from the list');
  await cluster.stop();
});
