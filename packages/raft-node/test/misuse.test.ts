/** Programs that give a node something else than it asks for: told with a code, and at nobody else's cost. */
import { LogLevel, ReadOnlyOption, type Engine, type Transport } from '@balsa/raft-core';
import { openMemoryEngine } from '@balsa/raft-core/memory';
import { createMemoryNetwork, createVirtualEnv, type VirtualEnv } from '@balsa/transport-memory';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { RaftNode, type CallOptions, type MembershipChange, type RaftNodeOptions } from '../src/index.ts';
import { resolveOptions } from '../src/options.ts';
import { isRemoved } from '../src/membership.ts';
import { Cluster, clusterId, codeOf, member } from './cluster.ts';
import { bytesOf, MachineDisk, TestMachine } from './machine.ts';

describe('two nodes on one part', () => {
  let env: VirtualEnv;
  let engine: Engine;
  let first: { readonly stateMachine: TestMachine; readonly transport: Transport };
  let node: RaftNode<string>;
  const network = (): Transport => createMemoryNetwork({ env, seed: 1 }).transport(1);
  const parts = (): typeof first => ({
    stateMachine: new TestMachine(new MachineDisk(), true),
    transport: network(),
  });
  const options = (extra: Partial<RaftNodeOptions<string>>): RaftNodeOptions<string> => {
    const bootstrap = { clusterId, members: [member(1)] };
    return { id: 1, engine, env, bootstrap, ...parts(), ...extra };
  };
  async function settled<T>(promise: Promise<T>): Promise<T> {
    let done = false;
    const mark = (): void => {
      done = true;
    };
    promise.then(mark, mark);
    await env.runUntil(() => done, 60_000, 'the promise settled');
    return await promise;
  }

  beforeEach(async () => {
    env = createVirtualEnv({ seed: 1 });
    engine = openMemoryEngine({});
    first = parts();
    node = await settled(RaftNode.start(options(first)));
    await settled(node.propose(bytesOf('before')));
  });
  afterEach(async () => {
    await settled(node.stop());
    await engine.close();
  });

  const shared: readonly [string, () => Partial<RaftNodeOptions<string>>][] = [
    ['its group', () => ({})],
    ['its transport', () => ({ group: 'other', transport: first.transport })],
    ['its state machine', () => ({ group: 'other', stateMachine: first.stateMachine })],
    ['its engine, as the owner', () => ({ group: 'other', ownEngine: true })],
  ];

  test.each(shared)('%s: the second is refused, and the first works on', async (_what, extra) => {
    const second = RaftNode.start(options(extra()));
    await expect(settled(second)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(/in use by .*node/) as string,
    });
    await settled(node.propose(bytesOf('after')));
    expect(first.stateMachine.texts).toEqual(['before', 'after']);
  });

  test('options that are refused leave an engine open that another node uses', async () => {
    const second = RaftNode.start(options({ group: 'other', ownEngine: true, tickMs: 0 }));
    expect(await codeOf(settled(second))).toBe('OUT_OF_RANGE');
    await settled(node.propose(bytesOf('after')));
  });

  test('what a stopped node had can be had by the next', async () => {
    await settled(node.stop());
    node = await settled(RaftNode.start(options({ stateMachine: first.stateMachine })));
    await settled(node.propose(bytesOf('after')));
  });

  test('what a start had that failed can be had by the next', async () => {
    await settled(node.stop());
    const transport = network();
    transport.start = () => Promise.reject(new Error('no network'));
    await expect(settled(RaftNode.start(options({ ...first, transport })))).rejects.toThrow('no network');
    node = await settled(RaftNode.start(options({ stateMachine: first.stateMachine })));
  });
});

describe('a start that fails after the store was opened', () => {
  test('closes it again', async () => {
    const env = createVirtualEnv({ seed: 1 });
    const engine = openMemoryEngine({});
    const start = (onCore?: () => void): Promise<RaftNode<string>> =>
      RaftNode.start({
        id: 1,
        engine,
        env,
        stateMachine: new TestMachine(new MachineDisk(), true),
        transport: createMemoryNetwork({ env, seed: 1 }).transport(1),
        bootstrap: { clusterId, members: [member(1)] },
        ...(onCore !== undefined && { onCore }),
      });
    const failing = start(() => {
      throw new Error('from the caller');
    });
    await expect(failing).rejects.toThrow('from the caller');
    const node = await start();
    await node.stop();
  });
});

describe('an option', () => {
  const nothing = (): undefined => undefined;
  const transport = createMemoryNetwork({ env: createVirtualEnv({ seed: 1 }), seed: 1 }).transport(1);
  const parts = {
    env: createVirtualEnv({ seed: 1 }),
    engine: openMemoryEngine({}),
    stateMachine: new TestMachine(new MachineDisk(), true),
    transport,
  };
  const resolve = (extra: Record<string, unknown>): (() => unknown) => {
    const options = { ...parts, id: 1, ...extra } as unknown as RaftNodeOptions<string>;
    return () => resolveOptions(options);
  };
  const bootstrap = (extra: Record<string, unknown>): Record<string, unknown> => ({
    bootstrap: { clusterId, members: [member(1)], ...extra },
  });

  const unknown: readonly [string, Record<string, unknown>][] = [
    ['electionTicks', { electionTicks: 5 }],
    ['maxPending', { limits: { maxPending: 5 } }],
    ['keep', { compaction: { keep: 5 } }],
    ['voters', bootstrap({ voters: [1] })],
    ['members', { join: { clusterId, members: [] } }],
  ];
  test.each(unknown)('that there is not is named: %s', (field, extra) => {
    expect(resolve(extra)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', details: { field } }) as Error,
    );
  });

  const wrong: readonly [field: string, Record<string, unknown>][] = [
    ['group', { group: 5 }],
    ['group', { group: null }],
    ['preVote', { preVote: 'no' }],
    ['checkQuorum', { checkQuorum: 0 }],
    ['ownEngine', { ownEngine: 'yes' }],
    ['readOnlyOption', { readOnlyOption: 'LeaseBased' }],
    ['readOnlyOption', { readOnlyOption: 7 }],
    ['readOnlyOption', { readOnlyOption: ReadOnlyOption.LeaseBased, checkQuorum: false }],
    ['electionTick', { electionTick: 3, heartbeatTick: 3 }],
    ['tickMs', { tickMs: '100' }],
    ['tickMs', { tickMs: null }],
    ['tickMs', { tickMs: 2 ** 31 }],
    ['stopTimeoutMs', { stopTimeoutMs: 2 ** 31 }],
    ['limits', { limits: [] }],
    ['compaction', { compaction: null }],
    ['compaction.keepEntries', { compaction: { keepEntries: '7' } }],
    ['members', { members: 'x' }],
    ['members[]', { members: ['127.0.0.1:1'] }],
    ['bootstrap', { bootstrap: 'x' }],
    ['bootstrap.members', bootstrap({ members: undefined })],
    ['bootstrap.members', bootstrap({ members: [member(1), { ...member(1), id: 2 }] })],
    ['bootstrap.members[]', bootstrap({ members: [null] })],
    ['bootstrap.clusterId', bootstrap({ clusterId: undefined })],
    ['bootstrap.maxEntryBytes', bootstrap({ maxEntryBytes: 'x' })],
    ['join', { join: null }],
    ['tracer', { tracer: 5 }],
    ['engine', { engine: {} }],
    ['stateMachine', { stateMachine: { persistent: true, open: nothing } }],
    ['stateMachine', { stateMachine: TestMachine }],
    ['transport', { transport: undefined }],
    ['env', { env: { now: nothing } }],
  ];
  test.each(wrong)('of another kind or without sense is refused: %s in %j', (field, extra) => {
    expect(resolve(extra)).toThrow(
      expect.objectContaining({ code: 'INVALID_CONFIG', details: { field } }) as Error,
    );
  });

  test('that would be stamped for ever is refused before it is', () => {
    for (const maxEntryBytes of [-1, 10, 87])
      expect(resolve(bootstrap({ maxEntryBytes }))).toThrow(
        expect.objectContaining({ code: 'OUT_OF_RANGE' }) as Error,
      );
    expect(resolve(bootstrap({ maxEntryBytes: 88 }))).not.toThrow();
  });

  test('that is undefined is as if it were not there', () => {
    const extra = { tickMs: undefined, limits: { maxPendingProposals: undefined }, group: undefined };
    expect(resolve(extra)()).toMatchObject({ tickMs: 100, limits: { maxPendingProposals: 4096 } });
  });

  test('that is a text where a number belongs is shown as one', () => {
    expect(resolve({ id: '1' })).toThrow('id must be a number, but is "1"');
  });

  test('is refused without options, too', async () => {
    const start = RaftNode.start as unknown as (options?: unknown) => Promise<unknown>;
    for (const options of [undefined, null, 5, {}])
      expect(await codeOf(start(options))).toBe('INVALID_CONFIG');
  });
});

describe('the options of a call', () => {
  const strays: readonly [string, object][] = [
    ['a signal that is none', { signal: {} }],
    ['a controller for a signal', { signal: new AbortController() }],
    ['a time that is no number', { timeoutMs: Number.NaN }],
    ['a time in words', { timeoutMs: '5' }],
  ];
  test.each(strays)('with %s are refused, and the node still stops', async (_what, given) => {
    const cluster = await Cluster.start({ size: 1 });
    await cluster.leader();
    const node = cluster.node(1);
    for (const call of ['propose', 'read'] as const) {
      const options = given as CallOptions;
      const called = call === 'read' ? node.read(options) : node.propose(bytesOf('x'), options);
      expect(await codeOf(cluster.do<unknown>(called))).toBe('INVALID_ARGUMENT');
    }
    expect(cluster.status(1).pending).toMatchObject({ proposals: 0, reads: 0 });
    await cluster.stop();
    expect(await cluster.do(node.stopped)).toBeUndefined();
  });

  test('keep the reason of the one who gave up', async () => {
    const cluster = await Cluster.start({ size: 1 });
    await cluster.leader();
    const reason = new Error('enough');
    const given = { signal: AbortSignal.abort(reason) };
    const { node } = cluster.site(1);
    const aborted = { code: 'ABORTED', cause: reason };
    await expect(cluster.do(node.propose(bytesOf('x'), given))).rejects.toMatchObject(aborted);
    await expect(cluster.do(node.read(given))).rejects.toMatchObject(aborted);
    await cluster.stop();
  });

  test('of a stop may be nothing at all', async () => {
    const cluster = await Cluster.start({ size: 1 });
    await cluster.do(cluster.node(1).stop(null as unknown as object));
    expect(await codeOf(cluster.node(1).read())).toBe('STOPPED');
  });
});

describe('a change of the membership', () => {
  const strays: readonly [string, unknown, string][] = [
    ['no list', undefined, 'INVALID_ARGUMENT'],
    ['a list of nothing', [null], 'INVALID_ARGUMENT'],
    ['an unknown type', [{ type: 'add', id: 2, address: 'memory:2' }], 'INVALID_ARGUMENT'],
    ['an id in words', [{ type: 'remove', id: '1' }], 'INVALID_ARGUMENT'],
    ['id 0, which changes nothing', [{ type: 'addLearner', id: 0, address: 'memory:2' }], 'OUT_OF_RANGE'],
    ['an id below 0', [{ type: 'addLearner', id: -1, address: 'memory:2' }], 'OUT_OF_RANGE'],
    ['an id that is no integer', [{ type: 'addLearner', id: 1.5, address: 'memory:2' }], 'OUT_OF_RANGE'],
  ];
  test.each(strays)('with %s is refused, and not written into the log', async (_what, changes, code) => {
    const cluster = await Cluster.start({ size: 1 });
    await cluster.leader();
    const { lastIndex } = cluster.status(1);
    const changed = cluster.node(1).changeMembership(changes as readonly MembershipChange[]);
    expect(await codeOf(cluster.do(changed))).toBe(code);
    expect(cluster.status(1).lastIndex).toBe(lastIndex);
    await cluster.stop();
  });

  test('without its member is refused', async () => {
    const cluster = await Cluster.start({ size: 1 });
    const { node } = cluster.site(1);
    const add = node.addLearner.bind(node) as (member?: unknown) => Promise<unknown>;
    expect(await codeOf(cluster.do(add()))).toBe('OUT_OF_RANGE');
    await cluster.stop();
  });

  test('takes a member as the status of a node tells of it', async () => {
    const cluster = await Cluster.start({ size: 1 });
    await cluster.leader();
    const told = { ...member(2), kind: 'learner' as const };
    await cluster.do(cluster.node(1).addLearner(told));
    expect(cluster.status(1).members).toContainEqual(told);
    await cluster.stop();
  });

  test('says that a learner has not answered rather than that its lag is too small', async () => {
    const cluster = await Cluster.start({ size: 1 });
    await cluster.leader();
    await cluster.do(cluster.node(1).addLearner(member(2)));
    await expect(cluster.do(cluster.node(1).promote(2))).rejects.toMatchObject({
      code: 'CONF_CHANGE_INVALID',
      message: expect.stringContaining('learner 2 has not answered yet') as string,
    });
    await cluster.stop();
  });
});

describe('a member that was removed and runs on', () => {
  test('is told from one that reads of the memberships before its own', () => {
    const confState = {
      voters: [1, 2, 3],
      votersOutgoing: [],
      learners: [],
      learnersNext: [],
      autoLeave: false,
    };
    const book = { wasRemoved: (id: number) => id === 5 };
    expect([1, 4, 5].map((id) => isRemoved(confState, id, book))).toEqual([false, false, true]);
    // In a joint membership, whose old half still has it.
    expect(isRemoved({ ...confState, votersOutgoing: [1, 2, 5] }, 5, book)).toBe(false);
  });

  test('says so at once, also after a restart', async () => {
    const cluster = await Cluster.start();
    const leader = await cluster.leader();
    const gone = leader === 1 ? 2 : 1;
    await cluster.do(cluster.node(leader).removeMember(gone));
    await cluster.until(() => !cluster.status(gone).ready.ok, 'it hears of its removal');
    const ask = async (): Promise<void> => {
      const node = cluster.node(gone);
      const asked = cluster.env.now();
      expect(await codeOf(cluster.do(node.read()))).toBe('NOT_A_MEMBER');
      expect(await codeOf(cluster.do(node.propose(bytesOf('x'))))).toBe('NOT_A_MEMBER');
      expect(await codeOf(cluster.do(node.removeMember(leader)))).toBe('NOT_A_MEMBER');
      expect(cluster.env.now() - asked).toBeLessThan(100);
    };
    await ask();
    await cluster.do(cluster.node(gone).stop());
    await cluster.startNode(gone);
    await ask();
    await cluster.stop();
  });
});

describe('a listener', () => {
  test('that rejects is logged like one that throws', async () => {
    const lines: string[] = [];
    const cluster = new Cluster({ size: 1 });
    const env = {
      now: () => cluster.env.now(),
      random: () => cluster.env.random(),
      setTimer: cluster.env.setTimer.bind(cluster.env),
      log: {
        enabled: (level: LogLevel) => level >= LogLevel.Error,
        log: (_level: LogLevel, text: string) => void lines.push(text),
      },
    };
    const { node } = await cluster.startNode(1, { env });
    node.on('role', () => Promise.reject(new Error('later')) as never);
    await cluster.leader();
    expect(lines).toContain("a listener of 'role' threw: Error: later");
    await cluster.stop();
  });

  test('of an event that there is not, or that cannot be called, is refused', async () => {
    const cluster = await Cluster.start({ size: 1 });
    const { node } = cluster.site(1);
    const on = node.on.bind(node) as (event: string, listener?: unknown) => void;
    expect(() => on('leader-change', () => undefined)).toThrow('there is no event "leader-change"');
    expect(() => on('leader')).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }) as Error);
    await cluster.stop();
  });
});
