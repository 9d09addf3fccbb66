/** One run: a cluster, clients, faults, and in the end the account of everything. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { setMaxListeners } from 'node:events';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { formatHistory } from '@balsa/checker';
import {
  ClusterClient,
  Network,
  planStorages,
  Random,
  TestCluster,
  type HostPort,
  type NodeStorage,
} from '@balsa/cluster';
import { Client } from './client.ts';
import { Disks } from './disks.ts';
import { Findings } from './findings.ts';
import { Keeper } from './keeper.ts';
import { Ledgers } from './ledger.ts';
import { Nemesis } from './nemesis.ts';
import type { ChaosOptions } from './options.ts';
import { Registers } from './registers.ts';
import { makeReport, type ChaosReport } from './report.ts';
import { Watch } from './watch.ts';

const founders = [1, 2, 3];
/** Entries that the logs keep: few, so that who was away needs a snapshot. */
const logKeep = 500;
const progressMs = 15_000;
/** A healed cluster answers every read within this, in milliseconds. */
const readMs = 120_000;
const readsAtOnce = 16;

/** All that is there while the cluster runs. */
interface Stage {
  readonly options: ChaosOptions;
  readonly directory: string;
  readonly signal: AbortSignal;
  readonly random: Random;
  readonly findings: Findings;
  readonly cluster: TestCluster;
  readonly network: Network;
  readonly disks: Disks;
}

export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  // A wrong choice is told before anything is made.
  const storages = await planStorages(options.storage, {}, founders.length);
  const directory = await mkdtemp(path.join(tmpdir(), 'balsa-chaos-'));
  const began = performance.now();
  const findings = new Findings(options.say);
  const disks = await Disks.probe(directory, options.disks);
  options.say(
    disks.kind === undefined
      ? `disks are not filled: ${options.disks ? 'this needs Linux, root and the right to mount' : 'not asked for'}`
      : `each node has a file system of its own (${disks.kind}), so that its disk can be full`,
  );
  for (const id of founders) await disks.add(id);
  setMaxListeners(0, options.signal);
  const network = new Network();
  const client = new ClusterClient();
  const cluster = new TestCluster({
    directory,
    clusterId: 'c4a05c4a05c4a050',
    client,
    signal: options.signal,
    nodeArguments: ['--log-keep', String(logKeep), '--log-level', 'info'],
    storages,
    network,
    directoryOf: (id) => disks.directoryOf(id),
    patienceMs: 90_000,
  });
  const endNow = (): void => {
    cluster.killAllNow();
    disks.removeAllNow();
  };
  process.once('exit', endNow);
  const watch = new Watch(cluster, findings, options.limitMib);
  const random = new Random(options.seed);
  const stage = { options, directory, signal: options.signal, random, findings, cluster, network, disks };
  try {
    await play(stage, storages);
  } catch (error) {
    if (!options.signal.aborted) findings.violation(error instanceof Error ? error.message : String(error));
  } finally {
    await watch.stop();
    client.close();
    await cluster.killAll();
    await network.close();
    await watch.noneLeft(directory);
    process.off('exit', endNow);
    await cleanUp(stage);
  }
  const seconds = (performance.now() - began) / 1000;
  return makeReport({ options, findings, watch, disks, storages: storages.map(({ name }) => name), seconds });
}

/** What is needed to find out why stays: the data and the logs. */
async function cleanUp({ options, directory, disks, findings, cluster }: Stage): Promise<void> {
  const keep = options.keep || (findings.violationCount > 0 && !options.signal.aborted);
  if (keep) {
    options.say(
      `data and logs stay in ${directory}${disks.kind === undefined ? '' : ' (unmount its disks when done)'}`,
    );
    return;
  }
  for (const id of cluster.ids()) await disks.remove(id);
  disks.removeAllNow();
  await rm(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
}

async function play(stage: Stage, storages: readonly NodeStorage[]): Promise<void> {
  const { options, random, findings, cluster, network, disks, signal } = stage;
  const { say } = options;
  say(
    `three nodes start on ${storages.map(({ name }) => name).join(', ')}, data in ${stage.directory}; seed ${options.seed}`,
  );
  await cluster.found(founders);
  await cluster.leader();
  const keeper = new Keeper(cluster, findings);
  const registers = new Registers(findings, random, (violation) => void tell(stage, violation));
  const ledgers = new Ledgers(findings, random);
  const load = startLoad(stage, registers, ledgers);
  let lastId = founders.length;
  const newId = (): number => ++lastId;
  const around = {
    cluster,
    network,
    disks,
    keeper,
    random: new Random(options.seed + 1),
    findings,
    signal,
    newId,
  };
  const nemesis = new Nemesis(around, () => ledgers.acknowledged, say);
  try {
    await nemesis.run(performance.now() + options.minutes * 60_000);
  } finally {
    await load.stop();
    await keeper.stop();
    network.heal();
  }
  signal.throwIfAborted();
  say('the faults are over: everything is read again, and the nodes are compared');
  await settle(stage);
  const read = reader(stage);
  await registers.finish(read);
  await ledgers.finish(read);
  await compare(stage);
}

interface Load {
  /** Lets every operation under way end. */
  stop(): Promise<void>;
}

function startLoad(stage: Stage, registers: Registers, ledgers: Ledgers): Load {
  const { options, findings, cluster, signal } = stage;
  const stopping = new AbortController();
  const nodes = (): HostPort[] => cluster.running().map(({ spec }) => spec.resp);
  let last = performance.now();
  const act = async (id: number): Promise<void> => {
    const random = new Random(options.seed * 1_000 + id);
    const client = new Client(nodes, random);
    while (!stopping.signal.aborted && !signal.aborted) {
      const kind = random.next() < 0.3 ? await ledgers.step(client) : await registers.step(client, id);
      if (kind !== 'ok') continue;
      findings.longest('without an answer', performance.now() - last);
      last = performance.now();
    }
    client.close();
  };
  const tasks = Array.from({ length: options.clients }, (_, i) => act(i + 1));
  const ended = Promise.all(tasks);
  // Told by `stop`.
  ended.catch(() => undefined);
  const progress = setInterval(() => {
    const {
      registers: r,
      tokens: t,
      violations: v,
    } = { registers: registers.keyCount, tokens: ledgers.acknowledged, violations: findings.violationCount };
    options.say(`... ${t} writes accounted for, ${r} keys judged or in use, ${v} violations`);
  }, progressMs);
  return {
    stop: async () => {
      stopping.abort();
      clearInterval(progress);
      await ended;
    },
  };
}

async function tell(
  { directory, findings }: Stage,
  violation: { text: string; history: readonly unknown[] },
): Promise<void> {
  findings.violation(violation.text);
  const file = path.join(directory, `history-${findings.violationCount}.ndjson`);
  await writeFile(
    file,
    [...formatHistory(violation.history as Parameters<typeof formatHistory>[0])].join(''),
  );
}

/** Every node runs and has caught up. */
async function settle({ cluster }: Stage): Promise<void> {
  for (const id of cluster.ids()) {
    cluster.resume(id);
    if (cluster.processOf(id)?.running !== true) await cluster.start(id);
  }
  await cluster.leader();
  for (const id of cluster.ids()) await cluster.caughtUp(id);
}

/** Reads through any node until it is answered. */
function reader({ cluster, random, signal }: Stage): (key: string) => Promise<string | null> {
  const nodes = (): HostPort[] => cluster.running().map(({ spec }) => spec.resp);
  const clients = Array.from({ length: readsAtOnce }, () => new Client(nodes, random));
  let turn = 0;
  return async (key) => {
    const client = clients[turn++ % readsAtOnce] ?? new Client(nodes, random);
    const deadline = performance.now() + readMs;
    for (;;) {
      signal.throwIfAborted();
      const outcome = await client.call('get', key);
      if (outcome.kind === 'ok') return typeof outcome.reply === 'string' ? outcome.reply : null;
      if (performance.now() > deadline)
        throw new Error(`no node answered a read of ${key} for ${readMs / 1000} s`);
      await sleep(50);
    }
  };
}

async function compare({ cluster, findings }: Stage): Promise<void> {
  const digests = await cluster.equalDigests();
  findings.count('digests compared', digests.length);
  if (new Set(digests).size > 1) findings.violation(`the contents of the nodes differ: ${digests.join(' ')}`);
}
