/** `balsa inspect` of nodes as they are run, and while they run. */
import path from 'node:path';
import { expect, test } from 'vitest';
import { ClusterClient, TestCluster, waitFor } from '@balsa/cluster';
import { inspectJson, inspectText, traces } from './inspect-fixture.ts';
import { temporaryFolder } from './processes.ts';

const clusterId = '00000000000000ac';

test(
  'running nodes are refused and not disturbed; when they are down each is told with what the service knows',
  { timeout: 90_000 },
  async () => {
    await using folder = await temporaryFolder();
    await using scratch = await temporaryFolder();
    const client = new ClusterClient();
    const cluster = new TestCluster({
      directory: folder.path,
      clusterId,
      client,
      signal: new AbortController().signal,
      storages: ['sqlite', 'redis', 'rocksdb'].map((name) => ({ name, options: {} })),
    });
    const codes = async (): Promise<unknown> => {
      const { code, report } = await inspectJson(folder.path, scratch.path, { verify: true });
      return [code, ...report.nodes.map(({ problems }) => problems.map((one) => one.code).join())];
    };
    try {
      await cluster.found([1, 2, 3]);
      const leader = await cluster.leader();
      expect(await codes()).toEqual([1, 'STORE_LOCKED', 'STORE_LOCKED', 'STORE_LOCKED']);
      // They go on: nobody was fenced, nobody lost its lock.
      const write = async (): Promise<true | undefined> =>
        (await client.set('greeting', 'hello')) === 'acknowledged' ? true : undefined;
      await waitFor(write, { timeoutMs: 30_000, what: 'a write' });
      expect((await cluster.leader()).status.term).toBe(leader.status.term);
      expect(cluster.running()).toHaveLength(3);
      for (const node of cluster.running()) await node.stop(5_000);
    } finally {
      client.close();
      await cluster.killAll();
    }

    const before = await traces(folder.path);
    expect(await codes()).toEqual([0, '', '', '']);
    const { report } = await inspectJson(folder.path, scratch.path, { entries: { from: 1, to: 50 } });
    for (const [i, node] of report.nodes.entries()) {
      expect(node.name).toBe(`node-${i + 1}`);
      expect(node.identity).toMatchObject({ clusterId, nodeId: i + 1 });
      const [group] = node.groups;
      expect(group!.members.voters).toEqual([1, 2, 3]);
      expect(group!.listed!.entries.map(({ does }) => does)).toContain('SET "greeting" "hello"');
    }
    const text = await inspectText(folder.path, scratch.path);
    expect(text.code).toBe(0);
    expect(text.stdout).toMatch(/: 3 nodes, node-1, node-2, node-3\n/);
    expect(text.stdout).toContain(`node-2: node 2 of cluster ${clusterId}`);
    expect(await traces(folder.path)).toEqual(before);
    const one = await inspectJson(path.join(folder.path, 'node-2'), scratch.path);
    expect(one.report.nodes.map(({ storage }) => storage)).toEqual(['redis']);
  },
);
