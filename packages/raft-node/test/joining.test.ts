import { expect, test } from 'vitest';
import { Cluster, clusterId, member } from './cluster.ts';

test('a new voter that knows nobody can still elect the one who added it', async () => {
  const cluster = await Cluster.start({ size: 1 });
  await cluster.leader();
  await cluster.startNode(2, { join: { clusterId } });
  // The change is committed and applied before the new voter hears of anything, and then its leader is gone.
  cluster.network.isolate(2);
  await cluster.do(
    cluster.node(1).changeMembership([{ type: 'addVoter', id: 2, address: member(2).address }]),
  );
  await cluster.crash(1);
  await cluster.startNode(1);
  expect(cluster.status(1).confState.voters).toEqual([1, 2]);
  cluster.network.heal();
  expect(await cluster.leader([1])).toBe(1);
  expect(await cluster.propose(1, 'served')).toContain('served');
  await cluster.stop();
});
