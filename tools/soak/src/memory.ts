/** The memory of a node must not grow with the log. */
import { readFile } from 'node:fs/promises';
import { writeLoad } from './load.ts';
import type { Trial } from './trial.ts';

interface MemoryOptions {
  readonly entries: number;
  readonly keys: number;
  readonly valueBytes: number;
  readonly limitMib: number;
}

const workers = 128;
const everyMs = 500;

export const memory: Trial<MemoryOptions> = {
  name: 'memory',
  nodeArguments: [],
  async run({ cluster, client, signal, say }, { entries, keys, valueBytes, limitMib }) {
    const peaks = new Map<number, number>();
    const timer = setInterval(() => void sample(), everyMs);
    const sample = async (): Promise<void> => {
      for (const node of cluster.running()) {
        const mib = await residentMib(node.pid);
        peaks.set(node.spec.id, Math.max(peaks.get(node.spec.id) ?? 0, mib));
      }
    };
    const start = performance.now();
    const pad = 'm'.repeat(valueBytes);
    try {
      const load = {
        client,
        workers,
        key: (n: number) => `memory:${n % keys}`,
        value: (n: number) => (String(n) + pad).slice(0, valueBytes),
        signal,
      };
      const { acknowledged, unknown } = await writeLoad({
        ...load,
        total: entries,
        onProgress: (n) => {
          if (n % 50_000 === 0)
            say(`${n} of ${entries} writes; resident MiB at most ${[...peaks.values()].join(' ')}`);
        },
      });
      const writesPerSecond = Math.round(acknowledged / ((performance.now() - start) / 1000));
      await sample();
      const broken = [...peaks]
        .filter(([, mib]) => mib > limitMib)
        .map(([id, mib]) => `node ${id} took ${mib} MiB`);
      return {
        broken,
        figures: {
          entries,
          valueBytes,
          acknowledged,
          unknown,
          writesPerSecond,
          peakResidentMib: Object.fromEntries(peaks),
        },
      };
    } finally {
      clearInterval(timer);
    }
  },
};

/** From the kernel, in MiB; 0 where there is no /proc. */
async function residentMib(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Math.round(Number(/VmRSS:\s+(\d+) kB/.exec(text)?.[1] ?? 0) / 1024);
}
