/** A follower is away while entries are written and compacted; it must come back by a snapshot while the others keep answering. */
import type { Trial } from './trial.ts';
import { Probe, writeLoad } from './load.ts';

interface OfflineOptions {
  readonly entries: number;
  readonly valueBytes: number;
}

const workers = 64;
const probes = 8;
const logKeep = 2_000;

export const offline: Trial<OfflineOptions> = {
  name: 'offline',
  nodeArguments: ['--log-keep', String(logKeep)],
  async run({ cluster, client, signal, say }, { entries, valueBytes }) {
    const broken: string[] = [];
    const { id: leader } = await cluster.leader();
    const away = [1, 2, 3].find((id) => id !== leader) ?? 1;
    const before = await cluster.status(away);
    await cluster.kill(away);
    say(`node ${away} is away at index ${before?.lastIndex ?? 0}`);
    const value = 'x'.repeat(valueBytes);
    const load = { client, workers, key: (n: number) => `offline:${n}`, value: () => value, signal };
    await writeLoad({ ...load, total: entries, onProgress: (n) => say(`${n} of ${entries} writes`) });
    const compacted = (await cluster.leader()).status;
    say(`the leader's log is [${compacted.firstIndex}, ${compacted.lastIndex}]`);
    const held = compacted.lastIndex - compacted.firstIndex;
    if (compacted.firstIndex <= (before?.lastIndex ?? 0)) broken.push('a dead follower pins the log');

    const quiet = new Probe(client, probes);
    await new Promise((resolve) => setTimeout(resolve, 5_000));
    const alone = quiet.take();
    const start = performance.now();
    await cluster.start(away);
    await cluster.caughtUp(away);
    const catchUpMs = Math.round(performance.now() - start);
    const during = quiet.take();
    await quiet.stop();
    const status = await cluster.status(away);
    const metrics = await cluster.metrics(away);
    const installed = metrics?.get('balsa_raft_snapshots_installed_total') ?? 0;
    if (installed < 1) broken.push('it caught up without a snapshot');
    if (new Set(await cluster.equalDigests()).size !== 1) broken.push('the contents of the nodes differ');
    say(
      `caught up to ${status?.applied ?? 0} in ${catchUpMs} ms; p99 ${during.p99Ms} ms meanwhile, ${alone.p99Ms} ms before`,
    );
    return {
      broken,
      figures: {
        entries,
        valueBytes,
        leaderLogEntries: held,
        catchUpMs,
        snapshotsInstalled: installed,
        before: alone,
        during,
      },
    };
  },
};
