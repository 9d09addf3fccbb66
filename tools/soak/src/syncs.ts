/** One write costs one sync on each node, and concurrent ones share it. Counted by strace, from outside. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { NodeProcess } from '@balsa/cluster';
import type { Trial, TrialContext } from './trial.ts';

interface SyncOptions {
  readonly writes: number;
  readonly concurrent: number;
}

/** Lets lazily written commit indexes and watermarks settle, in milliseconds. */
const settleMs = 1_500;
/** What a node may sync besides: a watermark, a checkpoint, a commit index written when idle. */
const spare = 0.05;

class Tracer {
  readonly #child: ChildProcess;
  readonly #file: string;

  private constructor(child: ChildProcess, file: string) {
    this.#child = child;
    this.#file = file;
  }

  static async attach(node: NodeProcess, directory: string): Promise<Tracer> {
    const file = path.join(directory, `node-${node.spec.id}`);
    const child = spawn(
      'strace',
      ['-f', '-y', '-e', 'trace=fsync,fdatasync', '-o', file, '-p', String(node.pid)],
      {
        stdio: ['ignore', 'ignore', 'pipe'],
      },
    );
    child.on('error', () => undefined);
    // It says "attached" once it sees every call.
    await Promise.race([once(child.stderr, 'data'), once(child, 'exit'), once(child, 'error')]);
    return new Tracer(child, file);
  }

  /** Syncs so far, by the last part of the path that was synced. */
  async counts(): Promise<Map<string, number>> {
    const counts = new Map<string, number>();
    const text = await readFile(this.#file, 'utf8').catch(() => '');
    for (const [, name = '?'] of text.matchAll(/f(?:data)?sync\(\d+<[^>]*?([^/>]+)>/g))
      counts.set(name, (counts.get(name) ?? 0) + 1);
    return counts;
  }

  async detach(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    this.#child.kill('SIGINT');
    await once(this.#child, 'exit');
  }
}

export const syncs: Trial<SyncOptions> = {
  name: 'syncs',
  nodeArguments: [],
  async run(context, { writes, concurrent }) {
    const directory = await mkdtemp(path.join(tmpdir(), 'balsa-strace-'));
    const tracers = new Map<number, Tracer>();
    try {
      for (const node of context.cluster.running())
        tracers.set(node.spec.id, await Tracer.attach(node, directory));
      await sleep(settleMs);
      const single = await measure(context, tracers, async () => {
        for (let n = 0; n < writes; n++) await context.client.set(`single:${n}`, String(n));
      });
      const shared = await measure(context, tracers, async () => {
        const all = Array.from({ length: concurrent }, (_, n) =>
          context.client.set(`shared:${n}`, String(n)),
        );
        await Promise.all(all);
      });
      const broken: string[] = [];
      for (const [id, counts] of single) {
        const log = counts['log.db-wal'] ?? 0;
        if (log === 0)
          broken.push(`node ${id}: no sync was seen; is strace installed and allowed to attach?`);
        if (log > writes * (1 + spare) + 2)
          broken.push(`node ${id}: ${log} syncs of the log for ${writes} single writes`);
      }
      for (const [id, counts] of shared) {
        const log = counts['log.db-wal'] ?? 0;
        if (log > concurrent / 4)
          broken.push(`node ${id}: ${log} syncs of the log for ${concurrent} writes at once`);
      }
      return {
        broken,
        figures: {
          writes,
          concurrent,
          single: Object.fromEntries(single),
          shared: Object.fromEntries(shared),
        },
      };
    } finally {
      for (const tracer of tracers.values()) await tracer.detach();
      await rm(directory, { recursive: true, force: true });
    }
  },
};

type Counts = Record<string, number>;

/** Syncs of each node during `work` and until it has settled, by file. */
async function measure(
  context: TrialContext,
  tracers: ReadonlyMap<number, Tracer>,
  work: () => Promise<void>,
): Promise<Map<number, Counts>> {
  const before = new Map<number, Map<string, number>>();
  for (const [id, tracer] of tracers) before.set(id, await tracer.counts());
  await work();
  await sleep(settleMs);
  const result = new Map<number, Counts>();
  for (const [id, tracer] of tracers) {
    const counts: Counts = {};
    for (const [name, count] of await tracer.counts()) {
      const grown = count - (before.get(id)?.get(name) ?? 0);
      if (grown > 0) counts[name] = grown;
    }
    result.set(id, counts);
    context.say(`node ${id}: ${JSON.stringify(counts)}`);
  }
  return result;
}
