/** How long a store needs to open with a log in it: the engine and the group, until all is known to be durable. */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { entryOverheadBytes } from '@balsa/raft-core';
import { compareMetrics, metricOf } from '../measure/rows.ts';
import type { Metric, Row } from '../report/report.ts';
import type { Workload, WorkloadContext } from './context.ts';
import { adapterName, rowsOfEntrants } from './opened.ts';
import { preload } from './preload.ts';

const payloadBytes = 256;

export const reopen: Workload = {
  name: 'reopen',
  description: 'opening a store with a log in it',
  async *run(context) {
    const { plan, say } = context;
    const entries = plan.loadedEntries;
    const floors: Metric[] = [];
    const rows = await rowsOfEntrants(context, async (entrant, store) => {
      say(`reopen: ${entrant.source.label}, ${entries} entries`);
      await preload(store, 'group', { entries, payloadBytes }, context.signal);
      const times: number[] = [];
      const reads: number[] = [];
      for (let round = 0; round < plan.repeats; round++) {
        reads.push(await readWhole(context, entries));
        await store.closeEngine();
        const start = performance.now();
        await store.openAgain();
        await store.engine.group('group').open();
        times.push(performance.now() - start);
      }
      const open = metricOf('ms', 'lower', times);
      const floor = metricOf('ms', 'lower', reads);
      floors.push(floor);
      const rate = metricOf(
        'entry/s',
        'higher',
        times.map((ms) => (entries * 1000) / ms),
      );
      const ratio = compareMetrics(open, floor);
      return {
        ...adapterName(entrant),
        metrics: { open, throughput: rate },
        ratios: ratio === undefined ? {} : { 'read open': ratio },
      };
    });
    const open = floors[0];
    const floor: Row[] =
      open === undefined
        ? []
        : [
            {
              label: 'floor: reading a file',
              kind: 'floor',
              durability: 'durable',
              metrics: { open },
              ratios: {},
            },
          ];
    const title = `${entries} entries of ${payloadBytes} B`;
    yield { workload: 'reopen', title, parameters: { entries, payloadBytes }, rows: [...floor, ...rows] };
  },
};

/** The same bytes read out of one file, in milliseconds. */
function readWhole(context: WorkloadContext, entries: number): Promise<number> {
  return context.inDirectory(async (directory) => {
    const file = path.join(directory, 'floor');
    writeFileSync(file, Buffer.alloc(entries * (payloadBytes + entryOverheadBytes), 1));
    const start = performance.now();
    readFileSync(file);
    return performance.now() - start;
  });
}
