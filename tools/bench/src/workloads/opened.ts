/** A store that is open for a workload, and rows for those that could not be. */
import path from 'node:path';
import type { EnginePlace } from '@balsa/engines';
import type { Engine } from '@balsa/raft-core';
import { PayloadPool } from '../measure/payload-pool.ts';
import type { Row } from '../report/report.ts';
import type { Entrant, WorkloadContext } from './context.ts';
import { GroupWriter } from './group-writer.ts';

export class OpenedStore {
  readonly place: EnginePlace;
  readonly pool: PayloadPool;
  #engine: Engine;

  private constructor(place: EnginePlace, engine: Engine, pool: PayloadPool) {
    this.place = place;
    this.#engine = engine;
    this.pool = pool;
  }

  static async open(
    { env, payload }: WorkloadContext,
    { source }: Entrant,
    directory: string,
  ): Promise<OpenedStore> {
    const place = await source.prepare({ directory, env });
    try {
      return new OpenedStore(place, await place.open(), new PayloadPool(payload));
    } catch (error) {
      await place.close();
      throw error;
    }
  }

  get engine(): Engine {
    return this.#engine;
  }

  /** Processes besides this one that work for it. */
  get servers(): readonly number[] {
    const pid = this.place.server?.pid();
    return pid === undefined ? [] : [pid];
  }

  writer(group: string, payloadBytes: number): Promise<GroupWriter> {
    return GroupWriter.open(this.#engine, group, this.pool, payloadBytes);
  }

  /** A new life of the engine on the same data. A server goes on. */
  async reopen(): Promise<void> {
    await this.#engine.close();
    this.#engine = await this.place.open();
  }

  /** Closes the engine alone, to be opened again by `openAgain`. */
  async closeEngine(): Promise<void> {
    await this.#engine.close();
  }

  async openAgain(): Promise<void> {
    this.#engine = await this.place.open();
  }

  async close(): Promise<void> {
    try {
      await this.#engine.close();
    } finally {
      await this.place.close();
    }
  }
}

export type RowName = Pick<Row, 'label' | 'kind' | 'durability'>;

export function adapterName({ source, durability }: Entrant): RowName {
  return { label: source.label, kind: 'adapter', durability };
}

/** The row of one that failed, with what it said. */
export function failedRow(name: RowName, error: unknown): Row {
  const note = error instanceof Error ? error.message : String(error);
  return { ...name, metrics: {}, ratios: {}, note };
}

/** One row for each entrant, each alone in a directory of its own. */
export async function rowsOfEntrants(
  context: WorkloadContext,
  work: (entrant: Entrant, store: OpenedStore) => Promise<Row>,
): Promise<Row[]> {
  const rows: Row[] = [];
  for (const entrant of context.entrants) {
    context.signal.throwIfAborted();
    try {
      rows.push(
        await context.inDirectory(async (directory) => {
          const store = await OpenedStore.open(context, entrant, path.join(directory, 'data'));
          try {
            return await work(entrant, store);
          } finally {
            await store.close();
          }
        }),
      );
    } catch (error) {
      context.signal.throwIfAborted();
      rows.push(failedRow(adapterName(entrant), error));
    }
  }
  return rows;
}
