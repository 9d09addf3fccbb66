/** Reads of 64 entries: the newest, anywhere in the middle, and anywhere after the store was opened anew. */
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import path from 'node:path';
import { entryOverheadBytes, NoLimit } from '@balsa/raft-core';
import { race, type Runner } from '../measure/race.ts';
import type { Lane } from '../measure/slice.ts';
import type { Cell, Row } from '../report/report.ts';
import type { Workload, WorkloadContext } from './context.ts';
import { adapterName, failedRow, OpenedStore } from './opened.ts';
import { preload } from './preload.ts';

const payloadBytes = 256;
const entriesPerRead = 64;
const readBytes = entriesPerRead * (payloadBytes + entryOverheadBytes);

type Place = 'tail' | 'middle' | 'cold';

const places: Readonly<Record<Place, string>> = {
  tail: 'the newest entries',
  middle: 'anywhere in the middle half',
  cold: 'anywhere, the store just opened (the page cache of the system is kept)',
};

const floorLabel = 'floor: pread';

export const read: Workload = {
  name: 'read',
  description: 'reads of 64 entries at the tail, in the middle, and after opening anew',
  async *run(context) {
    yield* readCells(context);
  },
};

async function* readCells(context: WorkloadContext): AsyncIterable<Cell> {
  const { plan, signal, entrants, say, env } = context;
  const entries = plan.loadedEntries;
  const cells: Cell[] = [];
  await context.inDirectory(async (directory) => {
    const stores: { readonly store: OpenedStore; readonly name: ReturnType<typeof adapterName> }[] = [];
    const missing: Row[] = [];
    try {
      for (const [n, entrant] of entrants.entries()) {
        say(`read: loading ${entries} entries into ${entrant.source.label}`);
        try {
          const store = await OpenedStore.open(context, entrant, path.join(directory, `store-${n}`));
          stores.push({ store, name: adapterName(entrant) });
          await preload(store, 'group', { entries, payloadBytes }, signal);
        } catch (error) {
          signal.throwIfAborted();
          missing.push(failedRow(adapterName(entrant), error));
        }
      }
      for (const place of ['tail', 'middle', 'cold'] as const) {
        const title = `${entriesPerRead} of ${entries} entries, ${places[place]}`;
        say(`read: ${title}`);
        const at = placeOf(place, entries, () => env.random());
        const floor: Runner = {
          ...{ label: floorLabel, kind: 'floor', durability: 'durable', against: {} },
          lane: preadLane(path.join(directory, 'floor'), entries, at),
        };
        const runners = stores.map(({ store, name }): Runner => ({
          ...name,
          lane: readLane(store, place, at),
          against: { read: floorLabel },
        }));
        try {
          const { rounds, sliceMs } = plan;
          const rows = await race([floor, ...runners], { rounds, sliceMs, signal, unit: 'entry' });
          cells.push({
            workload: 'read',
            title,
            parameters: { place, entries },
            rows: [...rows, ...missing],
          });
        } finally {
          await floor.lane.close();
        }
      }
    } finally {
      for (const { store } of stores) await store.close();
    }
  });
  yield* cells;
}

/** Gives the first index of the next read. */
function placeOf(place: Place, entries: number, random: () => number): () => number {
  const last = entries + 1 - entriesPerRead;
  if (place === 'tail') return () => last + 1;
  const [from, span] = place === 'middle' ? [entries / 4, entries / 2] : [2, last - 2];
  return () => Math.min(last, Math.floor(from + random() * span));
}

function readLane(store: OpenedStore, place: Place, at: () => number): Lane {
  return {
    streams: 1,
    unitsPerOperation: entriesPerRead,
    servers: store.servers,
    async operate(): Promise<void> {
      const low = at();
      const found = await store.engine.group('group').entries(low, low + entriesPerRead, NoLimit);
      if (found.length !== entriesPerRead) throw new Error(`a read gave ${found.length} entries`);
    },
    async prepare(): Promise<void> {
      if (place !== 'cold') return;
      await store.reopen();
      await store.engine.group('group').open();
    },
    close: async () => undefined,
  };
}

/** The same bytes out of a file. */
function preadLane(file: string, entries: number, at: () => number): Lane {
  const fd = openSync(file, 'w+');
  const block = Buffer.alloc(readBytes, 1);
  const entryBytes = readBytes / entriesPerRead;
  for (let offset = 0; offset <= entries * entryBytes; offset += readBytes)
    writeSync(fd, block, 0, readBytes, offset);
  return {
    streams: 1,
    unitsPerOperation: entriesPerRead,
    servers: [],
    operate(): undefined {
      readSync(fd, Buffer.allocUnsafe(readBytes), 0, readBytes, (at() - 1) * entryBytes);
    },
    async close(): Promise<void> {
      closeSync(fd);
    },
  };
}
