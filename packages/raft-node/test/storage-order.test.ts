import { describe, expect, test } from 'vitest';
import { MessageType, type WriteBatch } from '@balsa/raft-core';
import { Cluster, codeOf } from './cluster.ts';
import { bytesOf } from './machine.ts';

const commitOnly = (batch: WriteBatch): boolean =>
  batch.entries === undefined && batch.confState === undefined && batch.install === undefined;

describe('group commit', () => {
  test('many concurrent proposals share few writes on every node', async () => {
    const cluster = await Cluster.start();
    const leader = await cluster.leader();
    await cluster.propose(leader, 'warm');
    for (const site of cluster.sites.values()) site.writes.length = 0;
    const all = Array.from({ length: 400 }, (_, i) => cluster.node(leader).propose(bytesOf(`p${String(i)}`)));
    await cluster.do(Promise.all(all));
    await cluster.until(
      () => [1, 2, 3].every((id) => cluster.site(id).machine.texts.length === 401),
      'all applied everything',
    );
    for (const id of [1, 2, 3]) expect(cluster.site(id).writes.length).toBeLessThanOrEqual(4);
    await cluster.stop();
  });

  test('one proposal costs exactly one write on each node: its commit index travels with a later one', async () => {
    const cluster = await Cluster.start({ node: { commitFlushMs: 60_000 } });
    const leader = await cluster.leader();
    await cluster.propose(leader, 'warm');
    await cluster.env.advance(500);
    for (const site of cluster.sites.values()) site.writes.length = 0;
    await cluster.propose(leader, 'one');
    await cluster.env.advance(2000);
    for (const id of [1, 2, 3]) {
      expect(cluster.site(id).machine.texts).toEqual(['warm', 'one']);
      expect(cluster.site(id).writes.map((batch) => batch.entries?.length)).toEqual([1]);
    }
    await cluster.stop();
  });

  test('a commit index that nothing else carries is written once after the idle time', async () => {
    const cluster = await Cluster.start({ node: { commitFlushMs: 700 } });
    const leader = await cluster.leader();
    await cluster.propose(leader, 'one');
    await cluster.env.advance(5000);
    for (const site of cluster.sites.values()) {
      const last = site.writes.at(-1);
      expect(last !== undefined && commitOnly(last)).toBe(true);
      expect(last?.hardState?.commit).toBe(cluster.status(site.id).commit);
      expect(
        site.writes.filter(commitOnly).filter((batch) => batch.hardState?.term === last?.hardState?.term)
          .length,
      ).toBeLessThanOrEqual(3);
    }
    await cluster.stop();
  });
});

describe('elections', () => {
  test('a candidate asks for votes only once its own term and vote are durable', async () => {
    const cluster = await Cluster.start();
    const leader = await cluster.leader();
    await cluster.propose(leader, 'one');
    await cluster.env.advance(500);
    const candidate = leader === 1 ? 2 : 1;
    const asked: number[] = [];
    cluster.network.setDropFilter(({ from, message }) => {
      if (from === candidate && message.type === MessageType.MsgVote) asked.push(message.term);
      return false;
    });
    const release = cluster.site(candidate).hangWrites();
    const transfer = codeOf(cluster.node(leader).transferLeadership(candidate));
    await cluster.until(() => cluster.status(candidate).role === 'candidate', 'it campaigns');
    const { term } = cluster.status(candidate);
    await cluster.env.advance(50);
    // Both others would vote for it. It would lead a term that its disk has never heard of, and after a crash
    // lead the same term once more, with other entries.
    expect(asked).toEqual([]);
    expect(cluster.status(candidate).role).toBe('candidate');
    release();
    await cluster.do(transfer);
    expect(await cluster.leader()).toBe(candidate);
    expect(asked.every((one) => one >= term) && asked.length >= 2).toBe(true);
    await cluster.stop();
  });
});

describe('errors of the disk and of the state machine', () => {
  test('a failed write stops the node, which says why and rejects what is pending as unknown', async () => {
    let broken = false;
    const cluster = await Cluster.start({
      size: 1,
      schedule: (operation) =>
        broken && operation.name === 'write' ? Promise.reject(new Error('disk on fire')) : undefined,
    });
    const id = await cluster.leader();
    await cluster.propose(id, 'fine');
    broken = true;
    const pending = cluster.node(id).propose(bytesOf('lost'));
    expect(await cluster.do(codeOf(pending))).toBe('UNKNOWN_OUTCOME');
    const error = await cluster.do(cluster.node(id).stopped);
    expect(error?.code).toBe('STORE_UNKNOWN_OUTCOME');
    expect(await codeOf(cluster.node(id).propose(bytesOf('x')))).toBe('STOPPED');
    expect(cluster.status(id).ready).toEqual({ ok: false, reason: 'the node is stopped' });
    expect(cluster.site(id).machine.closed).toBe(true);
  });

  test('a state machine that fails stops its node only', async () => {
    const cluster = await Cluster.start();
    const leader = await cluster.leader();
    const victim = [1, 2, 3].find((id) => id !== leader) ?? 0;
    cluster.site(victim).machine.failure = new Error('no space');
    await cluster.propose(leader, 'x');
    const error = await cluster.do(cluster.node(victim).stopped);
    expect(error?.code).toBe('STATE_MACHINE_FAILED');
    await cluster.propose(leader, 'y');
    await cluster.stop();
  });
});

describe('recovery', () => {
  test('what the state machine lost unsynced is applied again from the log', async () => {
    const cluster = await Cluster.start();
    const leader = await cluster.leader();
    for (let i = 0; i < 20; i++) await cluster.propose(leader, String(i));
    const texts = [...cluster.site(leader).machine.texts];
    await cluster.converged([1, 2, 3], texts);
    const follower = [1, 2, 3].find((id) => id !== leader) ?? 0;
    await cluster.crash(follower);
    expect(cluster.site(follower).machineDisk.current.texts).toEqual([]);
    await cluster.startNode(follower);
    await cluster.converged([1, 2, 3], texts);
    await cluster.stop();
  });

  test('a state machine ahead of its log is refused', async () => {
    const cluster = await Cluster.start({ size: 1 });
    await cluster.propose(1, 'a');
    await cluster.stop();
    cluster.site(1).machineDisk.current = { applied: 99, texts: [] };
    expect(await codeOf(cluster.startNode(1))).toBe('STATE_AHEAD_OF_LOG');
  });

  test('a state machine behind a compacted log without a snapshot is refused', async () => {
    const cluster = await Cluster.start({
      size: 1,
      node: { compaction: { checkEveryEntries: 10, keepEntries: 0 } },
    });
    for (let i = 0; i < 40; i++) await cluster.propose(1, String(i));
    await cluster.until(() => cluster.status(1).firstIndex > 10, 'compacted');
    await cluster.stop();
    cluster.site(1).machineDisk.current = { applied: 0, texts: [] };
    expect(await codeOf(cluster.startNode(1))).toBe('STATE_BEHIND_LOG');
  });

  test('a state machine in memory starts from its newest snapshot and the log behind it', async () => {
    const cluster = await Cluster.start({
      size: 1,
      persistent: false,
      node: { compaction: { checkEveryEntries: 10, keepEntries: 3 } },
    });
    for (let i = 0; i < 45; i++) await cluster.propose(1, String(i));
    await cluster.until(() => cluster.status(1).firstIndex > 10, 'compacted');
    const texts = [...cluster.site(1).machine.texts];
    await cluster.crash(1);
    await cluster.startNode(1);
    await cluster.converged([1], texts);
    expect(cluster.site(1).machine.restores).toBe(1);
    await cluster.stop();
  });

  test('the commit index written late is no reason to lose what was acknowledged', async () => {
    const cluster = await Cluster.start({ node: { commitFlushMs: 60_000 } });
    const leader = await cluster.leader();
    await cluster.propose(leader, 'a');
    for (const id of [1, 2, 3]) await cluster.crash(id);
    for (const id of [1, 2, 3]) await cluster.startNode(id);
    await cluster.leader();
    await cluster.converged([1, 2, 3], ['a']);
    await cluster.stop();
  });
});

describe("an outsider's store and transport", () => {
  test('that post entries to a thread as they are get all of each, also those that came from a peer', async () => {
    const texts = ['a', 'b', 'c'];
    const cluster = await Cluster.start({ postsWrites: true });
    const first = await cluster.leader();
    for (const text of texts) await cluster.propose(first, text);
    await cluster.converged([1, 2, 3], texts);
    // Followers of before now send what they were sent, to one whose log is behind.
    const behind = first;
    cluster.network.partition([[behind], [1, 2, 3].filter((id) => id !== behind)]);
    const others = [1, 2, 3].filter((id) => id !== behind);
    const second = await cluster.leader(others);
    await cluster.propose(second, 'd');
    cluster.network.heal();
    await cluster.converged([1, 2, 3], [...texts, 'd']);
    // What the stores hold is what was proposed: a member whose state machine is empty reads it from there.
    for (const id of [1, 2, 3]) {
      await cluster.crash(id);
      const { disk } = cluster.site(id);
      cluster.sites.delete(id);
      cluster.keepDisk(id, disk);
    }
    for (const id of [1, 2, 3]) await cluster.startNode(id);
    await cluster.leader();
    await cluster.converged([1, 2, 3], [...texts, 'd']);
    await cluster.stop();
  });
});
