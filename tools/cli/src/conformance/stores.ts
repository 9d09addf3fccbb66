/** The stores that `balsa conformance` knows by name, and those that it is given as a module. */
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { engineNames, findEngine, importFailure, type EngineSource, type RawOptions } from '@balsa/engines';
import { createMemoryDisk, openMemoryEngine } from '@balsa/raft-core/memory';
import type { Timer } from '@balsa/raft-core';
import { createNodeEnv } from '@balsa/raft-node';
import type { ChildOpener, Harness, Target } from '@balsa/test-suite';
import { CommandFailure } from '../messages.ts';

/** Bound on the import of a store's module, in milliseconds. */
const importLimitMs = 60_000;

/** A store that is not there, or a wrong choice: exit code 2, as opposed to a store that fails. */
export class WrongChoice extends CommandFailure {}

/** `name` is one of ours, or a path to a module that exports `target` or `openEngine`. */
export async function findTarget(name: string, options: RawOptions): Promise<Target> {
  if (!engineNames.includes(name)) return moduleTarget(name, options);
  const source = await findEngine(name, options);
  return name === 'memory' ? memoryTarget() : placeTarget(source);
}

function memoryTarget(): Target {
  return {
    name: 'memory',
    abilities: ['crash'],
    create: () => {
      const disk = createMemoryDisk();
      return Promise.resolve({
        open: async () => openMemoryEngine({ disk }),
        crash: async () => {
          disk.crash();
        },
        destroy: () => Promise.resolve(),
      });
    },
  };
}

/** An engine whose data lie below a directory, held by a server of its own or by this process. */
function placeTarget(source: EngineSource): Target {
  for (const option of ['url', 'host', 'port', 'socket']) {
    if (source.options[option] === undefined) continue;
    throw new WrongChoice(
      `a conformance run starts, kills and damages servers of its own: leave the option ${option} out`,
    );
  }
  return {
    name: source.label,
    abilities:
      source.needs === undefined ? ['files', 'child'] : ['files', 'child', 'processes', 'connection'],
    create: async (): Promise<Harness> => {
      const folder = await mkdtemp(path.join(tmpdir(), `balsa-conformance-${path.parse(source.name).name}-`));
      const place = await source.prepare({ directory: path.join(folder, 'data'), env: createNodeEnv() });
      return {
        directory: place.directory,
        open: () => place.open(),
        files: () => place.files(),
        child: childOpener(place.reference),
        ...(place.server === undefined ? {} : { processes: place.server }),
        ...(place.connection === undefined ? {} : { connection: place.connection }),
        destroy: async () => {
          await place.close();
          await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 20 });
        },
      };
    },
  };
}

/** A child is plain Node: it imports what was built, also when this process runs from the sources. */
function childOpener(argument: ChildOpener['argument']): ChildOpener {
  const here = fileURLToPath(import.meta.url);
  const module = here.endsWith('.ts')
    ? path.join(path.dirname(here), '..', '..', 'dist', 'conformance', 'open-store.js')
    : path.join(path.dirname(here), 'open-store.js');
  return { module, export: 'openNamed', argument };
}

async function moduleTarget(name: string, options: RawOptions): Promise<Target> {
  const file = path.resolve(name);
  if (!existsSync(file)) {
    throw new WrongChoice(
      `there is no store ${JSON.stringify(name)}: neither a known name (${engineNames.join(', ')}) ` +
        `nor a file at ${file}; a new one is begun with balsa conformance --init DIR`,
    );
  }
  let loaded: Record<string, unknown>;
  try {
    loaded = await importInTime(file);
  } catch (cause) {
    if (cause instanceof WrongChoice) throw cause;
    throw new WrongChoice(importFailure(file, cause), { cause });
  }
  const target = targetIn(loaded);
  if (target !== undefined) {
    const [first] = Object.keys(options);
    if (first === undefined) return target;
    throw new WrongChoice(`the store ${name} has no option ${first}; leave --option out`);
  }
  if (typeof loaded['openEngine'] === 'function') return placeTarget(await findEngine(name, options));
  throw new WrongChoice(
    `${file} does not export a target: it needs export const target = { name, create } ` +
      `(the type Target of @balsa/test-suite)`,
  );
}

/** `target`, or the default export; of a CommonJS module, whose names are not always found, a member of that. */
function targetIn(loaded: Record<string, unknown>): Target | undefined {
  const whole = loaded['default'];
  const inner = typeof whole === 'object' && whole !== null && 'target' in whole ? whole.target : undefined;
  return [loaded['target'], whole, inner].find(isTarget);
}

/** A module that waits for something at its top level may wait for ever. */
async function importInTime(file: string): Promise<Record<string, unknown>> {
  let timer: Timer | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = createNodeEnv().setTimer(importLimitMs, () => {
      const seconds = String(importLimitMs / 1000);
      reject(
        new WrongChoice(
          `${file} cannot be imported: what it awaits at its top level did not come in ${seconds} s`,
        ),
      );
    });
  });
  try {
    const loading = import(pathToFileURL(file).href) as Promise<Record<string, unknown>>;
    return await Promise.race([loading, late]);
  } finally {
    timer?.cancel();
  }
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
