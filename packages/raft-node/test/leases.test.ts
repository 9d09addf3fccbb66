import { ReadOnlyOption, type Env } from '@balsa/raft-core';
import type { VirtualEnv } from '@balsa/transport-memory';
import { expect, test } from 'vitest';
import { Cluster, codeOf } from './cluster.ts';

/** The Env of a process that can be made to stand still: what is due meanwhile runs, in order, when it goes on. */
function pausable(env: VirtualEnv): { readonly env: Env; pause: () => void; resume: () => void } {
  let held: (() => void)[] | undefined;
  return {
    env: {
      ...env,
      now: () => env.now(),
      random: () => env.random(),
      setTimer: (ms, callback) =>
        env.setTimer(ms, () => (held === undefined ? callback() : held.push(callback))),
    },
    pause: () => {
      held ??= [];
    },
    resume: () => {
      const due = held ?? [];
      held = undefined;
      for (const callback of due) callback();
    },
  };
}

test('a leader that stood still does not answer by the lease that it had before', async () => {
  const node = { readOnlyOption: ReadOnlyOption.LeaseBased };
  const cluster = new Cluster({ node });
  const processes = new Map(cluster.initial.map((id) => [id, pausable(cluster.env)]));
  for (const [id, { env }] of processes) await cluster.startNode(id, { env });
  const old = await cluster.leader();
  await cluster.propose(old, 'before');
  await cluster.do(cluster.node(old).read());
  const others = cluster.initial.filter((id) => id !== old);
  processes.get(old)?.pause();
  cluster.network.isolate(old);
  const leader = await cluster.leader(others);
  await cluster.propose(leader, 'after');
  const read = codeOf(cluster.node(old).read({ timeoutMs: 300 }));
  await cluster.do(new Promise<void>((resolve) => cluster.env.setTimer(1, resolve)));
  processes.get(old)?.resume();
  expect(await cluster.do(read)).not.toBe('resolved');
  await cluster.stop();
});
