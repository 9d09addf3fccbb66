import { describe, expect, test } from 'vitest';
import { Cluster } from './cluster.ts';
import { bytesOf } from './machine.ts';

describe('one node', () => {
  test('elects itself and answers a proposal with the result of applying it', async () => {
    const cluster = await Cluster.start({ size: 1 });
    expect(await cluster.propose(1, 'a')).toBe('3:a');
    expect(await cluster.do(cluster.node(1).read())).toBe(3);
    await cluster.stop();
  });
});

describe('three nodes', () => {
  test('a proposal on any node is applied on all, in one order', async () => {
    const cluster = await Cluster.start();
    await cluster.leader();
    for (const id of [1, 2, 3]) await cluster.propose(id, `from ${String(id)}`);
    await cluster.converged([1, 2, 3], ['from 1', 'from 2', 'from 3']);
    await cluster.stop();
  });

  test('a read on any node sees what was committed before it', async () => {
    const cluster = await Cluster.start();
    const leader = await cluster.leader();
    await cluster.propose(leader, 'x');
    for (const id of [1, 2, 3]) {
      await cluster.do(cluster.node(id).read());
      expect(cluster.site(id).machine.texts).toEqual(['x']);
    }
    await cluster.stop();
  });

  test('a new leader takes over when the leader dies, and nothing acknowledged is lost', async () => {
    const cluster = await Cluster.start();
    const first = await cluster.leader();
    await cluster.propose(first, 'before');
    await cluster.crash(first);
    const rest = [1, 2, 3].filter((id) => id !== first);
    const second = await cluster.leader(rest);
    await cluster.propose(second, 'after');
    await cluster.startNode(first);
    await cluster.converged([1, 2, 3], ['before', 'after']);
    await cluster.stop();
  });

  test('a minority serves neither proposals nor reads, and follows the majority once healed', async () => {
    const cluster = await Cluster.start();
    const old = await cluster.leader();
    const rest = [1, 2, 3].filter((id) => id !== old);
    cluster.network.isolate(old);
    const lost = cluster
      .node(old)
      .propose(bytesOf('lost'))
      .catch((e: unknown) => e);
    const read = cluster
      .node(old)
      .read({ timeoutMs: 3000 })
      .catch((e: unknown) => e);
    await cluster.leader(rest);
    const next = await cluster.leader(rest);
    await cluster.propose(next, 'kept');
    expect(await cluster.do(read)).toMatchObject({ code: 'TIMEOUT' });
    cluster.network.heal();
    expect(await cluster.do(lost)).toMatchObject({ code: 'PROPOSAL_DROPPED' });
    await cluster.converged([1, 2, 3], ['kept']);
    await cluster.stop();
  });

  test('all restart from their disks with everything they had', async () => {
    const cluster = await Cluster.start();
    const leader = await cluster.leader();
    for (const text of ['a', 'b', 'c']) await cluster.propose(leader, text);
    await cluster.converged([1, 2, 3], ['a', 'b', 'c']);
    for (const id of [1, 2, 3]) await cluster.crash(id);
    for (const id of [1, 2, 3]) await cluster.startNode(id);
    await cluster.propose(await cluster.leader(), 'd');
    await cluster.converged([1, 2, 3], ['a', 'b', 'c', 'd']);
    await cluster.stop();
  });
});
