/** The stores that `balsa conformance` knows by name, and those that it is given as a module. */
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { createMemoryDisk, openMemoryEngine } from '@balsa/raft-core/memory';
import type { ChildOpener, Harness, Target } from '@balsa/test-suite';
import { CommandFailure } from '../messages.ts';
import { openNamed, type StoreName, type StoreOptions } from './open-store.ts';

/** A store that is not there, or a wrong choice: exit code 2, as opposed to a store that fails. */
export class WrongChoice extends CommandFailure {}

const comingNames: readonly string[] = ['redis', 'rocksdb'];
const fileNames: readonly StoreName[] = ['sqlite', 'file'];

function isFileName(text: string): text is StoreName {
  return fileNames.some((name) => name === text);
}

/** `name` is one of ours, or a path to a module that exports `target`. */
export async function findTarget(name: string, options: StoreOptions): Promise<Target> {
  if (comingNames.includes(name)) {
    throw new WrongChoice(
      `there is no adapter for ${name} yet; give memory, ${fileNames.join(', ')}, or the path of a module of your own`,
    );
  }
  if (name === 'memory') {
    refuseOptions(name, options);
    return memoryTarget();
  }
  if (isFileName(name)) return directoryTarget(name, options);
  return moduleTarget(name, options);
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

function refuseOptions(name: string, options: StoreOptions): void {
  const [first] = Object.keys(options);
  if (first === undefined) return;
  throw new WrongChoice(`the store ${name} has no option ${first}; leave --option out`);
}

/** One of our adapters that keep their data in a directory. */
function directoryTarget(name: StoreName, options: StoreOptions): Target {
  const shown = Object.entries(options).map(([key, value]) => `${key}=${String(value)}`);
  return {
    name: [name, ...shown].join(' '),
    abilities: ['files', 'child'],
    create: async (): Promise<Harness> => {
      const place = await mkdtemp(path.join(tmpdir(), `balsa-conformance-${name}-`));
      const directory = path.join(place, 'data');
      const argument = { name, directory, options };
      return {
        directory,
        open: () => openNamed(argument),
        files: () => filesBelow(directory),
        child: childOpener(argument),
        destroy: () => rm(place, { recursive: true, force: true }),
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

/** Files that hold data: not the locks, which belong to a life and not to the data. */
async function filesBelow(directory: string): Promise<string[]> {
  if (!existsSync(directory)) return [];
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && !/(^|[-.])(lock|owner|shm)/.test(entry.name))
    .map((entry) => path.join(entry.parentPath, entry.name))
    .sort();
}

async function moduleTarget(name: string, options: StoreOptions): Promise<Target> {
  const file = path.resolve(name);
  if (!existsSync(file)) {
    throw new WrongChoice(
      `there is no store ${JSON.stringify(name)}: neither a known name (memory, ${fileNames.join(', ')}) ` +
        `nor a file at ${file}; a new one is begun with balsa conformance --init DIR`,
    );
  }
  refuseOptions(name, options);
  let loaded: Record<string, unknown>;
  try {
    loaded = (await import(pathToFileURL(file).href)) as Record<string, unknown>;
  } catch (cause) {
    throw new WrongChoice(`${file} cannot be imported`, { cause });
  }
  const target = loaded['target'] ?? loaded['default'];
  if (isTarget(target)) return target;
  throw new WrongChoice(
    `${file} does not export a target: it needs export const target = { name, create } ` +
      `(the type Target of @balsa/test-suite)`,
  );
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
