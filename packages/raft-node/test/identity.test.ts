import { createMemoryDisk, openMemoryEngine } from '@balsa/raft-core/memory';
import { describe, expect, test } from 'vitest';
import { bytesOf } from './machine.ts';
import { Cluster, clusterId, codeOf, member } from './cluster.ts';

describe('bootstrap and identity', () => {
  test('an empty store without bootstrap or join is refused', async () => {
    const cluster = await Cluster.start({ size: 1 });
    expect(await codeOf(cluster.startNode(2))).toBe('STORE_NOT_BOOTSTRAPPED');
    await cluster.stop();
  });

  test('bootstrap given again with the same identity continues', async () => {
    const cluster = await Cluster.start({ size: 1 });
    await cluster.propose(1, 'a');
    await cluster.stop();
    await cluster.startNode(1);
    await cluster.propose(1, 'b');
    expect(cluster.site(1).machine.texts).toEqual(['a', 'b']);
    await cluster.stop();
  });

  test('neither another cluster id nor another node id opens the store', async () => {
    const cluster = await Cluster.start({ size: 1 });
    await cluster.stop();
    const other = { clusterId: '00000000000000ff', members: [member(1)] };
    expect(await codeOf(cluster.startNode(1, { bootstrap: other }))).toBe('STORE_IDENTITY_MISMATCH');
    const foreign = { clusterId, members: [member(1), member(2)] };
    expect(
      await codeOf(
        cluster.startNode(1, { id: 2, bootstrap: foreign, transport: cluster.network.transport(2) }),
      ),
    ).toBe('STORE_IDENTITY_MISMATCH');
    const larger = { clusterId, members: [member(1)], maxEntryBytes: 4096 };
    expect(await codeOf(cluster.startNode(1, { bootstrap: larger }))).toBe('STORE_IDENTITY_MISMATCH');
  });

  test('a node that was to join does not found a cluster when bootstrap is given later', async () => {
    const cluster = await Cluster.start({ size: 1 });
    await cluster.startNode(2, { join: { clusterId } });
    await cluster.do(cluster.node(2).stop());
    await cluster.startNode(2, { bootstrap: { clusterId, members: [member(1), member(2)] } });
    expect(cluster.status(2).confState.voters).toEqual([]);
    await cluster.stop();
  });

  test('a member that comes back with an empty store under its old id is not listened to', async () => {
    const cluster = await Cluster.start();
    const leader = await cluster.leader();
    await cluster.propose(leader, 'a');
    const [wiped = 0, other = 0] = [1, 2, 3].filter((id) => id !== leader);
    await cluster.crash(wiped);
    cluster.sites.delete(wiped);
    await cluster.startNode(wiped);
    await cluster.env.advance(5000);
    // With the other down too there is no majority: the wiped one must not make one.
    await cluster.crash(other);
    const pending = cluster.node(leader).propose(bytesOf('b'), { timeoutMs: 10_000 });
    expect(await cluster.do(codeOf(pending))).not.toBe('resolved');
    expect(
      cluster.logs.some((line) => line.includes(`node ${String(wiped)} came back with an empty store`)),
    ).toBe(true);
    await cluster.startNode(other);
    await cluster.leader([leader, other]);
    // Those who remember keep remembering after a restart of their own.
    await cluster.crash(leader);
    await cluster.startNode(leader);
    await cluster.env.advance(5000);
    expect(cluster.node(leader).metrics().rejectedMessages['STORE_IDENTITY_MISMATCH']).toBeGreaterThan(0);
    await cluster.leader([leader, other]);
    await cluster.stop();
  });

  test('a crash at any write of the bootstrap leaves a store that bootstraps to the same', async () => {
    let crashes = 0;
    for (let failing = 0; failing < 12; failing++) {
      const cluster = new Cluster({ size: 1 });
      const disk = createMemoryDisk();
      let mutations = 0;
      const engine = openMemoryEngine({
        disk,
        schedule: ({ kind }) => {
          if (kind !== 'write' || mutations++ !== failing) return;
          crashes++;
          disk.crash();
        },
      });
      const first = await cluster.startNode(1, { engine }).catch(() => undefined);
      if (first !== undefined) await cluster.do(first.node.stop());
      disk.crash();
      cluster.keepDisk(1, disk);
      await cluster.startNode(1);
      await cluster.propose(1, 'a');
      expect(cluster.site(1).machine.texts).toEqual(['a']);
      expect(cluster.status(1).firstIndex).toBe(2);
      await cluster.stop();
    }
    expect(crashes).toBeGreaterThanOrEqual(6);
  });
});
