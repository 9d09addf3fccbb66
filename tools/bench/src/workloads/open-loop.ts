/**
 * Open loop: entries arrive at a rate of their own, whether or not the store keeps up, and each waits from
 * the moment it was due. A stall is then felt by all that arrive during it, where a closed loop would
 * wait politely and count it once. What has arrived meanwhile goes into the next write, as in a node.
 */
import path from 'node:path';
import { entryOverheadBytes } from '@balsa/raft-core';
import { Floor, floorKinds, floorLabels } from '../measure/floor.ts';
import { Latencies } from '../measure/latencies.ts';
import { usageNow } from '../measure/process-usage.ts';
import { raceWith, type Runner } from '../measure/race.ts';
import { watchLoop, type Sample } from '../measure/slice.ts';
import { nextTurn } from '../real-env.ts';
import type { Cell, Row } from '../report/report.ts';
import type { Workload, WorkloadContext } from './context.ts';
import { adapterName, failedRow, OpenedStore } from './opened.ts';

const payloadBytes = 256;
/** Entries that one write takes at most. */
const mostAtOnce = 512;

/** Writes so many entries, durably. */
interface Sink {
  readonly servers: readonly number[];
  write(entries: number): Promise<void> | undefined;
  close(): Promise<void>;
}

interface OpenRunner extends Omit<Runner, 'lane'> {
  readonly sink: Sink;
}

export const openLoop: Workload = {
  name: 'open',
  description: 'durable appends that arrive at a fixed rate, ready or not',
  async *run(context) {
    for (const rate of context.plan.rates) yield await openCell(context, rate);
  },
};

function openCell(context: WorkloadContext, rate: number): Promise<Cell> {
  const { plan, signal, entrants, say } = context;
  const title = `${rate} entries/s of ${payloadBytes} B`;
  say(`open: ${title}`);
  return context.inDirectory(async (directory) => {
    const runners: OpenRunner[] = floorKinds.map((kind) => ({
      label: floorLabels[kind],
      kind: 'floor',
      durability: 'durable',
      sink: floorSink(
        new Floor({ kind, directory, payload: context.payload, bytes: mostAtOnce * entryBytes }),
      ),
      against: {},
    }));
    const missing: Row[] = [];
    try {
      for (const [n, entrant] of entrants.entries()) {
        try {
          const store = await OpenedStore.open(context, entrant, path.join(directory, `store-${n}`));
          const against = { growing: floorLabels.growing, preallocated: floorLabels.preallocated };
          runners.push({ ...adapterName(entrant), sink: await storeSink(store), against });
        } catch (error) {
          signal.throwIfAborted();
          missing.push(failedRow(adapterName(entrant), error));
        }
      }
      const rows = await raceWith(
        runners,
        plan.rounds,
        'entry',
        (runner) => arrive(runner.sink, rate, plan.sliceMs * 2, context),
        signal,
      );
      return { workload: 'open', title, parameters: { rate, payloadBytes }, rows: [...rows, ...missing] };
    } finally {
      for (const { sink } of runners) await sink.close();
    }
  });
}

const entryBytes = payloadBytes + entryOverheadBytes;

function floorSink(floor: Floor): Sink {
  return {
    servers: [],
    write(entries): undefined {
      floor.write(entries * entryBytes);
    },
    async close(): Promise<void> {
      floor.close();
    },
  };
}

async function storeSink(store: OpenedStore): Promise<Sink> {
  const writer = await store.writer('group', payloadBytes);
  return { servers: store.servers, write: (entries) => writer.append(entries), close: () => store.close() };
}

/** Arrivals of a Poisson process for so many milliseconds; all of them are served before it ends. */
async function arrive(
  sink: Sink,
  rate: number,
  ms: number,
  { env, signal }: WorkloadContext,
): Promise<Sample> {
  const gap = (): number => (-Math.log(1 - env.random()) * 1000) / rate;
  const latencies = new Latencies();
  const stopWatch = watchLoop();
  const before = usageNow(sink.servers);
  const start = performance.now();
  let next = start + gap();
  let operations = 0;
  while (next < start + ms) {
    signal.throwIfAborted();
    const due: number[] = [];
    for (
      const now = performance.now();
      next <= now && next < start + ms && due.length < mostAtOnce;
      next += gap()
    )
      due.push(next);
    if (due.length > 0) {
      const pending = sink.write(due.length);
      if (pending !== undefined) await pending;
      const done = performance.now();
      for (const at of due) latencies.record(done - at);
      operations++;
    }
    await nextTurn();
  }
  const elapsedMs = performance.now() - start;
  const after = usageNow(sink.servers);
  const { maxMs, p99Ms } = stopWatch();
  return {
    operations,
    units: latencies.count,
    elapsedMs,
    latencies,
    cpuMs: after.cpuMs - before.cpuMs,
    writtenBytes: after.writtenBytes - before.writtenBytes,
    loopMaxMs: maxMs,
    loopP99Ms: p99Ms,
  };
}
