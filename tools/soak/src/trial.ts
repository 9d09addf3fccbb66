/** What every trial shares: a cluster in a temporary directory, a client, a line of results, and a clean end. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ClusterClient, TestCluster } from '@balsa/cluster';

export interface TrialContext {
  readonly cluster: TestCluster;
  readonly client: ClusterClient;
  readonly signal: AbortSignal;
  /** A line of progress, on stderr. */
  readonly say: (text: string) => void;
}

/** What a trial found. `broken` names each promise that did not hold. */
export interface TrialResult {
  readonly broken: readonly string[];
  readonly figures: Readonly<Record<string, unknown>>;
}

export interface Trial<O> {
  readonly name: string;
  /** Further arguments of each node. */
  readonly nodeArguments: readonly string[];
  run(context: TrialContext, options: O): Promise<TrialResult>;
}

export interface RunOptions {
  readonly json: boolean;
  readonly signal: AbortSignal;
}

/** Runs it and cleans up whatever happens. Resolves with the exit code. */
export async function runTrial<O>(
  trial: Trial<O>,
  options: O,
  { json, signal }: RunOptions,
): Promise<number> {
  const start = performance.now();
  const directory = await mkdtemp(path.join(tmpdir(), 'balsa-soak-'));
  const client = new ClusterClient();
  const cluster = new TestCluster({
    directory,
    clusterId: 'b0a75a0000000001',
    client,
    signal,
    nodeArguments: trial.nodeArguments,
  });
  const say = (text: string): void => {
    const seconds = ((performance.now() - start) / 1000).toFixed(1).padStart(7);
    process.stderr.write(`${seconds} s  ${text}\n`);
  };
  let keep = true;
  try {
    say(`${trial.name}: three nodes start, data in ${directory}`);
    await cluster.found([1, 2, 3]);
    await cluster.leader();
    const { broken, figures } = await trial.run({ cluster, client, signal, say }, options);
    const seconds = Math.round((performance.now() - start) / 100) / 10;
    const ok = broken.length === 0;
    for (const promise of broken) say(`BROKEN: ${promise}`);
    process.stdout.write(`${JSON.stringify({ ok, trial: trial.name, ...figures, broken, seconds })}\n`);
    if (!json) say(ok ? 'ok' : 'not ok');
    keep = !ok;
    return ok ? 0 : 1;
  } finally {
    client.close();
    await cluster.killAll();
    // What is needed to find out why: the data and the nodes' logs.
    if (keep && !signal.aborted) say(`the data and the logs of the nodes stay in ${directory}`);
    else await rm(directory, { recursive: true, force: true });
  }
}
