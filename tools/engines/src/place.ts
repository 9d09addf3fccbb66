/** A directory with an engine in it, and the files that hold its data. */
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import type { Engine } from '@balsa/raft-core';
import type { EngineConnection, EnginePlace, EngineServer, PlaceReference } from './source.ts';

/** Files below `directory` that hold data, sorted; `notData` are names of files that belong to a life of the engine. */
async function dataFiles(directory: string, notData: RegExp): Promise<string[]> {
  if (!existsSync(directory)) return [];
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && !notData.test(entry.name))
    .map((entry) => path.join(entry.parentPath, entry.name))
    .sort();
}

export interface PlaceParts {
  readonly reference: PlaceReference;
  readonly open: () => Promise<Engine>;
  readonly server?: EngineServer;
  readonly connection?: EngineConnection & { close(): Promise<void> };
  /** Names of files that are no data: locks, sockets, logs for people. */
  readonly notData: RegExp;
}

export function makePlace({ reference, open, server, connection, notData }: PlaceParts): EnginePlace {
  const close = async (): Promise<void> => {
    await connection?.close();
    await server?.stop();
  };
  return {
    directory: reference.directory,
    server,
    connection,
    reference,
    open,
    files: () => dataFiles(reference.directory, notData),
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** The same engine, whose `close` goes on with `after`. */
export function closingAfter(engine: Engine, after: () => Promise<void>): Engine {
  const close = async (): Promise<void> => {
    try {
      await engine.close();
    } finally {
      await after();
    }
  };
  return new Proxy(engine, {
    get(target, property): unknown {
      if (property === 'close' || property === Symbol.asyncDispose) return close;
      const value: unknown = Reflect.get(target, property, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

/** The engine of the place, whose closing closes the place as well. */
export async function openOwned(place: EnginePlace): Promise<Engine> {
  try {
    return closingAfter(await place.open(), () => place.close());
  } catch (error) {
    await place.close();
    throw error;
  }
}
