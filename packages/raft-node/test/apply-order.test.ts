import {
  BalsaError,
  encodeConfChange,
  Entry,
  EntryType,
  Message,
  MessageType,
  type ApplyBatch,
  type ConfState,
  type SnapshotMetadata,
  type SnapshotTransfer,
  type Storage,
  type Transport,
} from '@balsa/raft-core';
import { createVirtualEnv, type VirtualEnv } from '@balsa/transport-memory';
import { expect, test } from 'vitest';
import { ApplyLoop } from '../src/apply-loop.ts';
import { encodeEnvelope } from '../src/envelope.ts';
import { AppliedHistory } from '../src/history.ts';
import { MetricsRecorder } from '../src/metrics.ts';
import { SerialMachine } from '../src/serial-machine.ts';
import { encodeDescription } from '../src/snapshot-description.ts';
import { SnapshotsOut } from '../src/snapshots-out.ts';
import { Cluster } from './cluster.ts';
import { bytesOf, MachineDisk, TestMachine } from './machine.ts';

const run = new Uint8Array(8);
const confState: ConfState = {
  voters: [1],
  votersOutgoing: [],
  learners: [],
  learnersNext: [],
  autoLeave: false,
};

interface Bench {
  readonly env: VirtualEnv;
  readonly loop: ApplyLoop<string>;
  readonly machine: TestMachine;
  readonly history: AppliedHistory;
  readonly changes: number[];
  readonly seen: string[];
  readonly errors: unknown[];
}

function bench(refuse = false): Bench {
  const env = createVirtualEnv({ seed: 1 });
  const machine = new TestMachine(new MachineDisk(), true);
  const nothing = { boundary: { index: 0, term: 0 }, runs: [], confIndexes: [], lastIndex: 0 };
  const history = new AppliedHistory(nothing, 0, { index: 0, state: confState });
  const [changes, seen, errors]: [number[], string[], unknown[]] = [[], [], []];
  const loop = new ApplyLoop<string>({
    stateMachine: machine,
    env,
    metrics: new MetricsRecorder(),
    history,
    isUrgent: () => true,
    applyConfChange: () => {
      if (refuse) throw new BalsaError('CONF_CHANGE_INVALID', 'not now');
      return confState;
    },
    recordConf: (_, { index }) => {
      changes.push(index);
      return Promise.resolve();
    },
    onEntry: (entry, result, conf) =>
      seen.push(`${String(entry.index)} ${result ?? (conf === undefined ? 'refused' : 'changed')}`),
    onApplied: () => undefined,
    deliver: () => undefined,
    onError: (error) => errors.push(error),
  });
  return { env, loop, machine, history, changes, seen, errors };
}

const command = (index: number): Entry =>
  new Entry(1, index, EntryType.Normal, encodeEnvelope(run, index, bytesOf(String(index))));

function change(index: number): Entry {
  const body = {
    version: 2,
    transition: 0,
    changes: [{ type: 3, nodeId: 7 }],
    context: new Uint8Array(0),
  } as const;
  const { type, data } = encodeConfChange(body);
  return new Entry(1, index, type, data);
}

const message = (entries: Entry[]): Message => new Message(MessageType.MsgStorageApply, { entries });

test('what a snapshot has overtaken is not applied again, membership changes included', async () => {
  const { env, loop, machine, history, changes, errors } = bench();
  await machine.restore(
    { index: 4, term: 1, confState },
    (async function* () {
      yield await Promise.resolve(bytesOf('whole'));
    })(),
  );
  history.installed({ index: 4, term: 1, confState });
  loop.push(message([command(2), change(3), command(4), command(5), change(6), command(7)]));
  await env.settle();
  expect(errors).toEqual([]);
  expect(machine.texts).toEqual(['whole', '5', '7']);
  expect(changes).toEqual([6]);
  expect(history.applied).toBe(7);
});

test('a gap before what is to be applied stops the node instead of being passed over', async () => {
  const { env, loop, machine, errors } = bench();
  loop.push(message([command(1)]));
  await env.settle();
  loop.push(message([command(2), command(4)]));
  await env.settle();
  expect(machine.texts).toEqual(['1']);
  expect(errors.map((error) => (error as BalsaError).code)).toEqual(['INVARIANT_BROKEN']);
});

test('a membership change that the present membership does not allow has no effect, and applying goes on', async () => {
  const { env, loop, machine, changes, seen, errors } = bench(true);
  loop.push(message([command(1), change(2), command(3)]));
  await env.settle();
  expect(errors).toEqual([]);
  expect(changes).toEqual([]);
  expect(seen).toEqual(['1 1:1', '2 refused', '3 3:3']);
  expect(machine.applied).toBe(3);
});

test('no index counts as applied before the state machine knows of it, that of a membership change included', async () => {
  const { env, loop, machine, history, errors } = bench();
  const ahead: string[] = [];
  const told: number[] = [];
  const apply = machine.apply.bind(machine);
  machine.apply = async (batch) => {
    // The node answers reads up to what counts as applied, also while a batch is on its way.
    await Promise.resolve();
    if (history.applied > machine.applied)
      ahead.push(`${String(history.applied)} beside ${String(machine.applied)}`);
    told.push(batch.appliedIndex);
    return apply(batch);
  };
  loop.push(message([command(1), change(2), command(3), change(4), change(5)]));
  await env.settle();
  expect(errors).toEqual([]);
  expect(ahead).toEqual([]);
  expect(told).toEqual([1, 2, 3, 4, 5]);
  expect(history.applied).toBe(5);
});

test('calls to a state machine never overlap, whoever makes them', async () => {
  let inside = 0;
  let most = 0;
  const order: string[] = [];
  const busy = async <T>(name: string, value: T): Promise<T> => {
    most = Math.max(most, ++inside);
    for (let i = 0; i < 3; i++) await Promise.resolve();
    order.push(name);
    inside--;
    return value;
  };
  const machine = new SerialMachine<string>({
    persistent: true,
    open: () => busy('open', { appliedIndex: 0 }),
    apply: (batch: ApplyBatch) => busy(`apply ${String(batch.appliedIndex)}`, []),
    sync: () => busy('sync', 0).then(() => Promise.reject(new Error('disk'))),
    snapshot: () => Promise.reject(new Error('unused')),
    restore: (metadata: SnapshotMetadata) => busy(`restore ${String(metadata.index)}`, undefined),
    close: () => busy('close', undefined),
  });
  const none = (async function* (): AsyncGenerator<Uint8Array> {
    yield await Promise.resolve(new Uint8Array(0));
  })();
  const calls = [
    machine.apply({ commands: [], appliedIndex: 1 }),
    machine.sync(),
    machine.restore({ index: 9, term: 1, confState }, none),
    machine.apply({ commands: [], appliedIndex: 10 }),
  ];
  const outcomes = await Promise.allSettled(calls);
  expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled']);
  expect(order).toEqual(['apply 1', 'sync', 'restore 9', 'apply 10']);
  expect(most).toBe(1);
});

test('a snapshot that a newer one to the same peer replaces is not reported as failed: the newer one is', async () => {
  const env = createVirtualEnv({ seed: 1 });
  const running: { fail: (error: Error) => void; done: () => void }[] = [];
  const reports: string[] = [];
  const out = new SnapshotsOut({
    group: 'main',
    storage: {
      openSnapshot: () => Promise.resolve({ close: () => Promise.resolve() }),
    } as unknown as Storage,
    transport: {
      sendSnapshot: (): SnapshotTransfer => {
        let fail: (error: Error) => void = () => undefined;
        const done = new Promise<void>((resolve, reject) => {
          fail = reject;
          running.push({ fail: reject, done: resolve });
        });
        return { done, sentChunks: 0, abort: (reason) => fail(new Error(reason)) };
      },
    } as unknown as Transport,
    env,
    metrics: new MetricsRecorder(),
    maxSending: 1,
    stallMs: 1000,
    report: (peer, ok) => reports.push(`${String(peer)} ${String(ok)}`),
    onProgress: () => undefined,
  });
  const data = encodeDescription({ id: 's', chunkCount: 5, bytes: 9, checksum: 1, members: [], removed: [] });
  const snap = (to: number, index: number): Message =>
    new Message(MessageType.MsgSnap, { to, snapshot: { metadata: { index, term: 1, confState }, data } });
  out.send(snap(2, 8));
  await env.settle();
  out.send(snap(3, 8));
  out.send(snap(2, 9));
  out.send(snap(2, 10));
  await env.settle();
  expect(reports).toEqual([]);
  expect(out.pinnedIndex).toBe(8);
  running[1]?.done();
  await env.settle();
  running[2]?.fail(new Error('lost'));
  await env.settle();
  expect(reports).toEqual(['3 true', '2 false']);
  expect(running).toHaveLength(3);
});

test('a membership change proposed while a snapshot replaces the log is neither lost nor done twice', async () => {
  const cluster = await Cluster.start({ node: { compaction: { checkEveryEntries: 10, keepEntries: 2 } } });
  const leader = await cluster.leader();
  const victim = [1, 2, 3].find((id) => id !== leader) ?? 0;
  await cluster.crash(victim);
  for (let i = 0; i < 40; i++) await cluster.propose(leader, String(i));
  const site = await cluster.startNode(victim);
  let open: () => void = () => undefined;
  site.machine.restoreGate = new Promise((resolve) => {
    open = resolve;
  });
  await cluster.until(
    () => cluster.status(victim).snapshotProgress.some((p) => p.phase === 'restoring'),
    'restoring',
  );
  await cluster.do(cluster.node(leader).addLearner({ id: 7, address: 'memory:7' }));
  for (let i = 40; i < 60; i++) await cluster.propose(leader, String(i));
  expect(site.machine.texts).toEqual([]);
  open();
  await cluster.converged(
    [1, 2, 3],
    Array.from({ length: 60 }, (_, i) => String(i)),
  );
  expect(cluster.status(victim).confState.learners).toEqual([7]);
  await cluster.stop();
});
