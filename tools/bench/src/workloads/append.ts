/** Durable append: every write resolves when it is on the disk. Closed loop; each group has one write under way. */
import path from 'node:path';
import { entryOverheadBytes } from '@balsa/raft-core';
import type { BareClient } from '../bare/bare.ts';
import { bareClientOf } from '../bare/clients.ts';
import { floorKinds, floorLabels, floorLane, type FloorKind } from '../measure/floor.ts';
import { PayloadPool } from '../measure/payload-pool.ts';
import { race, type Runner } from '../measure/race.ts';
import { runSlice, type Lane } from '../measure/slice.ts';
import type { AppendCell } from '../plan.ts';
import type { Cell, Row } from '../report/report.ts';

import type { Entrant, Workload, WorkloadContext } from './context.ts';
import type { GroupWriter } from './group-writer.ts';
import { adapterName, failedRow, OpenedStore, type RowName } from './opened.ts';

const againstFloors = { growing: floorLabels.growing, preallocated: floorLabels.preallocated };

export const append: Workload = {
  name: 'append',
  description: 'durable appends: batches, payloads, groups writing at once',
  async *run(context) {
    const [first] = context.plan.append;
    if (first !== undefined) await warmUp(context, first);
    for (const cell of context.plan.append) yield await appendCell(context, cell);
  },
};

export function titleOf({ batch, payloadBytes, groups }: AppendCell): string {
  return `batch ${batch}, ${payloadBytes} B, ${groups} ${groups === 1 ? 'group' : 'groups'}`;
}

/** The code of a process that has just started is not compiled yet: some thousand writes, as for the clusters. */
function warmUp(context: WorkloadContext, cell: AppendCell): Promise<void> {
  const { plan, signal, say } = context;
  say('append: warming up');
  return withRunners(context, cell, async (runners) => {
    // What fails here fails in its first cell as well, and is told there.
    for (const { lane } of runners)
      await runSlice(lane, plan.warmUpMs, signal).catch(() => signal.throwIfAborted());
  });
}

function appendCell(context: WorkloadContext, cell: AppendCell): Promise<Cell> {
  const { plan, signal, say } = context;
  const title = titleOf(cell);
  say(`append: ${title}`);
  return withRunners(context, cell, async (runners, missing) => {
    const { rounds, sliceMs } = plan;
    const rows = await race(runners, { rounds, sliceMs, signal, unit: 'entry' });
    return { workload: 'append', title, parameters: { ...cell }, rows: [...rows, ...missing] };
  });
}

/** All lanes of a cell, opened in a directory of their own, and closed behind `run`; those that could not be are `missing`. */
function withRunners<T>(
  context: WorkloadContext,
  cell: AppendCell,
  run: (runners: readonly Runner[], missing: readonly Row[]) => Promise<T>,
): Promise<T> {
  const { signal, entrants } = context;
  return context.inDirectory(async (directory) => {
    const runners: Runner[] = floorKinds.map((kind) => floorRunner(context, cell, kind, directory));
    const missing: Row[] = [];
    const enter = async (row: RowName, open: () => Promise<Runner>): Promise<void> => {
      try {
        runners.push(await open());
      } catch (error) {
        signal.throwIfAborted();
        missing.push(failedRow(row, error));
      }
    };
    try {
      for (const bare of bareClientsOf(entrants)) {
        const row = { label: bare.label, kind: 'bare', durability: 'durable' } as const;
        const place = path.join(directory, row.label.replaceAll(' ', '-'));
        await enter(row, () => bareRunner(context, cell, bare, place));
      }
      for (const [n, entrant] of entrants.entries()) {
        const place = path.join(directory, `store-${n}`);
        await enter(adapterName(entrant), () => adapterRunner(context, cell, entrant, place));
      }
      return await run(runners, missing);
    } finally {
      for (const { lane } of runners) await lane.close();
    }
  });
}

/** The clients of the engines that take part, each once. */
function bareClientsOf(entrants: readonly Entrant[]): BareClient[] {
  const clients = entrants.map(({ source }) => bareClientOf(source.name));
  return [...new Set(clients.filter((client) => client !== undefined))];
}

async function bareRunner(
  { payload }: WorkloadContext,
  { batch, payloadBytes, groups }: AppendCell,
  bare: BareClient,
  directory: string,
): Promise<Runner> {
  const pool = new PayloadPool(payload);
  const lane = await bare.open({ directory, pool, payloadBytes, entries: batch * groups });
  return { label: bare.label, kind: 'bare', durability: 'durable', lane, against: againstFloors };
}

/** What one write of all groups at once brings to the disk, at least. */
function floorRunner(
  { payload }: WorkloadContext,
  { batch, payloadBytes, groups }: AppendCell,
  kind: FloorKind,
  directory: string,
): Runner {
  const entries = batch * groups;
  const bytes = entries * (payloadBytes + entryOverheadBytes);
  return {
    label: floorLabels[kind],
    kind: 'floor',
    durability: 'durable',
    lane: floorLane({ kind, directory, payload, bytes, entries }),
    against: {},
  };
}

/** An adapter in a directory of its own; its lane closes it. */
export async function adapterRunner(
  context: WorkloadContext,
  cell: AppendCell,
  entrant: Entrant,
  directory: string,
): Promise<Runner> {
  const store = await OpenedStore.open(context, entrant, directory);
  try {
    const writers: GroupWriter[] = [];
    for (let n = 0; n < cell.groups; n++) writers.push(await store.writer(`group-${n}`, cell.payloadBytes));
    const bare = bareClientOf(entrant.source.name)?.label;
    return {
      ...adapterName(entrant),
      lane: adapterLane(store, writers, cell.batch),
      against: { ...againstFloors, ...(bare !== undefined && { bare }) },
    };
  } catch (error) {
    await store.close();
    throw error;
  }
}

function adapterLane(store: OpenedStore, writers: readonly GroupWriter[], batch: number): Lane {
  return {
    streams: writers.length,
    unitsPerOperation: batch,
    servers: store.servers,
    operate: (stream) => writers[stream]?.append(batch),
    close: () => store.close(),
  };
}
