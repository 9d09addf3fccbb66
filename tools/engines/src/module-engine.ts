/** An engine of the user's own, as a module. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Engine } from '@balsa/raft-core';
import { EngineChoiceError } from './errors.ts';
import { importFailure } from './import-failure.ts';
import { labelOf, type EngineOptions, type RawOptions } from './options.ts';
import { makePlace, openOwned } from './place.ts';
import type { EnginePlace, EngineSource, PlaceOptions } from './source.ts';
import type { OpenEngine } from './adapter.ts';

/** What a conformance target makes: see `Harness` of @balsa/test-suite. */
interface Harness {
  open(): Promise<Engine>;
  destroy(): Promise<void>;
  readonly directory?: string;
  files?(): Promise<string[]>;
}

interface Target {
  readonly name: string;
  create(): Promise<Harness>;
}

function isTarget(value: unknown): value is Target {
  return (
    typeof value === 'object' &&
    value !== null &&
    'name' in value &&
    typeof value.name === 'string' &&
    'create' in value &&
    typeof value.create === 'function'
  );
}

/** A target keeps its data where it likes, and removes them when the place is closed. */
async function targetPlace(target: Target, reference: EnginePlace['reference']): Promise<EnginePlace> {
  const harness = await target.create();
  const close = once(() => harness.destroy());
  return {
    directory: harness.directory ?? reference.directory,
    server: undefined,
    connection: undefined,
    reference,
    open: () => harness.open(),
    files: async () => (await harness.files?.()) ?? [],
    close,
    [Symbol.asyncDispose]: close,
  };
}

function once(work: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | undefined;
  return () => (done ??= work());
}

/** Values as typed: numbers and booleans are read as such, since nobody says here what the module expects. */
function guessed(raw: RawOptions): EngineOptions {
  return Object.fromEntries(
    Object.entries(raw).map(([key, text]) => [
      key,
      text === 'true' || text === 'false' ? text === 'true' : /^\d+$/.test(text) ? Number(text) : text,
    ]),
  );
}

async function load(file: string): Promise<Readonly<Record<string, unknown>>> {
  try {
    return (await import(pathToFileURL(file).href)) as Record<string, unknown>;
  } catch (cause) {
    throw new EngineChoiceError(importFailure(file, cause), { cause });
  }
}

/**
 * The module exports `openEngine({ directory, env, ...options })`, or the `target` of a conformance run, whose
 * places are its own and are gone when they are closed.
 */
export async function moduleSource(
  name: string,
  raw: RawOptions,
  known: readonly string[],
): Promise<EngineSource> {
  const file = path.resolve(name);
  if (!existsSync(file)) {
    throw new EngineChoiceError(
      `there is no engine ${JSON.stringify(name)}: neither a known name (${known.join(', ')}) nor a file at ${file}`,
    );
  }
  const exported = await load(file);
  const open = exported['openEngine'];
  const target = exported['target'] ?? exported['default'];
  if (typeof open !== 'function' && !isTarget(target)) {
    throw new EngineChoiceError(
      `${file} exports neither openEngine({ directory, env }) nor a target { name, create } of @balsa/test-suite`,
    );
  }
  const options = guessed(raw);
  if (typeof open !== 'function' && Object.keys(raw).length > 0) {
    throw new EngineChoiceError(`${file} exports a target, which takes no options; leave --option out`);
  }
  const prepare = async ({ directory, env }: PlaceOptions): Promise<EnginePlace> => {
    const reference = { engine: file, directory, options };
    if (typeof open !== 'function') return targetPlace(target as Target, reference);
    return makePlace({
      reference,
      notData: /(^|[-.])(lock|owner)/,
      open: () => (open as OpenEngine)({ ...options, directory, env }),
    });
  };
  return {
    name,
    label: labelOf(isTarget(target) ? target.name : path.basename(file), options),
    description: `the module ${file}`,
    needs: undefined,
    persistent: typeof open === 'function',
    options,
    optionSpecs: {},
    prepare,
    isOpen: () => Promise.resolve(false),
    open: async (place) => openOwned(await prepare(place)),
  };
}
