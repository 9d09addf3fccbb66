/** Durable append: every write resolves when it is on the disk. Closed loop; each group has one write under way. */
import path from 'node:path';
import type { EnginePlace } from '@balsa/engines';
import { entryOverheadBytes, type Engine } from '@balsa/raft-core';
import { createFloor, type FloorKind } from '../measure/floor.ts';
import { PayloadPool } from '../measure/payload-pool.ts';
import { race, type Runner } from '../measure/race.ts';
import type { Lane } from '../measure/slice.ts';
import type { AppendCell } from '../plan.ts';
import type { Cell, Row } from '../report/report.ts';

import type { Entrant, Workload, WorkloadContext } from './context.ts';
import { GroupWriter } from './group-writer.ts';

const floors: readonly FloorKind[] = ['growing', 'preallocated'];
const floorLabels: Readonly<Record<FloorKind, string>> = {
  growing: 'floor: growing file',
  preallocated: 'floor: preallocated file',
};

export const append: Workload = {
  name: 'append',
  description: 'durable appends: batches, payloads, groups writing at once',
  async *run(context) {
    for (const cell of context.plan.append) yield await appendCell(context, cell);
  },
};

function titleOf({ batch, payloadBytes, groups }: AppendCell): string {
  return `batch ${batch}, ${payloadBytes} B, ${groups} ${groups === 1 ? 'group' : 'groups'}`;
}

function appendCell(context: WorkloadContext, cell: AppendCell): Promise<Cell> {
  const { plan, signal, entrants, say } = context;
  const title = titleOf(cell);
  say(`append: ${title}`);
  return context.inDirectory(async (directory) => {
    const runners: Runner[] = floors.map((kind) => floorRunner(context, cell, kind, directory));
    const missing: Row[] = [];
    try {
      for (const [n, entrant] of entrants.entries()) {
        const place = path.join(directory, `store-${n}`);
        try {
          runners.push(await adapterRunner(context, cell, entrant, place));
        } catch (error) {
          const note = error instanceof Error ? error.message : String(error);
          missing.push({
            label: entrant.source.label,
            kind: 'adapter',
            durability: entrant.durability,
            metrics: {},
            ratios: {},
            note,
          });
        }
      }
      const { rounds, sliceMs } = plan;
      const rows = await race(runners, { rounds, sliceMs, signal, unit: 'entry' });
      return { workload: 'append', title, parameters: { ...cell }, rows: [...rows, ...missing] };
    } finally {
      for (const { lane } of runners) await lane.close();
    }
  });
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
    lane: createFloor({ kind, directory, payload, bytes, entries }),
    against: {},
  };
}

async function adapterRunner(
  { env, payload }: WorkloadContext,
  cell: AppendCell,
  { source, durability }: Entrant,
  directory: string,
): Promise<Runner> {
  const place = await source.prepare({ directory, env });
  try {
    const engine = await place.open();
    const pool = new PayloadPool(payload);
    const writers: GroupWriter[] = [];
    for (let n = 0; n < cell.groups; n++)
      writers.push(await GroupWriter.open(engine, `group-${n}`, pool, cell.payloadBytes));
    return {
      label: source.label,
      kind: 'adapter',
      durability,
      lane: adapterLane(engine, place, writers, cell.batch),
      against: { growing: floorLabels.growing, preallocated: floorLabels.preallocated },
    };
  } catch (error) {
    await place.close();
    throw error;
  }
}

function adapterLane(
  engine: Engine,
  place: EnginePlace,
  writers: readonly GroupWriter[],
  batch: number,
): Lane {
  return {
    streams: writers.length,
    unitsPerOperation: batch,
    get servers(): number[] {
      const pid = place.server?.pid();
      return pid === undefined ? [] : [pid];
    },
    operate: (stream) => writers[stream]?.append(batch),
    async close(): Promise<void> {
      try {
        await engine.close();
      } finally {
        await place.close();
      }
    },
  };
}
