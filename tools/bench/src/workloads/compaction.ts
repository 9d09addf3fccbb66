/**
 * Long cycles of appending and compacting: what a compaction costs and how long it holds up writes, what is
 * left on the disk, how many bytes were written for one that was given, and whether it gets slower.
 */
import { existsSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { entryOverheadBytes } from '@balsa/raft-core';
import { floorLabels, floorLane } from '../measure/floor.ts';
import { Latencies } from '../measure/latencies.ts';
import { usageNow } from '../measure/process-usage.ts';
import { compareMetrics, metricOf, metricsOf, pooledMetric } from '../measure/rows.ts';
import { runSlice, type Sample } from '../measure/slice.ts';
import { nextTurn } from '../real-env.ts';
import type { Metric, Row } from '../report/report.ts';
import type { Entrant, Workload, WorkloadContext } from './context.ts';
import type { GroupWriter } from './group-writer.ts';
import { adapterName, rowsOfEntrants, type OpenedStore } from './opened.ts';

const payloadBytes = 128;
const batch = 64;
const entryBytes = payloadBytes + entryOverheadBytes;

export const compaction: Workload = {
  name: 'compaction',
  description: 'cycles of appending and compacting: stalls, space, bytes written, drift',
  async *run(context) {
    const { cycles, every, keep } = context.plan.compaction;
    const floors: Sample[] = [];
    const rows = await rowsOfEntrants(context, async (entrant, store) => {
      context.say(`compaction: ${entrant.source.label}, ${cycles} cycles of ${every} entries`);
      const floor = await floorNow(context);
      floors.push(floor);
      return compactionRow(context, entrant, store, floor);
    });
    const floor: Row = {
      ...{ label: floorLabels.growing, kind: 'floor', durability: 'durable', ratios: {} },
      metrics: metricsOf(floors, 'entry'),
    };
    yield {
      workload: 'compaction',
      title: `${cycles * every} entries of ${payloadBytes} B, batch ${batch}, the last ${keep} kept, compacted every ${every}`,
      parameters: { cycles, every, keep, payloadBytes, batch },
      rows: floors.length === 0 ? rows : [floor, ...rows],
    };
  },
};

function floorNow({ plan, payload, signal, inDirectory }: WorkloadContext): Promise<Sample> {
  return inDirectory(async (directory) => {
    const options = {
      kind: 'growing',
      directory,
      payload,
      bytes: batch * entryBytes,
      entries: batch,
    } as const;
    const lane = floorLane(options);
    try {
      return await runSlice(lane, plan.sliceMs * 2, signal);
    } finally {
      await lane.close();
    }
  });
}

interface Cycle {
  readonly writes: Latencies;
  readonly compactMs: number;
  readonly cpuMs: number;
}

/** Appends with a compaction beside them, as a node does: the writes do not wait for it. */
async function cycleOf(
  store: OpenedStore,
  writer: GroupWriter,
  { every, keep }: { readonly every: number; readonly keep: number },
): Promise<Cycle> {
  const writes = new Latencies();
  const append = async (): Promise<void> => {
    const start = performance.now();
    await writer.append(batch);
    writes.record(performance.now() - start);
    await nextTurn();
  };
  for (let done = 0; done < every; done += batch) await append();
  const before = usageNow(store.servers).cpuMs;
  const start = performance.now();
  let compacting = true;
  const compact = async (): Promise<number> => {
    try {
      const boundary = writer.lastIndex - keep - batch;
      if (boundary > 1) await writer.storage.compactTo(boundary);
      while (await writer.storage.maintain()) await nextTurn();
      return performance.now() - start;
    } finally {
      compacting = false;
    }
  };
  const running = compact();
  const isCompacting = (): boolean => compacting;
  while (isCompacting()) await append();
  return { writes, compactMs: await running, cpuMs: usageNow(store.servers).cpuMs - before };
}

async function compactionRow(
  { plan, signal }: WorkloadContext,
  entrant: Entrant,
  store: OpenedStore,
  floor: Sample,
): Promise<Row> {
  const { cycles, keep } = plan.compaction;
  const writer = await store.writer('group', payloadBytes);
  const done: Cycle[] = [];
  const before = usageNow(store.servers);
  const firstIndex = writer.lastIndex;
  for (let n = 0; n < cycles; n++) {
    signal.throwIfAborted();
    done.push(await cycleOf(store, writer, plan.compaction));
  }
  const after = usageNow(store.servers);
  const userBytes = (writer.lastIndex - firstIndex) * entryBytes;
  const disk = diskBytes(store.place.directory);
  await store.closeEngine();
  const start = performance.now();
  await store.openAgain();
  await store.engine.group('group').open();
  const reopenMs = performance.now() - start;

  const growing = compareMetrics(
    metricOf(
      'ms',
      'lower',
      each(done, ({ writes }) => writes.percentile(50)),
    ),
    metricOf(
      'ms',
      'lower',
      each(done, () => floor.latencies.percentile(50)),
    ),
  );
  const once = (unit: string, value: number): Metric => metricOf(unit, 'lower', [value]);
  return {
    ...adapterName(entrant),
    metrics: {
      ...cycleMetrics(done),
      space: once('times', disk / ((keep + batch) * entryBytes)),
      amplification: once('times', (after.writtenBytes - before.writtenBytes) / userBytes),
      drift: once('times', driftOf(done)),
      open: once('ms', reopenMs),
    },
    ratios: growing === undefined ? {} : { 'growing p50': growing },
  };
}

function cycleMetrics(cycles: readonly Cycle[]): Record<string, Metric> {
  const all = new Latencies();
  for (const { writes } of cycles) all.add(writes);
  const of = (value: (cycle: Cycle) => number): Metric => metricOf('ms', 'lower', each(cycles, value));
  const pooled = (value: (cycle: Cycle) => number, together: number): Metric =>
    pooledMetric('ms', 'lower', each(cycles, value), together);
  return {
    p50: of(({ writes }) => writes.percentile(50)),
    p99: pooled(({ writes }) => writes.percentile(99), all.percentile(99)),
    max: pooled(({ writes }) => writes.max, all.max),
    compact: of(({ compactMs }) => compactMs),
    compactCpu: of(({ cpuMs }) => cpuMs),
  };
}

function each(cycles: readonly Cycle[], value: (cycle: Cycle) => number): number[] {
  return cycles.map(value);
}

/** Median latency of the last third of the cycles to that of the first. */
function driftOf(cycles: readonly Cycle[]): number {
  const third = Math.max(1, Math.floor(cycles.length / 3));
  const median = (some: readonly Cycle[]): number => {
    const all = new Latencies();
    for (const { writes } of some) all.add(writes);
    return all.percentile(50);
  };
  return median(cycles.slice(-third)) / median(cycles.slice(0, third));
}

/** What lies on the disk, in whole blocks. Files may go while it is counted. */
function diskBytes(directory: string): number {
  // A store in memory makes none.
  if (!existsSync(directory)) return Number.NaN;
  let bytes = 0;
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const stat = statSync(path.join(entry.parentPath, entry.name), { throwIfNoEntry: false });
    bytes += (stat?.blocks ?? 0) * 512;
  }
  return bytes;
}
