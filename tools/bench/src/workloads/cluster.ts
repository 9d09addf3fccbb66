/** The whole thing: three processes over loopback TCP, RESP clients that SET, and a leader that is killed. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { entryOverheadBytes } from '@balsa/raft-core';
import { BareCluster } from '../cluster/bare-cluster.ts';
import { BenchCluster } from '../cluster/bench-cluster.ts';
import { measureRoundTrips } from '../cluster/echo.ts';
import { EtcdCluster, etcdVersion } from '../cluster/etcd-cluster.ts';
import { runLoad, valueBytes, warmUp, type LoadedCluster } from '../cluster/load.ts';
import { Floor } from '../measure/floor.ts';
import { Latencies } from '../measure/latencies.ts';
import { usageNow } from '../measure/process-usage.ts';
import { compareMetrics, metricOf, metricsOf } from '../measure/rows.ts';
import { watchLoop, type Sample } from '../measure/slice.ts';
import { bareReplication } from '../report/bars.ts';
import type { Cell, Metric, Row } from '../report/report.ts';
import type { Entrant, Workload, WorkloadContext } from './context.ts';
import { adapterName, failedRow, type RowName } from './opened.ts';

const floorLabel = 'floor: 2 round trips + sync';
const floorWrites = 200;

export const cluster: Workload = {
  name: 'cluster',
  description: 'three processes, RESP clients that SET 256 B, and the leader killed',
  async *run(context) {
    const { entrants, plan } = context;
    const { clients, measureMs, kills } = plan.cluster;
    const byCell = new Map<number, Row[]>(clients.map((count) => [count, []]));
    const failovers: Row[] = [];
    await measureOthers(context, byCell);
    for (const entrant of clustered(entrants, plan.cluster.everyVariant))
      await measureCluster(context, entrant, byCell, failovers);
    for (const [count, rows] of byCell) {
      const title = `${count} ${count === 1 ? 'client' : 'clients'}, SET of ${valueBytes} B, three processes`;
      yield {
        workload: 'cluster',
        title,
        parameters: { clients: count, valueBytes, measureMs },
        rows: withFloor(beside(beside(rows, 'bare'), 'rival')),
      };
    }
    const title = `leader killed, ${kills} times: until a write is accepted`;
    yield { workload: 'failover', title, parameters: { kills }, rows: failovers };
  },
};

/** Those that keep what they are given: all of them, or the first of each engine. */
function clustered(entrants: readonly Entrant[], everyVariant: boolean): Entrant[] {
  const kept = entrants.filter(({ source }) => source.persistent);
  const firstOf = (name: string): Entrant | undefined => kept.find(({ source }) => source.name === name);
  return everyVariant ? kept : kept.filter((entrant) => firstOf(entrant.source.name) === entrant);
}

/** The floors that were measured between the rows, as one row. */
interface MeasuredRow extends Row {
  readonly floorRounds?: readonly number[];
}

function withFloor(rows: readonly MeasuredRow[]): Cell['rows'] {
  const rounds = rows.flatMap(({ floorRounds }) => floorRounds ?? []);
  const plain = rows.map(({ floorRounds: _, ...row }): Row => row);
  if (rounds.length === 0) return plain;
  const floor: Row = {
    ...{ label: floorLabel, kind: 'floor', durability: 'durable', ratios: {} },
    metrics: { p50: metricOf('ms', 'lower', rounds) },
  };
  return [floor, ...plain];
}

async function measureCluster(
  context: WorkloadContext,
  entrant: Entrant,
  byCell: ReadonlyMap<number, MeasuredRow[]>,
  failovers: Row[],
): Promise<void> {
  const { plan, signal, say, inDirectory } = context;
  const { label } = entrant.source;
  const name = adapterName(entrant);
  try {
    await inDirectory(async (directory) => {
      say(`cluster: ${label}, three processes start`);
      const nodes = await BenchCluster.start(context, entrant, directory).catch((error: unknown) => {
        throw withLog(error, directory);
      });
      try {
        await loadRows(context, name, nodes, byCell, directory);
        const times: number[] = [];
        for (let n = 0; n < plan.cluster.kills; n++) {
          say(`cluster: ${label}, the leader is killed (${n + 1} of ${plan.cluster.kills})`);
          times.push(await nodes.killLeader());
        }
        failovers.push({
          ...name,
          metrics: { unavailable: metricOf('ms', 'lower', times), worst: worstOf(times) },
          ratios: {},
        });
      } finally {
        await nodes.stop();
      }
    });
  } catch (error) {
    signal.throwIfAborted();
    say(`cluster: ${label} failed`);
    for (const rows of byCell.values())
      if (!rows.some((row) => row.label === label)) rows.push(failedRow(name, error));
    failovers.push(failedRow(name, error));
  }
}

/** They go first, the rival last, so that the first of ours follows within the minute. */
async function measureOthers(
  context: WorkloadContext,
  byCell: ReadonlyMap<number, MeasuredRow[]>,
): Promise<void> {
  const bare: RowName = { label: bareReplication, kind: 'bare', durability: 'durable' };
  await measureOther(context, bare, byCell, (directory) => BareCluster.start(context, directory));
  const { etcd } = context;
  if (etcd === undefined) return;
  const rival: RowName = { label: etcdVersion(etcd), kind: 'rival', durability: 'durable' };
  await measureOther(context, rival, byCell, (directory) => EtcdCluster.start(context, etcd, directory));
}

async function measureOther(
  context: WorkloadContext,
  name: RowName,
  byCell: ReadonlyMap<number, MeasuredRow[]>,
  start: (directory: string) => Promise<LoadedCluster>,
): Promise<void> {
  try {
    await context.inDirectory(async (directory) => {
      context.say(`cluster: ${name.label}, three processes start`);
      const nodes = await start(path.join(directory, 'logs'));
      try {
        await loadRows(context, name, nodes, byCell, directory);
      } finally {
        await nodes.stop();
      }
    });
  } catch (error) {
    context.signal.throwIfAborted();
    for (const rows of byCell.values())
      if (!rows.some((row) => row.label === name.label)) rows.push(failedRow(name, error));
  }
}

/** What ratios to rows of a kind are called. */
const besides = { bare: 'bare', rival: 'etcd' } as const;

/** Ratios of ours, and of whoever stands between, to the throughput and latency of the row of a kind, round by round. */
function beside(rows: readonly MeasuredRow[], kind: keyof typeof besides): MeasuredRow[] {
  const other = rows.find((row) => row.kind === kind);
  return rows.map((row) => {
    if (other === undefined || row.kind === 'bare' || row === other) return row;
    const ratios = { ...row.ratios };
    for (const figure of ['throughput', 'p50'] as const) {
      const [ours, theirs] = [row.metrics[figure], other.metrics[figure]];
      const ratio = ours === undefined || theirs === undefined ? undefined : compareMetrics(ours, theirs);
      if (ratio !== undefined) ratios[`${besides[kind]} ${figure}`] = ratio;
    }
    return { ...row, ratios };
  });
}

async function loadRows(
  context: WorkloadContext,
  name: RowName,
  nodes: LoadedCluster,
  byCell: ReadonlyMap<number, MeasuredRow[]>,
  directory: string,
): Promise<void> {
  context.say(`cluster: ${name.label}, warming up`);
  await warmUp(nodes, context.plan.cluster.warmUpMs, context.signal);
  for (const [count, rows] of byCell) {
    context.say(`cluster: ${name.label}, ${count} ${count === 1 ? 'client' : 'clients'}`);
    rows.push(await loadRow(context, name, nodes, count, directory));
  }
}

/** What the nodes said last: their logs are gone with the directory. */
function withLog(error: unknown, directory: string): Error {
  const logs = path.join(directory, 'logs');
  const last = existsSync(logs)
    ? readdirSync(logs).map(
        (name) => readFileSync(path.join(logs, name), 'utf8').trim().split('\n').at(-1) ?? '',
      )
    : [];
  const message = error instanceof Error ? error.message : String(error);
  return new Error(`${message}; the nodes said last: ${last.join(' | ').slice(0, 600)}`, { cause: error });
}

function worstOf(times: readonly number[]): Metric {
  return metricOf('ms', 'lower', times.length === 0 ? [] : [Math.max(...times)]);
}

async function loadRow(
  context: WorkloadContext,
  name: RowName,
  nodes: LoadedCluster,
  count: number,
  directory: string,
): Promise<MeasuredRow> {
  const { plan, signal } = context;
  const { measureMs, rounds } = plan.cluster;
  await nodes.settle();
  const address = await nodes.leaderAddress();
  const clients = await nodes.connect(address, count);
  try {
    await runLoad(clients, measureMs / 2, signal);
    const samples: Sample[] = [];
    const floors: number[] = [];
    let refused = 0;
    for (let round = 0; round < rounds; round++) {
      floors.push(await floorNow(context, path.join(directory, 'floor')));
      const { sample, refusals } = await sampleOf(nodes, clients, measureMs, signal);
      samples.push(sample);
      refused += refusals;
    }
    const metrics = metricsOf(samples, 'set');
    const floor = metricOf('ms', 'lower', floors);
    const ratio = metrics['p50'] === undefined ? undefined : compareMetrics(metrics['p50'], floor);
    return {
      ...name,
      metrics,
      ratios: ratio === undefined ? {} : { 'round trips p50': ratio },
      ...(refused > 0 && { note: `${refused} SETs were not accepted: ${clients[0]?.complaint ?? ''}` }),
      floorRounds: floors,
    };
  } finally {
    for (const client of clients) client.close();
  }
}

async function sampleOf(
  nodes: LoadedCluster,
  clients: Parameters<typeof runLoad>[0],
  ms: number,
  signal: AbortSignal,
): Promise<{ readonly sample: Sample; readonly refusals: number }> {
  const stopWatch = watchLoop();
  // The clients are of this process; what they cost is no cost of the cluster.
  const own = usageNow([]);
  const before = usageNow(nodes.pids);
  const { latencies, elapsedMs, refused } = await runLoad(clients, ms, signal);
  const after = usageNow(nodes.pids);
  const ownAfter = usageNow([]);
  const { maxMs, p99Ms } = stopWatch();
  const sample: Sample = {
    operations: latencies.count,
    units: latencies.count,
    elapsedMs,
    latencies,
    cpuMs: after.cpuMs - before.cpuMs - (ownAfter.cpuMs - own.cpuMs),
    writtenBytes: after.writtenBytes - before.writtenBytes - (ownAfter.writtenBytes - own.writtenBytes),
    loopMaxMs: maxMs,
    loopP99Ms: p99Ms,
  };
  return { sample, refusals: refused };
}

/** Client to leader and back, leader to follower and back, and one sync: medians, in milliseconds. */
async function floorNow({ payload }: WorkloadContext, directory: string): Promise<number> {
  const bytes = valueBytes + entryOverheadBytes;
  const floor = new Floor({ kind: 'growing', directory, payload, bytes });
  try {
    const syncs = new Latencies();
    for (let n = 0; n < floorWrites; n++) {
      const start = performance.now();
      floor.write(bytes);
      syncs.record(performance.now() - start);
    }
    const trips = await measureRoundTrips();
    return 2 * trips.percentile(50) + syncs.percentile(50);
  } finally {
    floor.close();
  }
}
