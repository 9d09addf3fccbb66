import { EmptyConfState, MessageType, silentLogger, type Logger, type Transport } from '@balsa/raft-core';
import { openMemoryEngine } from '@balsa/raft-core/memory';
import { createMemoryNetwork, createVirtualEnv } from '@balsa/transport-memory';
import { expect, test } from 'vitest';
import { AddressBook } from '../src/address-book.ts';
import { addressStoreName } from '../src/index.ts';
import { Peers } from '../src/peers.ts';
import { Cluster, clusterId, codeOf, member } from './cluster.ts';
import { bytesOf } from './machine.ts';

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

test('a node that starts again in a joint membership still reaches who is about to leave', async () => {
  const cluster = await Cluster.start({ size: 1 });
  await cluster.leader();
  for (const id of [2, 3]) await cluster.startNode(id, { join: { clusterId } });
  await cluster.do(
    cluster.node(1).changeMembership([{ type: 'addVoter', id: 2, address: member(2).address }]),
  );
  await cluster.propose(1, 'node 2 votes');
  const change = cluster
    .node(1)
    .changeMembership([
      { type: 'remove', id: 2 },
      { type: 'addVoter', id: 3, address: member(3).address },
    ])
    .catch((error: unknown) => error);
  await cluster.until(() => cluster.status(1).confState.votersOutgoing.length > 0, 'the membership is joint');
  await cluster.crash(1);
  await cluster.startNode(1);
  await change;
  // The old half is needed until the joint membership is left, so node 2 must not be forgotten before.
  expect(cluster.status(1).confState).toMatchObject({ voters: [1, 3], votersOutgoing: [1, 2] });
  await cluster.leader([1, 3]);
  await cluster.until(() => cluster.status(1).confState.votersOutgoing.length === 0, 'the change is done');
  expect(await cluster.propose(await cluster.leader([1, 3]), 'served')).toContain('served');
  // And once it has left, its id is used up.
  const again = cluster
    .node(await cluster.leader([1, 3]))
    .changeMembership([{ type: 'addLearner', id: 2, address: member(2).address }]);
  await expect(cluster.do(again)).rejects.toThrow(/ids are not reused/);
  await cluster.stop();
});

test('a member that was cut off while all others were replaced finds back to them', async () => {
  const cluster = await Cluster.start({
    size: 3,
    node: { compaction: { checkEveryEntries: 2, keepEntries: 1 } },
  });
  await cluster.leader();
  cluster.network.isolate(3);
  let members = [1, 2];
  for (const id of [4, 5]) {
    await cluster.startNode(id, { join: { clusterId } });
    const leader = await cluster.leader(members);
    await cluster.propose(leader, `settled ${String(id)}`);
    await cluster.do(
      cluster.node(leader).changeMembership([{ type: 'addVoter', id, address: member(id).address }]),
    );
    members = [...members, id];
  }
  for (const id of [1, 2]) {
    const leader = await cluster.leader(members);
    await cluster.propose(leader, `settled ${String(id)}`);
    await cluster.do(cluster.node(leader).removeMember(id));
    members = members.filter((one) => one !== id);
    await cluster.crash(id);
    cluster.sites.delete(id);
  }
  await cluster.leader([4, 5]);
  cluster.network.heal();
  await cluster.leader([3, 4, 5]);
  await cluster.until(
    () => cluster.status(3).confState.voters.join() === '3,4,5',
    'node 3 has the present membership',
  );
  await cluster.stop();
});

test('a leader that made itself a learner and told nobody does not leave the others without one', async () => {
  const cluster = await Cluster.start({ size: 2 });
  const old = await cluster.leader();
  const heir = 3 - old;
  const change = cluster.status(old).lastIndex + 1;
  // The heir gets the change, but not the news that it is committed, and nothing that comes after it.
  cluster.network.setDropFilter(
    ({ from, message }) =>
      from === old &&
      (message.commit >= change ||
        message.index + message.entries.length > change ||
        message.type === MessageType.MsgTimeoutNow),
  );
  const changing = cluster.node(old).changeMembership([{ type: 'addLearner', id: old }]);
  await cluster.until(() => cluster.status(heir).lastIndex === change, 'the heir has the change');
  const lost = codeOf(cluster.node(old).propose(bytesOf('lost')));
  expect((await cluster.do(changing)).voters).toEqual([heir]);
  expect(cluster.status(old).lastIndex).toBeGreaterThan(change);
  await cluster.crash(old);
  expect(await cluster.do(lost)).not.toBe('resolved');
  await cluster.startNode(old);
  cluster.network.setDropFilter(undefined);
  expect(await cluster.leader()).toBe(heir);
  expect(await cluster.propose(heir, 'served')).toContain('served');
  await cluster.stop();
});

test('a joiner that dies while it restores its first snapshot knows, when it is back, where the members are', async () => {
  const cluster = await Cluster.start({
    size: 1,
    persistent: true,
    node: { compaction: { checkEveryEntries: 10, keepEntries: 5 } },
  });
  await cluster.leader();
  await cluster.startNode(2, { join: { clusterId } });
  await cluster.do(
    cluster.node(1).changeMembership([{ type: 'addVoter', id: 2, address: member(2).address }]),
  );
  for (let i = 0; i < 60; i++) await cluster.propose(1, `value ${String(i)}`);
  await cluster.until(() => cluster.status(1).firstIndex > 20, 'compacted');
  const joiner = await cluster.startNode(3, { join: { clusterId } });
  let open: () => void = () => undefined;
  joiner.machine.restoreGate = new Promise((resolve) => {
    open = resolve;
  });
  const added = codeOf(
    cluster.node(1).changeMembership([{ type: 'addLearner', id: 3, address: member(3).address }]),
  );
  await cluster.until(
    () => cluster.status(3).snapshotProgress.some(({ phase }) => phase === 'restoring'),
    'the restore began',
  );
  cluster.network.crash(3);
  joiner.disk.crash();
  const stopping = joiner.node.stop();
  joiner.machine.restoreGate = undefined;
  await cluster.do(added);
  // Node 2 is still there; nobody tells the joiner where.
  await cluster.crash(1);
  const again = await cluster.startNode(3, { join: { clusterId } });
  expect(again.node.status().members).toEqual(
    [1, 2, 3].map((id) => expect.objectContaining(member(id)) as unknown),
  );
  open();
  await cluster.do(stopping);
  await cluster.stop();
});

test('what the address book is told twice is durable for the second, too', async () => {
  const engine = openMemoryEngine();
  const store = engine.orderedStore(addressStoreName);
  const book = new AddressBook(store, 'main', []);
  await book.open();
  const done: string[] = [];
  const sync = store.sync.bind(store);
  let release: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  Object.assign(store, {
    sync: async () => {
      await gate;
      done.push('synced');
      await sync();
    },
  });
  const first = book.record([member(5)], []).then(() => done.push('first'));
  const second = book.record([member(5)], []).then(() => done.push('second'));
  const met = book.recordIncarnation(5, 'a').then(() => done.push('met'));
  const again = book.recordIncarnation(5, 'a').then(() => done.push('met again'));
  await new Promise(setImmediate);
  expect(done).toEqual([]);
  release();
  await Promise.all([first, second, met, again]);
  expect(done[0]).toBe('synced');
  expect(done.lastIndexOf('synced')).toBeLessThan(done.indexOf('met'));
  expect(done.indexOf('met again')).toBeGreaterThan(done.lastIndexOf('synced'));
  await book.close();
});

test('a leader that dies while it records a removal still reaches who it has to ask for the vote', async () => {
  let armed = false;
  let hung = false;
  const cluster = await Cluster.start({
    size: 1,
    schedule: ({ name, phase, owner }) => {
      if (armed && name === 'ordered.write' && phase === 'after' && owner.startsWith(addressStoreName))
        hung = true;
      if (!hung || name !== 'write' || phase !== 'before') return undefined;
      // The removal is in the address book; the membership without the node never becomes durable.
      armed = false;
      hung = false;
      return new Promise(() => undefined);
    },
  });
  await cluster.leader();
  await cluster.startNode(2, { join: { clusterId } });
  await cluster.do(
    cluster.node(1).changeMembership([{ type: 'addVoter', id: 2, address: member(2).address }]),
  );
  await cluster.propose(1, 'node 2 votes');
  await cluster.env.advance(500);
  armed = true;
  const removal = codeOf(cluster.node(1).removeMember(2));
  await cluster.until(() => !armed, 'the removal is being recorded');
  await cluster.crash(1);
  await cluster.do(removal);
  await cluster.startNode(1);
  expect(cluster.status(1).confState.voters).toEqual([1, 2]);
  await cluster.until(() => cluster.status(1).confState.voters.join() === '1', 'node 2 is removed');
  expect(await cluster.leader([1])).toBe(1);
  await cluster.propose(1, 'alone');
  expect(cluster.status(1).members.map(({ id }) => id)).toEqual([1]);
  await cluster.stop();
});

test('a member connects to who it is told of, also when its address book has them already and its membership has not', async () => {
  // As a crash leaves it between the two writes that record a change of membership.
  const store = openMemoryEngine().orderedStore(addressStoreName);
  const book = new AddressBook(store, 'main', []);
  await book.open();
  await book.record([1, 4, 5].map(member), []);
  const connected: number[] = [];
  const transport = { setPeer: (id: number) => connected.push(id) } as unknown as Transport;
  const peers = new Peers({ id: 4, group: 'main' }, transport, book, silentLogger);
  peers.sync({ ...EmptyConfState, voters: [1], learners: [4] });
  expect(connected).toEqual([1]);
  peers.learn([1, 4, 5, 6].map(member));
  expect(connected).toEqual([1, 5, 6]);
  peers.learn([5, 6].map(member));
  expect(connected).toEqual([1, 5, 6]);
  await book.record([], [6]);
  await book.close();
});

test('an address that is none is kept out of the log: every member would have it for ever', async () => {
  const cluster = await Cluster.start();
  const leader = await cluster.leader();
  const follower = cluster.initial.find((id) => id !== leader) ?? 0;
  for (const id of [leader, follower]) {
    const added = cluster.node(id).addLearner({ id: 4, address: 'a typo' });
    await expect(cluster.do(added)).rejects.toMatchObject({
      code: 'CONF_CHANGE_INVALID',
      outcome: 'refused',
      message: expect.stringMatching(/node 4 cannot be reached: "a typo" is not an address/) as string,
    });
  }
  expect(cluster.status(leader).confState.learners).toEqual([]);
  expect(await cluster.propose(follower, 'served')).toContain('served');
  await cluster.stop();
});

test('a node does not start with an address that is none, and names the option', async () => {
  const cluster = new Cluster({ size: 1 });
  const members = [member(1), { id: 2, address: 'a typo' }];
  for (const [field, extra] of [
    ['bootstrap.members[].address', { bootstrap: { clusterId, members } }],
    ['members[].address', { members }],
  ] as const) {
    await expect(cluster.startNode(1, extra)).rejects.toMatchObject({
      code: 'INVALID_CONFIG',
      details: { field },
    });
  }
});

test('an address that is none, in a log of before or from a peer, stops nobody', async () => {
  const book = new AddressBook(openMemoryEngine().orderedStore(addressStoreName), 'main', []);
  await book.open();
  await book.record([member(1), { id: 2, address: 'a typo' }, member(3)], []);
  const network = createMemoryNetwork({ env: createVirtualEnv({ seed: 1 }), seed: 1 });
  const transport = network.transport(4);
  const known: number[] = [];
  const setPeer = transport.setPeer.bind(transport);
  transport.setPeer = (id, address) => {
    setPeer(id, address);
    known.push(id);
  };
  const logged: string[] = [];
  const log: Logger = { enabled: () => true, log: (_, text) => void logged.push(text) };
  const peers = new Peers({ id: 4, group: 'main' }, transport, book, log);
  peers.sync({ ...EmptyConfState, voters: [1, 2, 3], learners: [4] });
  peers.learn([{ id: 5, address: 'another' }, member(6)]);
  expect(known).toEqual([1, 3, 6]);
  expect(logged).toEqual([
    expect.stringMatching(/^node 2 cannot be reached: .*"a typo"/),
    expect.stringMatching(/^node 5 cannot be reached: .*"another"/),
  ]);
  await book.close();
});
