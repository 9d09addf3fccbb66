/** `balsa start`: a cluster of three node processes on this machine, for looking around. */
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createLogUpdate } from 'log-update';
import {
  type ClusterIdentity,
  isReady,
  type NodeSpec,
  openClusterFile,
  readClusterFile,
  requireFree,
  type StopRequest,
  waitFor,
  writeClusterFile,
  type NodeStorage,
} from '@balsa/cluster';
import { codeOf, CommandFailure, explain } from '../messages.ts';
import { formatHostPort, portsOf, type HostPort } from '../options.ts';
import { chooseStorage } from '../serve/node-storage.ts';
import { preflight, requireData } from '../serve/preflight.ts';
import { SupervisedNode } from './supervisor.ts';
import { renderLine, renderTable } from './table.ts';

export interface StartOptions {
  readonly data: string;
  /** Base of the ports; see `portsOf`. */
  readonly port: number;
  /** Whether stdout is a terminal that can be redrawn. */
  readonly live: boolean;
  /** One for each node; undefined: what the directories were made with. */
  readonly storages?: readonly NodeStorage[] | undefined;
}

const host = '127.0.0.1';
const nodeIds = [1, 2, 3] as const;
/** Nodes of a cluster whose parent was killed are gone after this. In milliseconds. */
const leftoverMs = 3_000;
/** A node gets this long to stop by itself; with what it takes to kill the rest, all is over within two seconds. */
const stopMs = 1_250;
/** A first leader is there well within this, in milliseconds. */
const electionMs = 6_000;
const redrawMs = 1_000;
const lineMs = 10_000;

function specsOf(options: StartOptions, identity: ClusterIdentity): NodeSpec[] {
  const at = (port: number): HostPort => ({ host, port });
  const members = nodeIds.map((id) => ({ id, address: formatHostPort(at(portsOf(options.port, id).raft)) }));
  return nodeIds.map((id, i) => {
    const ports = portsOf(options.port, id);
    const storage = options.storages?.[i];
    return {
      id,
      clusterId: identity.clusterId,
      directory: path.join(options.data, `node-${id}`),
      logFile: path.join(options.data, 'logs', `node-${id}.log`),
      resp: at(ports.resp),
      http: at(ports.http),
      raft: at(ports.raft),
      members,
      mode: identity.complete ? 'continue' : 'bootstrap',
      ...(storage === undefined ? {} : { storage }),
    };
  });
}

function greeting(options: StartOptions, specs: readonly NodeSpec[], existed: boolean): string {
  const [first, second] = specs;
  if (first === undefined || second === undefined) return '';
  return [
    `Balsa: three nodes, ${existed ? 'going on from' : 'with new'} data in ${options.data} (logs beside it, in logs/).`,
    '',
    'Try, in another terminal:',
    `  redis-cli -p ${first.resp.port} set greeting hello`,
    `  redis-cli -p ${second.resp.port} get greeting`,
    `  curl -s http://${formatHostPort(first.http)}/status`,
    `  curl -s http://${formatHostPort(first.http)}/metrics`,
    '',
    'Kill a node by its pid and look on. Ctrl-C stops all of it; the data stays.',
    '',
  ].join('\n');
}

async function showUntilStopped(
  nodes: readonly SupervisedNode[],
  live: boolean,
  signal: AbortSignal,
): Promise<void> {
  const update = live ? createLogUpdate(process.stdout) : undefined;
  const show = async (): Promise<void> => {
    const views = await Promise.all(nodes.map((node) => node.view()));
    if (signal.aborted) return;
    if (update !== undefined) update(renderTable(views, process.stdout.columns));
    else process.stdout.write(`${new Date().toISOString()} ${renderLine(views)}\n`);
  };
  // One listener for the whole life, not one for each line.
  const stopped = aborted(signal);
  while (!signal.aborted) {
    await Promise.race([show(), stopped]);
    await sleep(live ? redrawMs : lineMs, undefined, { signal }).catch(() => undefined);
  }
  update?.done();
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => {
      resolve();
    });
  });
}

/** What the greeting says to try should work at once; when it takes too long, the table says why better than a wait does. */
async function untilServing(specs: readonly NodeSpec[], signal: AbortSignal): Promise<void> {
  const look = async (): Promise<true | undefined> => {
    const ready = await Promise.all(specs.map((spec) => isReady(spec.http)));
    return ready.every((one) => one) ? true : undefined;
  };
  await waitFor(look, { timeoutMs: electionMs, what: 'a leader', signal }).catch(() => undefined);
}

/** Runs the nodes until the signal, then ends them all. Rejects with what keeps one of them from serving. */
async function runNodes(
  nodes: readonly SupervisedNode[],
  signal: AbortSignal,
  serving: () => Promise<void>,
): Promise<void> {
  const killNow = (): void => {
    for (const node of nodes) node.killNow();
  };
  process.once('exit', killNow);
  try {
    const started = Promise.all(nodes.map((node) => node.start()));
    // What fails because it is being stopped is no failure.
    started.catch(() => undefined);
    const stopped = aborted(signal).then(() => 'stopped' as const);
    if ((await Promise.race([started, stopped])) !== 'stopped') await serving();
  } finally {
    await Promise.all(nodes.map((node) => node.stop(stopMs)));
    process.off('exit', killNow);
  }
}

/** Rejects when the node could not start on its data; then none is started, and nothing is touched. */
async function look({ id, directory, clusterId, mode, storage }: NodeSpec): Promise<void> {
  const place = { id, data: directory, clusterId, mayBeEmpty: mode !== 'continue' };
  try {
    const choice = storage === undefined ? {} : { storage: storage.name, storageOption: storage.options };
    const { name } = await chooseStorage(directory, choice);
    await (name === 'sqlite' ? preflight(place) : requireData(place));
  } catch (error) {
    const code = codeOf(error);
    throw new CommandFailure(`Node ${id}: ${explain(error)}`, {
      ...(code === undefined ? {} : { code }),
      cause: error,
    });
  }
}

/** Waits for every look, whatever the others found: none is left running. */
async function lookAtAll(specs: readonly NodeSpec[]): Promise<void> {
  const looks = await Promise.allSettled(specs.map(look));
  for (const one of looks) if (one.status === 'rejected') throw one.reason;
}

export async function start(options: StartOptions, stop: StopRequest): Promise<void> {
  // Look first, touch later: a directory of something else, then the ports, then the data of each node, and
  // only then a new identity.
  const existing = await readClusterFile(options.data);
  const addresses = specsOf(options, existing ?? { clusterId: '', complete: false }).flatMap((spec) => [
    spec.resp,
    spec.http,
    spec.raft,
  ]);
  const patience = existing === undefined ? 0 : leftoverMs;
  await requireFree(addresses, patience, 'Stop what uses it, or choose other ports with --port BASE.');
  if (existing !== undefined) await lookAtAll(specsOf(options, existing));
  if (stop.signal.aborted) return;
  const identity = await openClusterFile(options.data);
  const specs = specsOf(options, identity);
  // A live table is not to be torn by lines between; the notes under it say the same.
  const say = options.live
    ? (): void => undefined
    : (text: string): void => void process.stdout.write(`${text}\n`);
  const nodes = specs.map((spec) => new SupervisedNode(spec, say));
  await runNodes(nodes, stop.signal, async () => {
    await untilServing(specs, stop.signal);
    if (!identity.complete) await writeClusterFile(options.data, { ...identity, complete: true });
    process.stdout.write(`${greeting(options, specs, identity.complete)}\n`);
    await showUntilStopped(nodes, options.live, stop.signal);
  });
}
