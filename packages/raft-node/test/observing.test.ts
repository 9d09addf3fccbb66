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
