/** Looks at the processes while the run goes on: who there was, and how much memory each took. */
import { readdir, readFile, readlink } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { fetchMetrics, fetchStatus, waitFor, type NodeSpec, type TestCluster } from '@balsa/cluster';
import type { Findings } from './findings.ts';

const everyMs = 250;
/** One look in so many asks the nodes what they counted. */
const looksPerCount = 4;
const counted = {
  snapshotsSent: 'balsa_raft_snapshots_sent_total',
  snapshotsInstalled: 'balsa_raft_snapshots_installed_total',
  compactions: 'balsa_raft_compactions_total',
} as const;
const mebibyte = 1024 * 1024;
/** A process that was told to end is gone within this, in milliseconds. */
const goneMs = 10_000;

/** Bytes of memory that the process has resident; undefined where that is not told, or when it is gone. */
async function residentBytes(pid: number): Promise<number | undefined> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  const [, kib] = /^VmRSS:\s+(\d+) kB/m.exec(status) ?? [];
  return kib === undefined ? undefined : Number(kib) * 1024;
}

/** Processes of this machine that were started with the directory as an argument, or stand in it. */
async function processesOf(directory: string): Promise<{ readonly pid: number; readonly command: string }[]> {
  const found: { pid: number; command: string }[] = [];
  for (const name of await readdir('/proc').catch(() => [])) {
    const pid = Number(name);
    if (!Number.isSafeInteger(pid) || pid === process.pid) continue;
    const command = (await readFile(`/proc/${name}/cmdline`, 'utf8').catch(() => ''))
      .replaceAll('\0', ' ')
      .trim();
    const place = await readlink(`/proc/${name}/cwd`).catch(() => '');
    if (command.includes(directory) || place.startsWith(directory)) found.push({ pid, command });
  }
  return found;
}

export class Watch {
  readonly #cluster: TestCluster;
  readonly #findings: Findings;
  readonly #limitBytes: number;
  readonly #told = new Set<number>();
  readonly #leaders = new Set<number>();
  /** By process: a new one counts from 0. */
  readonly #counters = new Map<number, ReadonlyMap<string, number>>();
  readonly #stop = new AbortController();
  readonly #ended: Promise<void>;
  /** Most that a node, a server below one, and this process had resident. */
  readonly peaks: Record<'node' | 'server' | 'self', number> = { node: 0, server: 0, self: 0 };

  constructor(cluster: TestCluster, findings: Findings, limitMib: number) {
    this.#cluster = cluster;
    this.#findings = findings;
    this.#limitBytes = limitMib * mebibyte;
    this.#ended = this.#run();
  }

  /** Terms that had a leader which was seen, and what all lives of all nodes counted, as it was seen last. */
  totals(): { readonly leaders: number } & Readonly<Record<keyof typeof counted, number>> {
    const sum = (name: string): number =>
      [...this.#counters.values()].reduce((total, counters) => total + (counters.get(name) ?? 0), 0);
    return {
      leaders: this.#leaders.size,
      snapshotsSent: sum(counted.snapshotsSent),
      snapshotsInstalled: sum(counted.snapshotsInstalled),
      compactions: sum(counted.compactions),
    };
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#ended;
  }

  /** After the end: no process may be left that has to do with `directory`. */
  async noneLeft(directory: string): Promise<void> {
    const look = async (): Promise<true | undefined> =>
      (await processesOf(directory)).length === 0 ? true : undefined;
    await waitFor(look, { timeoutMs: goneMs, what: 'the end of all processes' }).catch(() => undefined);
    for (const { pid, command } of await processesOf(directory))
      this.#findings.violation(`process ${pid} was left behind: ${command.slice(0, 200)}`);
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    for (let look = 0; !signal.aborted; look++) {
      const running = this.#cluster.running();
      if (look % looksPerCount === 0)
        await Promise.all(running.map((node) => this.#count(node.spec, node.pid)));
      for (const { pid, spec, server } of running) {
        await this.#look(pid, 'node', `node ${spec.id}`);
        if (server !== undefined) await this.#look(server.pid, 'server', `the server of node ${spec.id}`);
      }
      this.peaks.self = Math.max(this.peaks.self, process.memoryUsage.rss());
      await sleep(everyMs, undefined, { signal }).catch(() => undefined);
    }
  }

  async #count({ http }: NodeSpec, pid: number): Promise<void> {
    const [status, metrics] = await Promise.all([fetchStatus(http), fetchMetrics(http)]);
    if (status?.role === 'leader') this.#leaders.add(status.term);
    if (metrics !== undefined) this.#counters.set(pid, metrics);
  }

  async #look(pid: number, kind: 'node' | 'server', name: string): Promise<void> {
    const bytes = (await residentBytes(pid)) ?? 0;
    this.peaks[kind] = Math.max(this.peaks[kind], bytes);
    if (bytes <= this.#limitBytes || this.#told.has(pid)) return;
    this.#told.add(pid);
    this.#findings.violation(
      `${name} (pid ${pid}) has ${Math.round(bytes / mebibyte)} MiB in memory; ${this.#limitBytes / mebibyte} is the limit`,
    );
  }
}
