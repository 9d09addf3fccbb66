/** Watches the nodes from outside while the story goes on: who led, and what they counted. */
import { setTimeout as sleep } from 'node:timers/promises';
import { fetchMetrics, fetchStatus, type NodeProcess } from '@balsa/cluster';

export interface Totals {
  readonly leaderChanges: number;
  readonly compactions: number;
  readonly snapshotsSent: number;
  readonly snapshotsInstalled: number;
}

const everyMs = 200;
const counted = {
  compactions: 'balsa_raft_compactions_total',
  snapshotsSent: 'balsa_raft_snapshots_sent_total',
  snapshotsInstalled: 'balsa_raft_snapshots_installed_total',
} as const;

export class Monitor {
  readonly #running: () => readonly NodeProcess[];
  /** Term to the node that led in it. */
  readonly #leaders = new Map<number, number>();
  /** Last seen counters of each life of each node: a new process counts from 0. */
  readonly #counters = new Map<string, ReadonlyMap<string, number>>();
  readonly #stop = new AbortController();
  #loop: Promise<void> | undefined;

  constructor(running: () => readonly NodeProcess[]) {
    this.#running = running;
  }

  start(): void {
    this.#loop = this.#run();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#loop;
  }

  /** One look at every node that runs. */
  async look(): Promise<void> {
    await Promise.all(
      this.#running().map(async (node) => {
        const [status, metrics] = await Promise.all([
          fetchStatus(node.spec.http),
          fetchMetrics(node.spec.http),
        ]);
        if (status?.role === 'leader') this.#leaders.set(status.term, status.id);
        if (metrics !== undefined) this.#counters.set(`${node.spec.id}/${node.pid}`, metrics);
      }),
    );
  }

  totals(): Totals {
    const sum = (name: string): number => {
      let total = 0;
      for (const counters of this.#counters.values()) total += counters.get(name) ?? 0;
      return total;
    };
    return {
      leaderChanges: Math.max(0, this.#leaders.size - 1),
      compactions: sum(counted.compactions),
      snapshotsSent: sum(counted.snapshotsSent),
      snapshotsInstalled: sum(counted.snapshotsInstalled),
    };
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      await this.look();
      await sleep(everyMs, undefined, { signal }).catch(() => undefined);
    }
  }
}
