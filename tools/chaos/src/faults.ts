/** What is done to the cluster: each fault does it, waits, and undoes it. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { LinkFault, Network, Random, TestCluster } from '@balsa/cluster';
import type { Disks } from './disks.ts';
import type { Findings } from './findings.ts';
import type { Keeper } from './keeper.ts';

export interface Surroundings {
  readonly cluster: TestCluster;
  readonly network: Network;
  readonly disks: Disks;
  readonly keeper: Keeper;
  readonly random: Random;
  readonly findings: Findings;
  readonly signal: AbortSignal;
  /** An id that no node had. */
  newId(): number;
}

export interface Fault {
  readonly name: string;
  /** How often, beside the others. */
  readonly weight: number;
  /** Whether it may happen here at all. */
  readonly possible?: (surroundings: Surroundings) => boolean;
  /** Whether others may happen beside it. */
  readonly alone?: boolean;
  readonly run: (surroundings: Surroundings) => Promise<void>;
}

const between = (random: Random, low: number, high: number): number => low + random.next() * (high - low);

/** Ends early when the run does; whoever waits then undoes what it did. */
async function wait({ random, signal }: Surroundings, lowMs: number, highMs: number): Promise<void> {
  await sleep(between(random, lowMs, highMs), undefined, { signal }).catch(() => undefined);
}

function anyNode({ keeper, random }: Surroundings): number | undefined {
  return random.pick(keeper.free());
}

/** The leader as often as not, since it is where most can go wrong. */
async function victim(surroundings: Surroundings): Promise<number | undefined> {
  const { cluster, keeper, random } = surroundings;
  if (random.next() < 0.5) return anyNode(surroundings);
  for (const id of keeper.free()) if ((await cluster.status(id))?.role === 'leader') return id;
  return anyNode(surroundings);
}

/** Keeps the keeper away while `work` has the node in its hands. */
async function holding(surroundings: Surroundings, id: number, work: () => Promise<void>): Promise<void> {
  surroundings.keeper.hold(id);
  try {
    await work();
  } finally {
    surroundings.keeper.release(id);
  }
}

const kill: Fault = {
  name: 'kill -9 of a node',
  weight: 5,
  run: async (around) => {
    const id = await victim(around);
    if (id === undefined) return;
    await holding(around, id, async () => {
      await around.cluster.kill(id);
      await wait(around, 0, 2_500);
    });
  },
};

const killAll: Fault = {
  name: 'kill -9 of all nodes at once',
  weight: 1,
  alone: true,
  run: async (around) => {
    const ids = around.keeper.free();
    await Promise.all(ids.map((id) => around.cluster.kill(id)));
    // The keeper starts them.
  },
};

const pause: Fault = {
  name: 'SIGSTOP of a node',
  weight: 4,
  run: async (around) => {
    const id = await victim(around);
    if (id === undefined) return;
    await holding(around, id, async () => {
      around.cluster.pause(id);
      await wait(around, 200, 5_000);
      around.cluster.resume(id);
    });
  },
};

/** Every link of one node, in both directions. */
function isolate({ cluster, network }: Surroundings, id: number, fault: LinkFault, both = true): void {
  for (const other of cluster.ids()) {
    if (other === id) continue;
    network.set(id, other, fault);
    if (both) network.set(other, id, fault);
  }
}

const cutOne: Fault = {
  name: 'a node cut off from the others',
  weight: 4,
  run: async (around) => {
    const id = await victim(around);
    if (id === undefined) return;
    isolate(around, id, { kind: around.random.next() < 0.5 ? 'cut' : 'drop' });
    await wait(around, 500, 6_000);
    around.network.heal();
  },
};

const oneWay: Fault = {
  name: 'a node that is heard by nobody, or hears nobody',
  weight: 3,
  run: async (around) => {
    const id = await victim(around);
    if (id === undefined) return;
    if (around.random.next() < 0.5) isolate(around, id, { kind: 'drop' }, false);
    else
      for (const other of around.cluster.ids())
        if (other !== id) around.network.set(other, id, { kind: 'drop' });
    await wait(around, 500, 5_000);
    around.network.heal();
  },
};

const cutPair: Fault = {
  name: 'two nodes that do not see each other',
  weight: 3,
  run: async (around) => {
    const [a, b] = around.cluster.ids().toSorted(() => around.random.next() - 0.5);
    if (a === undefined || b === undefined) return;
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const)
      around.network.set(from, to, { kind: 'cut' });
    await wait(around, 500, 6_000);
    around.network.heal();
  },
};

const slow: Fault = {
  name: 'a slow network',
  weight: 3,
  run: async (around) => {
    for (const from of around.cluster.ids())
      for (const to of around.cluster.ids())
        if (from !== to && around.random.next() < 0.6)
          around.network.set(from, to, { kind: 'delay', ms: between(around.random, 5, 250) });
    await wait(around, 1_000, 5_000);
    around.network.heal();
  },
};

function hasServers({ cluster }: Surroundings): boolean {
  return cluster.running().some(({ server }) => server !== undefined);
}

const killServer: Fault = {
  name: 'kill -9 of the Redis server below a node',
  weight: 5,
  possible: hasServers,
  run: async (around) => {
    const served = around.cluster.running().filter(({ server }) => server !== undefined);
    const server = around.random.pick(served)?.server;
    if (server === undefined) return;
    try {
      process.kill(server.pid, 'SIGKILL');
    } catch {
      // It ended a moment ago by itself.
    }
    await wait(around, 500, 2_000);
  },
};

const pauseServer: Fault = {
  name: 'SIGSTOP of the Redis server below a node',
  weight: 3,
  possible: hasServers,
  run: async (around) => {
    const served = around.cluster.running().filter(({ server }) => server !== undefined);
    const server = around.random.pick(served)?.server;
    if (server === undefined) return;
    const signal = (name: NodeJS.Signals): void => {
      try {
        process.kill(server.pid, name);
      } catch {
        // It ended meanwhile.
      }
    };
    signal('SIGSTOP');
    await wait(around, 200, 4_000);
    signal('SIGCONT');
  },
};

const fullDisk: Fault = {
  name: 'a full disk',
  weight: 3,
  possible: ({ disks }) => disks.kind !== undefined,
  run: async (around) => {
    const id = await victim(around);
    if (id === undefined) return;
    await around.disks.fill(id);
    try {
      await wait(around, 1_000, 5_000);
    } finally {
      await around.disks.free(id);
    }
  },
};

const transfer: Fault = {
  name: 'a handover of leadership',
  weight: 2,
  run: async (around) => {
    const id = anyNode(around);
    if (id !== undefined) await around.cluster.transfer(id);
  },
};

const replace: Fault = {
  name: 'a node wiped, and another in its place',
  weight: 3,
  alone: true,
  run: async (around) => {
    const { cluster, disks } = around;
    const old = await victim(around);
    if (old === undefined) return;
    const id = around.newId();
    const storage = cluster.storageOf(old);
    await disks.add(id);
    around.keeper.hold(id);
    around.keeper.hold(old);
    try {
      await cluster.wipe(old);
      await disks.remove(old);
      await cluster.startJoining(id, storage);
      await cluster.change({ change: 'add-learner', id, address: cluster.addressOf(id) });
      await cluster.caughtUp(id);
      await cluster.change({ change: 'promote', id });
      await cluster.change({ change: 'remove', id: old });
    } finally {
      around.keeper.release(id);
      around.keeper.release(old);
    }
  },
};

export const faults: readonly Fault[] = [
  kill,
  killAll,
  pause,
  cutOne,
  oneWay,
  cutPair,
  slow,
  killServer,
  pauseServer,
  fullDisk,
  transfer,
  replace,
];
