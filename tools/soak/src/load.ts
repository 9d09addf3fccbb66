/** Writers and readers in closed loop, each waiting for its answer before it asks again. */
import { build, type Histogram } from 'hdr-histogram-js';
import type { ClusterClient } from '@balsa/cluster';

/** Milliseconds that a loop rests after a refusal, so that it does not spin while there is no leader. */
const restMs = 20;

export interface WriteLoadOptions {
  readonly client: ClusterClient;
  readonly total: number;
  readonly workers: number;
  readonly key: (n: number) => string;
  readonly value: (n: number) => string;
  readonly signal: AbortSignal;
  readonly onProgress?: (done: number) => void;
}

export interface WriteLoadResult {
  readonly acknowledged: number;
  readonly unknown: number;
}

/** Writes number 0 to total - 1, each until it is acknowledged or of unknown outcome. */
export async function writeLoad(options: WriteLoadOptions): Promise<WriteLoadResult> {
  let next = 0;
  let acknowledged = 0;
  let unknown = 0;
  const worker = async (): Promise<void> => {
    while (next < options.total) {
      options.signal.throwIfAborted();
      const n = next++;
      let outcome = await options.client.set(options.key(n), options.value(n));
      while (outcome === 'refused') {
        options.signal.throwIfAborted();
        await new Promise((resolve) => setTimeout(resolve, restMs));
        outcome = await options.client.set(options.key(n), options.value(n));
      }
      if (outcome === 'acknowledged') acknowledged++;
      else unknown++;
      if ((acknowledged + unknown) % 10_000 === 0) options.onProgress?.(acknowledged + unknown);
    }
  };
  await Promise.all(Array.from({ length: options.workers }, worker));
  return { acknowledged, unknown };
}

export interface Latencies {
  readonly count: number;
  readonly failed: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** Writes and reads small keys, and times each, until stopped. */
export class Probe {
  readonly #client: ClusterClient;
  readonly #histogram: Histogram = build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: 60_000_000,
    numberOfSignificantValueDigits: 3,
  });
  readonly #workers: Promise<void>[];
  #stopped = false;
  #failed = 0;

  constructor(client: ClusterClient, workers: number) {
    this.#client = client;
    this.#workers = Array.from({ length: workers }, (_, i) => this.#run(i));
  }

  /** Resolves with what was measured since the last call, in microseconds turned into milliseconds. */
  take(): Latencies {
    const h = this.#histogram;
    const ms = (us: number): number => Math.round(us) / 1000;
    const taken = {
      count: h.totalCount,
      failed: this.#failed,
      p50Ms: ms(h.getValueAtPercentile(50)),
      p99Ms: ms(h.getValueAtPercentile(99)),
      maxMs: ms(h.maxValue),
    };
    h.reset();
    this.#failed = 0;
    return taken;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#workers);
  }

  async #run(worker: number): Promise<void> {
    for (let n = 0; !this.#stopped; n++) {
      const start = performance.now();
      const ok =
        n % 2 === 0
          ? (await this.#client.set(`probe:${worker}`, String(n))) === 'acknowledged'
          : (await this.#client.get(`probe:${worker}`)).ok;
      if (ok) this.#histogram.recordValue(Math.max(1, Math.round((performance.now() - start) * 1000)));
      else {
        this.#failed++;
        await new Promise((resolve) => setTimeout(resolve, restMs));
      }
    }
  }
}
