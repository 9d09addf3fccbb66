import { Entry, Message, MessageType } from '@balsa/raft-core';
import { describe, expect, test } from 'vitest';
import { encodeFrame } from '../src/forwarding.ts';
import { Cluster, clusterId, codeOf } from './cluster.ts';
import { bytesOf } from './machine.ts';

const others = (id: number): number[] => [1, 2, 3].filter((other) => other !== id);

describe('how a proposal ends', () => {
  test('forwarded, and the leader dies before it answers: the outcome is unknown', async () => {
    const cluster = await Cluster.start();
    const leader = await cluster.leader();
    const [follower = 0] = others(leader);
    const pending = codeOf(cluster.node(follower).propose(bytesOf('x')));
    await cluster.until(
      () => cluster.node(follower).metrics().counters.proposalsForwarded === 1,
      'forwarded',
    );
    await cluster.crash(leader);
    expect(await cluster.do(pending)).toBe('UNKNOWN_OUTCOME');
    await cluster.stop();
  });

  test('accepted by a leader that is then cut off and overtaken: refused, and it never appears', async () => {
    const cluster = await Cluster.start();
    const leader = await cluster.leader();
    const [a = 0, b = 0] = others(leader);
    // Appends do not get through, so that what the leader accepts is committed by nobody.
    cluster.network.setDropFilter(
      ({ from, message }) => from === leader && message.type === MessageType.MsgApp,
    );
    const pending = codeOf(cluster.node(a).propose(bytesOf('never'), { timeoutMs: 60_000 }));
    await cluster.until(() => cluster.node(leader).metrics().counters.proposalsFromPeers === 1, 'it arrived');
    await cluster.env.advance(50);
    cluster.network.isolate(leader);
    cluster.network.setDropFilter(undefined);
    const next = await cluster.leader([a, b]);
    await cluster.propose(next, 'kept');
    expect(await cluster.do(pending)).toBe('PROPOSAL_DROPPED');
    cluster.network.heal();
    await cluster.converged([1, 2, 3], ['kept']);
    await cluster.stop();
  });

  test('without a leader for too long: not leader, refused', async () => {
    const cluster = await Cluster.start();
    const leader = await cluster.leader();
    const [follower = 0] = others(leader);
    cluster.network.isolate(follower);
    await cluster.until(() => cluster.status(follower).leader === undefined, 'it lost its leader');
    expect(await cluster.do(codeOf(cluster.node(follower).propose(bytesOf('x'))))).toBe('NOT_LEADER');
    cluster.network.heal();
    await cluster.env.advance(5000);
    for (const id of [1, 2, 3]) expect(cluster.site(id).machine.texts).toEqual([]);
    await cluster.stop();
  });

  test('a proposal waits for a leader that comes in time', async () => {
    const cluster = await Cluster.start();
    expect(await cluster.propose(1, 'early')).toMatch(/early$/);
    await cluster.stop();
  });

  test('no connection to the leader until the deadline: timeout, refused', async () => {
    const cluster = await Cluster.start();
    const leader = await cluster.leader();
    const [follower = 0] = others(leader);
    cluster.network.oneWay(follower, leader);
    expect(await cluster.do(codeOf(cluster.node(follower).propose(bytesOf('x'), { timeoutMs: 500 })))).toBe(
      'TIMEOUT',
    );
    await cluster.stop();
  });

  test('no majority until the deadline: unknown, for it is in the log of the leader', async () => {
    const cluster = await Cluster.start();
    const leader = await cluster.leader();
    for (const id of others(leader)) await cluster.crash(id);
    expect(await cluster.do(codeOf(cluster.node(leader).propose(bytesOf('x'), { timeoutMs: 300 })))).toBe(
      'UNKNOWN_OUTCOME',
    );
    await cluster.stop();
  });

  test('a caller that gives up is told so at once, also before anything was sent', async () => {
    const cluster = await Cluster.start();
    const leader = await cluster.leader();
    expect(await codeOf(cluster.node(leader).propose(bytesOf('x'), { signal: AbortSignal.abort() }))).toBe(
      'ABORTED',
    );
    const controller = new AbortController();
    const pending = cluster.node(leader).propose(bytesOf('y'), { signal: controller.signal });
    controller.abort();
    expect(await codeOf(pending)).toBe('ABORTED');
    await cluster.env.advance(1000);
    expect(cluster.site(leader).machine.texts).toEqual([]);
    expect(cluster.status(leader).pending.proposals).toBe(0);
    await cluster.stop();
  });

  test('stopping says of each whether it can have happened', async () => {
    const cluster = await Cluster.start();
    const leader = await cluster.leader();
    for (const id of others(leader)) await cluster.crash(id);
    const placed = codeOf(cluster.node(leader).propose(bytesOf('x')));
    await cluster.env.advance(20);
    const queued = codeOf(cluster.node(leader).propose(bytesOf('y')));
    const read = codeOf(cluster.node(leader).read());
    const stopping = cluster.node(leader).stop();
    expect(await cluster.do(Promise.all([placed, queued, read]))).toEqual([
      'UNKNOWN_OUTCOME',
      'STOPPED',
      'STOPPED',
    ]);
    await cluster.do(stopping);
    await cluster.stop();
  });
});

describe('bounds', () => {
  test('an entry larger than the cluster takes is refused before it is proposed', async () => {
    const cluster = new Cluster({ size: 1 });
    await cluster.startNode(1, { bootstrap: { ...cluster.bootstrap, maxEntryBytes: 1000 } });
    await cluster.leader();
    const largest = 1000 - 24 - 18;
    expect(await cluster.do(codeOf(cluster.node(1).propose(new Uint8Array(largest + 1))))).toBe(
      'STORE_ENTRY_TOO_LARGE',
    );
    expect(await cluster.do(codeOf(cluster.node(1).propose(new Uint8Array(largest))))).toBe('resolved');
    await cluster.stop();
  });

  test('too many proposals, bytes or reads waiting are refused as overload, and room comes back', async () => {
    const cluster = await Cluster.start({
      node: { limits: { maxPendingProposals: 3, maxPendingBytes: 100, maxReadsPending: 2 } },
    });
    const leader = await cluster.leader();
    const node = cluster.node(leader);
    const three = [1, 2, 3].map(() => node.propose(bytesOf('x')));
    expect(await codeOf(node.propose(bytesOf('x')))).toBe('OVERLOADED');
    await cluster.do(Promise.all(three));
    const large = node.propose(new Uint8Array(60));
    expect(await codeOf(node.propose(new Uint8Array(60)))).toBe('OVERLOADED');
    const reads = [node.read(), node.read()];
    expect(await codeOf(node.read())).toBe('OVERLOADED');
    await cluster.do(Promise.all([large, ...reads]));
    expect(await cluster.propose(leader, 'y')).toMatch(/y$/);
    expect(node.metrics().proposalOutcomes).toEqual({ ok: 5, OVERLOADED: 2 });
    await cluster.stop();
  });

  test('reads that arrive together share one round', async () => {
    const cluster = await Cluster.start();
    const leader = await cluster.leader();
    const node = cluster.node(leader);
    await cluster.do(Promise.all(Array.from({ length: 100 }, () => node.read())));
    expect(node.metrics().counters.readRounds).toBe(1);
    await cluster.stop();
  });

  test('a read whose round was lost on the way is asked again', async () => {
    const cluster = await Cluster.start();
    const leader = await cluster.leader();
    const [follower = 0] = others(leader);
    let dropped = 0;
    cluster.network.setDropFilter(
      ({ message }) => message.type === MessageType.MsgReadIndexResp && dropped++ === 0,
    );
    await cluster.do(cluster.node(follower).read());
    expect(dropped).toBe(2);
    await cluster.stop();
  });
});

describe('peers that misbehave', () => {
  test('are counted by code and disturb nothing', async () => {
    const cluster = await Cluster.start();
    const leader = await cluster.leader();
    const stranger = cluster.network.transport(9);
    const nothing = (): void => undefined;
    await stranger.start(
      { clusterId, nodeId: 9, incarnation: 'x' },
      {
        onMessages: nothing,
        onControl: nothing,
        onDisconnect: nothing,
        onUnreachable: nothing,
        onSnapshot: () => Promise.reject(new Error('no')),
      },
    );
    stranger.setPeer(leader, `memory:${String(leader)}`);
    const term = cluster.status(leader).term;
    const raw = new Entry(0, 0, 0, bytesOf('without an envelope'));
    stranger.sendControl('main', leader, encodeFrame({ type: 'hello', incarnation: 'of the stranger' }));
    await cluster.env.advance(10);
    stranger.send('main', [
      new Message(MessageType.MsgProp, { to: leader, from: 9, entries: [raw] }),
      new Message(MessageType.MsgHup, { to: leader, from: 9 }),
      new Message(MessageType.MsgSnap, { to: leader, from: 9, term }),
      new Message(MessageType.MsgAppResp, { to: leader, from: 9, term, index: 1 }),
    ]);
    stranger.send('elsewhere', [new Message(MessageType.MsgHeartbeat, { to: leader, from: 9, term: 99 })]);
    stranger.sendControl('main', leader, Uint8Array.of(1, 99));
    stranger.sendControl('main', leader, new Uint8Array(0));
    await cluster.env.advance(100);
    const counted = cluster.node(leader).metrics().rejectedMessages;
    expect(Object.values(counted).reduce((a, b) => a + b, 0)).toBe(7);
    expect(counted).toMatchObject({ UNKNOWN_GROUP: 1, WIRE_MALFORMED: 2 });
    await cluster.propose(leader, 'fine');
    await stranger.stop();
    await cluster.stop();
  });
});
