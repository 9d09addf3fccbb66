/**
 * Sees to the one hang that no timer ends: a store that never gives the thread back. No timer rings then, and no
 * signal is heard, so that neither the time limit nor Ctrl-C would work.
 */
import { Worker } from 'node:worker_threads';

export interface WatchdogData {
  /** Counts as long as the event loop turns. */
  readonly beats: Int32Array;
  readonly limitMs: number;
}

export interface Watchdog {
  /** Which case runs from here on. */
  enter(id: string): void;
  stop(): Promise<void>;
}

const beatMs = 200;

/** How long the thread may be kept, unless the time limit of a case is longer, in milliseconds. */
const shortestMs = 15_000;
const usualMs = 120_000;

export function startWatchdog(caseTimeoutMs: number | undefined): Watchdog {
  const beats = new Int32Array(new SharedArrayBuffer(4));
  const limitMs = caseTimeoutMs === undefined ? usualMs : Math.max(shortestMs, caseTimeoutMs);
  const worker = new Worker(new URL('./watchdog-thread.js', import.meta.url), {
    workerData: { beats, limitMs } satisfies WatchdogData,
  });
  // A run without it is still a run.
  worker.on('error', () => undefined);
  worker.unref();
  const beat = setInterval(() => Atomics.add(beats, 0, 1), beatMs);
  beat.unref();
  return {
    enter: (id) => {
      worker.postMessage(id);
    },
    stop: async () => {
      clearInterval(beat);
      await worker.terminate();
    },
  };
}
