/** One slice: a lane alone, for a fraction of a second, with all that is measured about it. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { nextTurn } from '../real-env.ts';
import { Latencies } from './latencies.ts';
import { usageNow } from './process-usage.ts';

/** Something that does the same operation again and again: a floor, a bare client, an adapter. */
export interface Lane {
  /** Operations that may be under way at once; each of its own stream. */
  readonly streams: number;
  /** Entries (or reads, or bytes) that one operation is worth. */
  readonly unitsPerOperation: number;
  /** Processes, besides this one, that do its work. */
  readonly servers: readonly number[];
  /** Done, as the lane promises it, when it settles; at once when there is nothing to wait for. */
  operate(stream: number): Promise<void> | undefined;
  /** Untimed, before a slice: a fresh file and the like. */
  prepare?(): Promise<void>;
  close(): Promise<void>;
}

export interface Sample {
  readonly operations: number;
  readonly units: number;
  readonly elapsedMs: number;
  readonly latencies: Latencies;
  readonly cpuMs: number;
  readonly writtenBytes: number;
  /** Longest and 99th percentile of what a timer came late, in milliseconds. */
  readonly loopMaxMs: number;
  readonly loopP99Ms: number;
}

/** Of the timer that watches the event loop. */
const loopResolutionMs = 1;

/** Begins to watch; the answer says how late timers came since. */
export function watchLoop(): () => { readonly maxMs: number; readonly p99Ms: number } {
  const delay = monitorEventLoopDelay({ resolution: loopResolutionMs });
  delay.enable();
  return () => {
    delay.disable();
    const late = (ns: number): number => Math.max(0, ns / 1e6 - loopResolutionMs);
    return delay.count === 0
      ? { maxMs: Number.NaN, p99Ms: Number.NaN }
      : { maxMs: late(delay.max), p99Ms: late(delay.percentile(99)) };
  };
}

/**
 * Closed loop: each stream begins the next operation when the last one is done. Between two operations the
 * event loop takes a turn, as it does in a node: for the floors as for the adapters.
 */
export async function runSlice(lane: Lane, ms: number, signal: AbortSignal): Promise<Sample> {
  await lane.prepare?.();
  signal.throwIfAborted();
  const latencies = new Latencies();
  const stopWatch = watchLoop();
  const before = usageNow(lane.servers);
  const start = performance.now();
  const deadline = start + ms;
  let operations = 0;
  const loop = async (stream: number): Promise<void> => {
    for (let begin = performance.now(); begin < deadline && !signal.aborted;) {
      const pending = lane.operate(stream);
      if (pending !== undefined) await pending;
      latencies.record(performance.now() - begin);
      operations++;
      await nextTurn();
      begin = performance.now();
    }
  };
  const ends = await Promise.allSettled(Array.from({ length: lane.streams }, (_, stream) => loop(stream)));
  const elapsedMs = performance.now() - start;
  const after = usageNow(lane.servers);
  const { maxMs, p99Ms } = stopWatch();
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
  signal.throwIfAborted();
  return {
    operations,
    units: operations * lane.unitsPerOperation,
    elapsedMs,
    latencies,
    cpuMs: after.cpuMs - before.cpuMs,
    writtenBytes: after.writtenBytes - before.writtenBytes,
    loopMaxMs: maxMs,
    loopP99Ms: p99Ms,
  };
}
