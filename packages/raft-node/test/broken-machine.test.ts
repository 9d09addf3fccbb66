/** What a user gives that is not as agreed: told with a code of its own, and never passed on as if it were right. */
import type { BalsaError, StateMachine } from '@balsa/raft-core';
import { describe, expect, test } from 'vitest';
import { Cluster } from './cluster.ts';
import { bytesOf, MachineDisk, TestMachine } from './machine.ts';

describe('a command', () => {
  const strays: readonly [string, unknown][] = [
    ['String', 'text'],
    ['Array', [1, 2]],
    ['Uint16Array', Uint16Array.of(500)],
    ['undefined', undefined],
    ['null', null],
  ];

  test.each(strays)(
    'that is a %s is refused, for it would be replicated as something else',
    async (name, data) => {
      const cluster = await Cluster.start({ size: 1 });
      await cluster.leader();
      const proposed = cluster.node(1).propose(data as Uint8Array);
      await expect(cluster.do(proposed)).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
        outcome: 'refused',
        message: expect.stringContaining(`has to be a Uint8Array, but is ${name}`) as string,
      });
      await cluster.propose(1, 'after');
      expect(cluster.site(1).machine.texts).toEqual(['after']);
      await cluster.stop();
    },
  );

  test('is taken from a Buffer', async () => {
    const cluster = await Cluster.start({ size: 1 });
    await cluster.leader();
    await cluster.do(cluster.node(1).propose(Buffer.from('buffer')));
    expect(cluster.site(1).machine.texts).toEqual(['buffer']);
    await cluster.stop();
  });
});

describe('a state machine', () => {
  type Overrides = Partial<Record<keyof StateMachine<string>, unknown>>;
  const broken = (persistent: boolean, overrides: Overrides): StateMachine<string> =>
    Object.assign(new TestMachine(new MachineDisk(), persistent), overrides);

  async function stoppedBy(persistent: boolean, overrides: Overrides): Promise<BalsaError | undefined> {
    const cluster = new Cluster({ size: 1 });
    const compaction = { checkEveryEntries: 2, keepEntries: 1 };
    await cluster.startNode(1, { stateMachine: broken(persistent, overrides), compaction });
    await cluster.leader();
    for (let n = 0; n < 20; n++) await cluster.propose(1, `command ${String(n)}`).catch(() => undefined);
    return await cluster.do(cluster.node(1).stopped);
  }

  const giving = (value: unknown) => (): Promise<unknown> => Promise.resolve(value);
  const failing = (): Promise<never> => Promise.reject(new Error('it is broken'));
  const view = (appliedIndex: unknown, chunk: unknown): unknown => ({
    appliedIndex,
    async *chunks() {
      yield await Promise.resolve(chunk);
    },
    release: () => Promise.resolve(),
  });

  const duringWork: readonly [string, boolean, Overrides, RegExp][] = [
    ['gives no results', true, { apply: giving([]) }, /one result per command, 1 here, but gave 0/],
    [
      'gives nothing',
      true,
      { apply: giving(undefined) },
      /one result per command, 1 here, but gave undefined/,
    ],
    ['fails to sync', true, { sync: failing }, /failed to sync: Error: it is broken/],
    [
      'does not say what it synced',
      true,
      { sync: giving(undefined) },
      /sync\(\) has to tell the applied index/,
    ],
    [
      'cannot be viewed',
      false,
      { snapshot: failing },
      /could not be viewed for a snapshot: Error: it is broken/,
    ],
    ['gives no view', false, { snapshot: giving(undefined) }, /snapshot\(\) has to tell the applied index/],
    [
      'views nowhere',
      false,
      { snapshot: giving(view(-1, bytesOf('x'))) },
      /snapshot\(\) has to tell .* told -1/,
    ],
    [
      'writes text out',
      false,
      { snapshot: giving(view(3, 'text')) },
      /written out .*Uint8Array, but is String/,
    ],
  ];

  test.each(duringWork)(
    'that %s stops the node, and is named as the cause',
    async (_, persistent, given, text) => {
      expect(await stoppedBy(persistent, given)).toMatchObject({
        code: 'STATE_MACHINE_FAILED',
        message: expect.stringMatching(text) as string,
      });
    },
  );

  const atStart: readonly [string, Overrides, RegExp][] = [
    ['fails to open', { open: failing }, /could not be opened: Error: it is broken/],
    ['opens without a word', { open: giving(undefined) }, /open\(\) has to tell the applied index/],
    ['opens at a fraction', { open: giving({ appliedIndex: 0.5 }) }, /open\(\) has to tell .* told 0\.5/],
    ['fails at its first index', { apply: failing }, /failed to apply index 1: Error: it is broken/],
  ];

  test.each(atStart)('that %s is named as the cause, not the store', async (_, given, text) => {
    const cluster = new Cluster({ size: 1 });
    await expect(cluster.startNode(1, { stateMachine: broken(true, given) })).rejects.toMatchObject({
      code: 'STATE_MACHINE_FAILED',
      message: expect.stringMatching(text) as string,
    });
  });

  test('whose apply is no promise works', async () => {
    const cluster = new Cluster({ size: 1 });
    const apply = ({ commands }: { commands: readonly unknown[] }): unknown => commands.map(() => 'at once');
    await cluster.startNode(1, { stateMachine: broken(false, { apply }) });
    await cluster.leader();
    expect(await cluster.propose(1, 'command')).toBe('at once');
    await cluster.stop();
  });
});

test('leadership cannot be handed to who has no vote: nobody waits for it', async () => {
  const cluster = await Cluster.start();
  const leader = await cluster.leader();
  await expect(cluster.do(cluster.node(leader).transferLeadership(77), 50)).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: 'node 77 cannot lead: the voters are 1, 2, 3',
  });
  await cluster.stop();
});
