/** The engines by name. */
import type { Engine, Env } from '@balsa/raft-core';
import { makeSource, type EngineDefinition } from './definition.ts';
import { file } from './file.ts';
import { memory } from './memory.ts';
import { moduleSource } from './module-engine.ts';
import type { EngineOptions, RawOptions } from './options.ts';
import { redis } from './redis.ts';
import { rocksdb } from './rocksdb.ts';
import type { EngineSource, PlaceReference } from './source.ts';
import { sqlite } from './sqlite.ts';

const definitions: readonly EngineDefinition[] = [sqlite, redis, rocksdb, file, memory];

/** Names of our own engines. */
export const engineNames: readonly string[] = definitions.map(({ name }) => name);

/** Names of our own engines whose data outlive the process: those that a node can run on. */
export const persistentEngineNames: readonly string[] = definitions
  .filter(({ persistent }) => persistent)
  .map(({ name }) => name);

/** `name` is one of `engineNames`, or the path of a module. `EngineChoiceError` for a wrong name or option. */
export async function findEngine(name: string, options: RawOptions = {}): Promise<EngineSource> {
  const definition = definitions.find((one) => one.name === name);
  return definition === undefined
    ? moduleSource(name, options, engineNames)
    : makeSource(definition, options);
}

function untyped(options: EngineOptions): RawOptions {
  return Object.fromEntries(Object.entries(options).map(([key, value]) => [key, String(value)]));
}

/** In another process: the engine of the place that `reference` was taken from. A server of the place is not started anew. */
export async function openReference(reference: PlaceReference, env: Env): Promise<Engine> {
  const source = await findEngine(reference.engine, untyped(reference.options));
  return source.open({ directory: reference.directory, env });
}
