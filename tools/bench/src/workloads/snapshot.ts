/**
 * Snapshots: written, read and installed, while another group of the same store goes on appending. What
 * counts is their speed, what they hold in memory, and what they do to the writes beside them.
 */
import { closeSync, fsyncSync, openSync, readSync, renameSync, writeSync } from 'node:fs';
import path from 'node:path';
import { maxChunkBytes, type SnapshotMetadata, type StoredSnapshot } from '@balsa/raft-core';
import { Latencies } from '../measure/latencies.ts';
import { MemoryWatch } from '../measure/memory-watch.ts';
import { BytePool } from '../measure/payload-pool.ts';
import { compareMetrics, metricOf, pooledMetric } from '../measure/rows.ts';
import { watchLoop } from '../measure/slice.ts';
import { nextTurn } from '../real-env.ts';
import { bytesText } from '../report/format.ts';
import type { Cell, Metric, Ratio, Row } from '../report/report.ts';
import type { Entrant, Workload, WorkloadContext } from './context.ts';
import type { GroupWriter } from './group-writer.ts';
import { adapterName, rowsOfEntrants, type OpenedStore } from './opened.ts';

const megabyte = 1024 * 1024;
const confState = { voters: [1, 2, 3], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };
const phases = ['create', 'stream', 'install'] as const;
type Phase = (typeof phases)[number];
type Times = Record<Phase, number[]>;

/** The foreground alone, before anything else, in milliseconds. */
const aloneMs = 400;

export const snapshot: Workload = {
  name: 'snapshot',
  description: 'snapshots written, read and installed beside appends of another group',
  async *run(context) {
    for (const bytes of context.plan.snapshotBytes) yield await snapshotCell(context, bytes);
  },
};

async function snapshotCell(context: WorkloadContext, bytes: number): Promise<Cell> {
  const title = `${bytesText(bytes)} in chunks of ${bytesText(Math.min(bytes, maxChunkBytes))}`;
  const repeats = bytes >= context.plan.onceFromBytes ? 1 : context.plan.repeats;
  const floors = noTimes();
  const rows = await rowsOfEntrants(context, async (entrant, store) => {
    context.say(`snapshot: ${entrant.source.label}, ${title}`);
    const floor = await floorTimes(context, bytes, repeats);
    for (const phase of phases) floors[phase].push(...floor[phase]);
    return snapshotRow(context, entrant, store, { bytes, repeats, floor });
  });
  const floor: Row = {
    ...{ label: 'floor: synced file', kind: 'floor', durability: 'durable', ratios: {} },
    metrics: speeds(floors, bytes),
  };
  return {
    workload: 'snapshot',
    title,
    parameters: { bytes },
    rows: floors.create.length === 0 ? rows : [floor, ...rows],
  };
}

const noTimes = (): Times => ({ create: [], stream: [], install: [] });

/** Megabytes (2^20) a second. */
function speeds(times: Times, bytes: number): Record<Phase, Metric> {
  const speed = (phase: Phase): Metric =>
    metricOf(
      'MiB/s',
      'higher',
      times[phase].map((ms) => (bytes / megabyte / ms) * 1000),
    );
  return { create: speed('create'), stream: speed('stream'), install: speed('install') };
}

async function timed(times: number[], work: () => Promise<void>): Promise<void> {
  const start = performance.now();
  await work();
  times.push(performance.now() - start);
}

/** The same bytes into a file that is synced and renamed, out of it, and once more in. */
function floorTimes(
  { inDirectory, payload }: WorkloadContext,
  bytes: number,
  repeats: number,
): Promise<Times> {
  const chunkBytes = Math.min(bytes, maxChunkBytes);
  const pool = new BytePool(payload, chunkBytes);
  const times = noTimes();
  return inDirectory(async (directory) => {
    const file = path.join(directory, 'snapshot');
    const write = async (): Promise<void> => {
      const fd = openSync(`${file}.tmp`, 'w');
      for (let at = 0; at < bytes; at += chunkBytes) writeSync(fd, pool.take(chunkBytes), 0, chunkBytes, at);
      fsyncSync(fd);
      closeSync(fd);
      renameSync(`${file}.tmp`, file);
      const parent = openSync(directory, 'r');
      fsyncSync(parent);
      closeSync(parent);
    };
    for (let n = 0; n < repeats; n++) {
      await timed(times.create, write);
      await timed(times.stream, async () => {
        const fd = openSync(file, 'r');
        for (let at = 0; at < bytes; at += chunkBytes)
          readSync(fd, Buffer.allocUnsafe(chunkBytes), 0, chunkBytes, at);
        closeSync(fd);
      });
      await timed(times.install, write);
    }
    return times;
  });
}

interface SnapshotTask {
  readonly bytes: number;
  readonly repeats: number;
  readonly floor: Times;
}

async function snapshotRow(
  { payload, signal }: WorkloadContext,
  entrant: Entrant,
  store: OpenedStore,
  { bytes, repeats, floor }: SnapshotTask,
): Promise<Row> {
  const foreground = new Foreground(await store.writer('foreground', 256));
  const source = await store.writer('source', 256);
  await source.append(1);
  const pool = new BytePool(payload, maxChunkBytes);
  const alone = await foreground.during(() => wait(aloneMs));
  const times = noTimes();
  const memory = new MemoryWatch();
  const stopWatch = watchLoop();
  const beside = await foreground.during(async () => {
    for (let n = 0; n < repeats; n++) {
      signal.throwIfAborted();
      await oneRound({ store, source, pool, bytes, times, n });
    }
  });
  const { maxMs } = stopWatch();
  const heapBytes = memory.stop();
  const metrics = speeds(times, bytes);
  const floors = speeds(floor, bytes);
  const ratios: Record<string, Ratio> = {};
  for (const phase of phases) {
    const ratio = compareMetrics(metrics[phase], floors[phase]);
    if (ratio !== undefined) ratios[`file ${phase}`] = ratio;
  }
  const tail = (unit: string, value: number): Metric => pooledMetric(unit, 'lower', [value], value);
  return {
    ...adapterName(entrant),
    metrics: {
      ...metrics,
      heap: tail('MiB', heapBytes / megabyte),
      alone: tail('ms', alone.percentile(99)),
      beside: tail('ms', beside.percentile(99)),
      loop: tail('ms', maxMs),
    },
    ratios,
  };
}

interface Round {
  readonly store: OpenedStore;
  readonly source: GroupWriter;
  readonly pool: BytePool;
  readonly bytes: number;
  readonly times: Times;
  readonly n: number;
}

/** Made in one group, read from there, installed in a fresh one. */
async function oneRound({ store, source, pool, bytes, times, n }: Round): Promise<void> {
  const chunkBytes = Math.min(bytes, maxChunkBytes);
  const metadata: SnapshotMetadata = { index: 2, term: 1, confState };
  let stored: StoredSnapshot | undefined;
  await timed(times.create, async () => {
    const writer = await source.storage.createSnapshot(metadata);
    for (let at = 0; at < bytes; at += chunkBytes) await writer.write(pool.take(chunkBytes));
    stored = await writer.commit();
  });
  if (stored === undefined) return;
  const { id } = stored;
  await timed(times.stream, async () => {
    const reader = await source.storage.openSnapshot(id);
    for (let i = 0; i < reader.snapshot.chunkCount; i++) await reader.chunk(i);
    await reader.close();
  });
  const target = store.engine.group(`target-${n}`);
  await target.open();
  await timed(times.install, async () => {
    const writer = await target.receiveSnapshot(metadata);
    for (let at = 0; at < bytes; at += chunkBytes) await writer.write(pool.take(chunkBytes));
    const received = await writer.commit();
    await target.write({ install: received.id, hardState: { term: 1, vote: 1, commit: metadata.index } });
  });
  await target.close();
  await store.engine.destroyGroup(`target-${n}`);
  await source.storage.pruneSnapshots(0);
}

/** Appends of one entry, one after another. */
class Foreground {
  readonly #writer: GroupWriter;

  constructor(writer: GroupWriter) {
    this.#writer = writer;
  }

  async during(work: () => Promise<void>): Promise<Latencies> {
    const latencies = new Latencies();
    let going = true;
    const isGoing = (): boolean => going;
    const loop = async (): Promise<void> => {
      while (isGoing()) {
        const start = performance.now();
        await this.#writer.append(1);
        latencies.record(performance.now() - start);
        await nextTurn();
      }
    };
    const running = loop();
    try {
      await work();
    } finally {
      going = false;
    }
    await running;
    return latencies;
  }
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
