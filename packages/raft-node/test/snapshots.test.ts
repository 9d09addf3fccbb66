import { MessageType } from '@balsa/raft-core';
import { describe, expect, test } from 'vitest';
import { Cluster, codeOf, clusterId, member } from './cluster.ts';

const shortLog = { compaction: { checkEveryEntries: 10, keepEntries: 5 } };

async function fill(cluster: Cluster, id: number, count: number): Promise<void> {
  for (let i = 0; i < count; i++) await cluster.propose(id, `value ${String(i)} of the state`);
}

const others = (id: number): number[] => [1, 2, 3].filter((other) => other !== id);

describe.each([true, false])('snapshots, state machine %s', (persistent) => {
  test('a follower behind the compacted log is brought forward by a snapshot', async () => {
    const cluster = await Cluster.start({ persistent, node: shortLog });
    const leader = await cluster.leader();
    const [victim = 0, other = 0] = others(leader);
    await cluster.crash(victim);
    await fill(cluster, leader, 60);
    await cluster.until(
      () => cluster.status(leader).firstIndex > 20,
      'the dead follower does not pin the log',
    );
    const site = await cluster.startNode(victim);
    await cluster.converged([victim, other], [...cluster.site(leader).machine.texts]);
    expect(site.machine.restores).toBeGreaterThan(0);
    expect(cluster.node(victim).metrics().counters.snapshotsInstalled).toBe(1);
    await fill(cluster, leader, 3);
    await cluster.converged([1, 2, 3], [...cluster.site(leader).machine.texts]);
    await cluster.stop();
  });

  test('a snapshot whose connection breaks on the way is sent again and goes on where it was', async () => {
    const cluster = await Cluster.start({ persistent, node: shortLog });
    const leader = await cluster.leader();
    const [victim = 0] = others(leader);
    await cluster.crash(victim);
    await fill(cluster, leader, 60);
    await cluster.until(() => cluster.status(leader).firstIndex > 20, 'compacted');
    const site = await cluster.startNode(victim);
    const chunks: number[] = [];
    site.node.on('snapshot', (progress) => {
      if (progress.phase === 'receiving' && progress.state === 'running') chunks.push(progress.chunks);
    });
    await cluster.until(() => chunks.includes(5), 'five chunks arrived');
    cluster.network.disconnect(leader, victim);
    await cluster.converged([victim], [...cluster.site(leader).machine.texts]);
    expect(chunks.filter((n) => n === 3)).toHaveLength(1);
    expect(cluster.node(leader).metrics().counters.snapshotsFailed).toBe(1);
    await cluster.stop();
  });

  test('a snapshot that arrived whole, and whose sender was not told, is not sent for ever', async () => {
    const cluster = await Cluster.start({ persistent, node: shortLog });
    const leader = await cluster.leader();
    const [victim = 0] = others(leader);
    await cluster.crash(victim);
    await fill(cluster, leader, 60);
    await cluster.until(() => cluster.status(leader).firstIndex > 20, 'compacted');
    const site = await cluster.startNode(victim);
    let cut = false;
    site.node.on('snapshot', ({ phase, state }) => {
      if (cut || phase !== 'receiving' || state !== 'done') return;
      cut = true;
      cluster.network.disconnect(leader, victim);
      cluster.network.dropTypes(MessageType.MsgAppResp);
    });
    await cluster.until(() => cluster.status(victim).applied > 20, 'the snapshot is restored');
    await cluster.do(new Promise<void>((resolve) => cluster.env.setTimer(200, resolve)));
    cluster.network.dropTypes();
    await fill(cluster, leader, 3);
    await cluster.converged([1, 2, 3], [...cluster.site(leader).machine.texts]);
    await cluster.stop();
  });

  test('a crash in the middle of a restore is finished first at the next start', async () => {
    const cluster = await Cluster.start({ persistent, node: shortLog });
    const leader = await cluster.leader();
    const [victim = 0] = others(leader);
    await cluster.crash(victim);
    await fill(cluster, leader, 60);
    await cluster.until(() => cluster.status(leader).firstIndex > 20, 'compacted');
    const site = await cluster.startNode(victim);
    let open: () => void = () => undefined;
    site.machine.restoreGate = new Promise((resolve) => {
      open = resolve;
    });
    await cluster.until(
      () => cluster.status(victim).snapshotProgress.some((p) => p.phase === 'restoring'),
      'the restore began',
    );
    expect(cluster.status(victim).ready).toEqual({ ok: false, reason: 'a snapshot is being restored' });
    cluster.network.crash(victim);
    site.disk.crash();
    const stopping = site.node.stop();
    site.machine.restoreGate = undefined;
    await cluster.crash(leader);
    const again = await cluster.startNode(victim);
    // Nobody sent it anything: what it has comes from its own disk.
    expect(again.machine.restores).toBe(1);
    expect(again.machine.texts.length).toBeGreaterThan(20);
    open();
    await cluster.do(stopping);
    await cluster.startNode(leader);
    await cluster.leader();
    await cluster.stop();
  });
});

describe('membership', () => {
  test('a wiped member is refused under its old id and replaced by a new one', async () => {
    const cluster = await Cluster.start({ node: shortLog });
    const leader = await cluster.leader();
    const [wiped = 0, other = 0] = others(leader);
    await fill(cluster, leader, 30);
    await cluster.crash(wiped);
    cluster.sites.delete(wiped);
    await cluster.startNode(4, { join: { clusterId } });
    const node = cluster.node(leader);
    await cluster.do(node.addLearner(member(4)));
    const lag = (): number => cluster.status(leader).progress.find((peer) => peer.id === 4)?.lag ?? 99;
    await cluster.until(() => lag() === 0, 'the learner caught up');
    expect(cluster.status(4).learner).toBe(true);
    await cluster.do(node.promote(4));
    await cluster.do(node.removeMember(wiped));
    expect(cluster.status(leader).confState.voters).toEqual([leader, other, 4].sort((a, b) => a - b));
    expect(await cluster.do(codeOf(node.addLearner(member(wiped))))).toBe('CONF_CHANGE_INVALID');
    // The others must have heard of it: until then the removed member counts for their majority.
    await cluster.until(
      () => [other, 4].every((id) => cluster.status(id).confState.voters.length === 3),
      'all know the removal',
    );
    await cluster.crash(leader);
    const next = await cluster.leader([other, 4]);
    await cluster.propose(next, 'with the new one');
    await cluster.converged([other, 4], [...cluster.site(next).machine.texts]);
    // The new member knows everybody's address from the snapshot, and remembers it.
    await cluster.crash(4);
    await cluster.startNode(4);
    expect(cluster.status(4).members.map((m) => m.address)).toEqual(
      [leader, other, 4].sort((a, b) => a - b).map((id) => `memory:${String(id)}`),
    );
    await cluster.leader([other, 4]);
    await cluster.stop();
  });

  test('several changes at once go through a joint configuration and resolve when it is left', async () => {
    const cluster = await Cluster.start();
    const leader = await cluster.leader();
    const [gone = 0] = others(leader);
    await cluster.startNode(4, { join: { clusterId } });
    const done = cluster.node(leader).changeMembership([
      { type: 'addVoter', id: 4, address: 'memory:4' },
      { type: 'remove', id: gone },
    ]);
    const confState = await cluster.do(done);
    expect(confState.votersOutgoing).toEqual([]);
    expect(confState.voters).toEqual([1, 2, 3, 4].filter((id) => id !== gone));
    await cluster.until(
      () => cluster.status(4).applied === cluster.status(leader).applied,
      'the new voter caught up',
    );
    await cluster.propose(4, 'from the new voter');
    await cluster.stop();
  });

  test('a follower forwards a membership change and gets the reason of a refusal', async () => {
    const cluster = await Cluster.start();
    const leader = await cluster.leader();
    const [follower = 0] = others(leader);
    expect(await cluster.do(codeOf(cluster.node(follower).promote(9)))).toBe('CONF_CHANGE_INVALID');
    expect(await cluster.do(codeOf(cluster.node(follower).addLearner(member(leader))))).toBe('resolved');
    expect(cluster.status(follower).confState.learners).toEqual([leader]);
    await cluster.stop();
  });

  test('the last voter cannot be removed', async () => {
    const cluster = await Cluster.start({ size: 1 });
    await cluster.leader();
    expect(await cluster.do(codeOf(cluster.node(1).removeMember(1)))).toBe('CONF_CHANGE_INVALID');
    await cluster.stop();
  });

  test('a membership is durable before anything behind it is applied, and not applied twice after a crash', async () => {
    const cluster = await Cluster.start();
    const leader = await cluster.leader();
    const [follower = 0] = others(leader);
    await cluster.propose(leader, 'a');
    await cluster.do(cluster.node(leader).addLearner(member(7)));
    await cluster.propose(leader, 'b');
    await cluster.converged([1, 2, 3], ['a', 'b']);
    await cluster.crash(follower);
    await cluster.startNode(follower);
    await cluster.converged([1, 2, 3], ['a', 'b']);
    expect(cluster.status(follower).confState.learners).toEqual([7]);
    expect(cluster.node(follower).metrics().counters.confChanges).toBe(0);
    await cluster.stop();
  });

  test('leadership moves to the node asked for', async () => {
    const cluster = await Cluster.start();
    const leader = await cluster.leader();
    const [target = 0] = others(leader);
    expect(await cluster.do(cluster.node(leader).transferLeadership(target))).toBe(target);
    expect(await cluster.leader()).toBe(target);
    await cluster.do(cluster.node(target).stop({ transferLeadership: true }));
    expect(await cluster.leader(others(target))).not.toBe(target);
    await cluster.stop();
  });
});
