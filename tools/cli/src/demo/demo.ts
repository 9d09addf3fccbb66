/** `balsa demo`: a cluster on free ports and in a temporary directory, a story with an end, and a verdict. */
import { randomBytes } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { CommandFailure, explain } from '../messages.ts';
import { ClusterClient, Random, type StopRequest, TestCluster, type NodeStorage } from '@balsa/cluster';
import { HistoryChecker } from './checker.ts';
import { openInput } from './input.ts';
import { Monitor } from './monitor.ts';
import { Story } from './story.ts';
import { Workload } from './workload.ts';

export interface DemoOptions {
  readonly input?: string;
  readonly json: boolean;
  readonly seed: number;
  /** Whether data and logs stay. */
  readonly keep: boolean;
  /** Of the three founding members, in their order. */
  readonly storages: readonly NodeStorage[];
}

/** What the last line says with --json. */
export interface DemoReport {
  readonly ok: boolean;
  /** Engines of the founding members, in their order. */
  readonly storages: readonly string[];
  readonly keys: number;
  readonly acknowledgedWrites: number;
  readonly lostWrites: number;
  readonly leaderChanges: number;
  readonly compactions: number;
  readonly snapshotsSent: number;
  readonly snapshotsInstalled: number;
  readonly digests: readonly string[];
  readonly seconds: number;
}

function namesOf({ storages }: DemoOptions): string[] {
  return storages.map(({ name }) => name);
}

/** Entries that the logs keep: few, so that compaction happens within the story. */
const logKeep = 1_000;

type Tell = (text: string) => void;

function teller(json: boolean): Tell {
  const began = performance.now();
  const stream = json ? process.stderr : process.stdout;
  return (text) => {
    const seconds = ((performance.now() - began) / 1000).toFixed(1).padStart(5);
    stream.write(`${seconds} s  ${text}\n`);
  };
}

async function play(
  options: DemoOptions,
  directory: string,
  stopSignal: AbortSignal,
  tell: Tell,
): Promise<DemoReport> {
  const began = performance.now();
  const input = openInput(options.input);
  const client = new ClusterClient();
  const checker = new HistoryChecker();
  const random = new Random(options.seed);
  const clusterId = randomBytes(8).toString('hex');
  const ended = new AbortController();
  const signal = AbortSignal.any([stopSignal, ended.signal]);
  // Every operation under way listens to it.
  setMaxListeners(0, signal);
  // What waits for an answer need not wait any longer.
  signal.addEventListener('abort', () => {
    client.close();
  });
  const cluster = new TestCluster({
    directory,
    clusterId,
    client,
    signal,
    nodeArguments: ['--log-keep', String(logKeep)],
    storages: options.storages,
  });
  const monitor = new Monitor(() => cluster.running());
  const killChildren = (): void => {
    cluster.killAllNow();
  };
  // Before the directory is removed.
  process.prependOnceListener('exit', killChildren);
  signal.addEventListener('abort', killChildren);
  try {
    const abandon = (): void => {
      ended.abort(new Error('the story ended early'));
    };
    const workload = new Workload({ client, checker, random, signal });
    const story = new Story({ cluster, workload, checker, monitor, input, tell, abandon });
    const digests = await story.run();
    await monitor.stop();
    await monitor.look();
    const seconds = (performance.now() - began) / 1000;
    return { ...conclude(checker, monitor, digests, seconds, tell), storages: namesOf(options) };
  } finally {
    client.close();
    await Promise.all([cluster.killAll(), monitor.stop()]);
    process.off('exit', killChildren);
  }
}

function conclude(
  checker: HistoryChecker,
  monitor: Monitor,
  digests: readonly string[],
  seconds: number,
  tell: Tell,
): Omit<DemoReport, 'storages'> {
  const verdict = checker.verdict();
  for (const { key, rule, text } of verdict.violations.slice(0, 10))
    tell(`VIOLATION ${rule}: key ${key}: ${text}`);
  const { acknowledgedWrites, unknownWrites, readCount } = checker;
  tell(
    `${acknowledgedWrites} writes acknowledged, ${unknownWrites} of unknown outcome, ${readCount} reads; ` +
      `${verdict.lostWrites} writes lost, ${verdict.violationCount} violations`,
  );
  const alike = new Set(digests).size === 1 && digests.length === 3;
  tell(
    alike
      ? `the contents of all nodes are the same: ${digests[0] ?? ''}`
      : `the nodes differ: ${digests.join(' ')}`,
  );
  const totals = monitor.totals();
  return {
    ok: verdict.ok && alike && totals.compactions > 0 && totals.snapshotsInstalled > 0,
    keys: checker.keyCount,
    acknowledgedWrites,
    lostWrites: verdict.lostWrites,
    ...totals,
    digests,
    seconds: Number(seconds.toFixed(1)),
  };
}

/** What is said when the story could not be told to its end. */
function failedReport(options: DemoOptions, seconds: number): DemoReport {
  return {
    ok: false,
    storages: namesOf(options),
    keys: 0,
    acknowledgedWrites: 0,
    lostWrites: 0,
    leaderChanges: 0,
    compactions: 0,
    snapshotsSent: 0,
    snapshotsInstalled: 0,
    digests: [],
    seconds,
  };
}

export async function demo(options: DemoOptions, stop: StopRequest): Promise<void> {
  const tell = teller(options.json);
  const began = performance.now();
  const directory = await mkdtemp(path.join(tmpdir(), 'balsa-demo-'));
  const removeNow = (): void => {
    if (!options.keep) rmSync(directory, { recursive: true, force: true });
  };
  process.once('exit', removeNow);
  let report: DemoReport;
  try {
    report = await play(options, directory, stop.signal, tell);
  } catch (error) {
    if (stop.signal.aborted) return;
    tell(explain(error));
    report = failedReport(options, Number(((performance.now() - began) / 1000).toFixed(1)));
  } finally {
    if (options.keep) tell(`data and logs are in ${directory}`);
    else await rm(directory, { recursive: true, force: true });
    process.off('exit', removeNow);
  }
  if (options.json) process.stdout.write(`${JSON.stringify(report)}\n`);
  else tell(report.ok ? `ok, in ${report.seconds} s` : 'NOT ok');
  if (!report.ok) throw new CommandFailure('the demo did not end well');
}
