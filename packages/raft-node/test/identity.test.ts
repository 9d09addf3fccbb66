import { openMemoryEngine } from '@balsa/raft-core/memory';
import { describe, expect, test } from 'vitest';
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
    expect(await codeOf(cluster.startNode(1, { id: 2, bootstrap: foreign, transport: cluster.network.transport(2) }))).toBe('STORE_IDENTITY_MISMATCH');
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

  test('a crash at any write of the bootstrap leaves a store that bootstraps to the same', async () => {
    for (let failing = 0; failing < 8; failing++) {
      const cluster = new Cluster({ size: 1 });
      await cluster.startNode(1);
      await cluster.do(cluster.node(1).stop());
      const site = cluster.site(1);
      const fresh = new Cluster({ size: 1 });
      let mutations = 0;
      const { createMemoryDisk } = await import('@balsa/raft-core/memory');
      const disk = createMemoryDisk();
      const crashing = openMemoryEngine({
        disk,
        schedule: (operation) => {
          if (['stamp', 'write', 'compactTo', 'sync'].includes(operation.name) && mutations++ === failing) disk.crash();
          return undefined;
        },
      });
      const first = fresh.startNode(1, { engine: crashing });
      await codeOf(fresh.do(first.then((s) => s.node.stop())));
      disk.crash();
      fresh.sites.set(1, { ...site, disk });
      site.machineDisk.current = site.machineDisk.synced = { applied: 0, texts: [] };
      await fresh.startNode(1);
      expect(await fresh.propose(1, 'a')).toBe('3:a');
      expect(fresh.status(1).firstIndex).toBe(2);
      await fresh.stop();
    }
  });
});
