/** `balsa serve`: one node in this process, until it is told to stop. */
import { LogLevel, BalsaError, type Engine, type Env } from '@balsa/raft-core';
import { createKvStateMachine, startKvServer, type KvResult, type KvServer } from '@balsa/kv';
import { createNodeEnv, RaftNode } from '@balsa/raft-node';
import { closingAfter, type EngineSource } from '@balsa/engines';
import { createTcpTransport } from '@balsa/transport-tcp';
import { requireFree, type StopRequest } from '@balsa/cluster';
import { codeOf, CommandFailure, explain } from '../messages.ts';
import { formatHostPort, type ClusterMember, type HostPort } from '../options.ts';
import { createLogger, type LogLevelName } from './logger.ts';
import { onParentGone, report } from './parent-link.ts';
import { chooseStorage, engineDirectory, remembering, type StorageChoice } from './node-storage.ts';
import { preflight, requireData } from './preflight.ts';
import { ServerKeeper } from './server-keeper.ts';

export interface ServeOptions extends StorageChoice {
  readonly id: number;
  readonly data: string;
  readonly raft: HostPort;
  readonly resp: HostPort;
  readonly http: HostPort;
  readonly cluster: readonly ClusterMember[];
  readonly clusterId?: string;
  readonly bootstrap?: boolean;
  readonly join?: boolean;
  readonly logLevel: LogLevelName;
  /** Applied entries that stay in the log for followers a little behind. */
  readonly logKeep?: number;
}

/** From the request to stop until the process ends by force, in milliseconds. */
const stopMs = 1_100;
/** Of that, for commands under way: without a leader, which stops as well, some cannot be answered any more. In milliseconds. */
const drainMs = 300;

interface RunningNode {
  readonly node: RaftNode<KvResult>;
  readonly server: KvServer;
}

/** What can be told before anything is opened: nothing is touched when it fails. Resolves with the engine. */
async function check(options: ServeOptions): Promise<EngineSource> {
  if (options.bootstrap === true && options.join === true) {
    throw new CommandFailure('A node either founds a cluster (--bootstrap) or joins one (--join), not both.');
  }
  const begins = options.bootstrap === true || options.join === true;
  if (begins && options.clusterId === undefined) {
    throw new CommandFailure('--bootstrap and --join need --cluster-id, the same on all members.');
  }
  if (options.bootstrap === true && !options.cluster.some((member) => member.id === options.id)) {
    throw new CommandFailure(`--cluster does not name node ${options.id}, which is to found it.`);
  }
  const { id, data, clusterId } = options;
  const source = await chooseStorage(data, options);
  // Who starts a whole cluster has looked at all of it before the first node was started.
  if (process.send === undefined && source.name === 'sqlite')
    await preflight({ id, data, clusterId, mayBeEmpty: begins });
  else await requireData({ id, data, mayBeEmpty: begins });
  await requireFree(
    [options.raft, options.resp, options.http],
    0,
    'Stop what uses it, or choose another port.',
  );
  return source;
}

function compactionOf(logKeep: number | undefined): object {
  if (logKeep === undefined) return {};
  return { compaction: { keepEntries: logKeep, checkEveryEntries: Math.max(1, Math.floor(logKeep / 2)) } };
}

function startNode(
  options: ServeOptions,
  env: Env,
  parts: Awaited<ReturnType<typeof openParts>>,
): Promise<RaftNode<KvResult>> {
  const members = options.cluster.map(({ id, address }) => ({ id, address }));
  const { clusterId } = options;
  return RaftNode.start<KvResult>({
    id: options.id,
    engine: parts.engine,
    ownEngine: true,
    stateMachine: parts.stateMachine,
    transport: parts.transport,
    env,
    members,
    ...(options.bootstrap === true && clusterId !== undefined ? { bootstrap: { clusterId, members } } : {}),
    ...(options.join === true && clusterId !== undefined ? { join: { clusterId } } : {}),
    ...compactionOf(options.logKeep),
  });
}

/** The engine's place: its server, where it has one, is kept running, and stops after the engine is closed. */
async function openEngine(options: ServeOptions, source: EngineSource, env: Env): Promise<Engine> {
  const { data, id } = options;
  const place = await source.prepare({ directory: engineDirectory(data, source.name), env });
  const { server } = place;
  let keeper: ServerKeeper | undefined;
  const onRunning = (pid: number): void => {
    env.log.log(LogLevel.Info, `the server that holds the data of node ${id} runs`, {
      pid,
      url: server?.url,
    });
    void report({ type: 'server', pid, url: server?.url ?? '' });
  };
  const closePlace = async (): Promise<void> => {
    await keeper?.stop();
    await place.close();
  };
  try {
    if (server !== undefined) keeper = new ServerKeeper({ server, log: env.log, onRunning });
    return closingAfter(await place.open(), closePlace);
  } catch (error) {
    await closePlace();
    throw error;
  }
}

async function openParts(options: ServeOptions, source: EngineSource, env: Env) {
  const engine = await remembering(options.data, source.name, () => openEngine(options, source, env));
  try {
    const identity = await engine.identity();
    const { clusterId } = options;
    if (identity !== undefined && clusterId !== undefined && identity.clusterId !== clusterId) {
      throw new BalsaError(
        'STORE_IDENTITY_MISMATCH',
        `${options.data} belongs to cluster ${identity.clusterId}, not to ${clusterId}`,
      );
    }
    const stateMachine = createKvStateMachine(engine.orderedStore('kv'));
    const transport = createTcpTransport({ env, listen: options.raft });
    return { engine, stateMachine, transport };
  } catch (error) {
    await engine.close();
    throw error;
  }
}

async function open(options: ServeOptions, source: EngineSource, env: Env): Promise<RunningNode> {
  const parts = await openParts(options, source, env);
  let node: RaftNode<KvResult>;
  try {
    node = await startNode(options, env, parts);
  } catch (error) {
    await parts.engine.close();
    throw error;
  }
  try {
    const { resp, http } = options;
    const { stateMachine } = parts;
    const limits = { drainMs };
    return { node, server: await startKvServer({ node, stateMachine, env, resp, http, limits }) };
  } catch (error) {
    await node.stop();
    throw error;
  }
}

/** The end of this process when stopping takes too long: what is durable is safe, and the rest is not promised. */
function endByForce(env: Env): void {
  setTimeout(() => {
    env.log.log(LogLevel.Warn, 'stopping takes too long; the process ends now');
    process.exit(0);
  }, stopMs).unref();
}

/** Nothing is swallowed: what nobody handled ends the process, and says so. */
function watchForTheUnhandled(id: number): void {
  const die = (error: unknown): void => {
    const message = `node ${id} stops on an unexpected error: ${explain(error)}`;
    process.stderr.write(`${error instanceof Error ? (error.stack ?? '') : ''}\n${message}\n`);
    void report({ type: 'failed', code: codeOf(error), message }).then(() => process.exit(1));
    // The report goes to a parent that may be stuck.
    setTimeout(() => process.exit(1), 500).unref();
  };
  process.on('unhandledRejection', die);
  process.on('uncaughtException', die);
}

export async function serve(options: ServeOptions, stop: StopRequest): Promise<void> {
  const env = createNodeEnv({ log: createLogger(options.logLevel, options.id) });
  watchForTheUnhandled(options.id);
  let parentGone = false;
  onParentGone(() => {
    parentGone = true;
    stop.request();
  });
  stop.signal.addEventListener('abort', () => {
    endByForce(env);
  });
  try {
    const source = await check(options);
    const { node, server } = await open(options, source, env);
    await report({
      type: 'ready',
      id: options.id,
      resp: formatHostPort(server.respAddress),
      http: formatHostPort(server.httpAddress ?? options.http),
      raft: formatHostPort(options.raft),
    });
    const failure = await Promise.race([node.stopped, untilAborted(stop.signal)]);
    await server.stop();
    // With its parent all nodes go at once: nobody is there to hand over to.
    await node.stop({ transferLeadership: failure === undefined && !parentGone });
    if (failure !== undefined) throw failure;
  } catch (error) {
    await report({ type: 'failed', code: codeOf(error), message: explain(error) });
    throw error;
  }
}

function untilAborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(undefined);
    signal.addEventListener('abort', () => {
      resolve(undefined);
    });
  });
}
